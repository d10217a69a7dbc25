"""The encoder that made a store, loaded again."""

from __future__ import annotations

import json
from typing import Any

from cache import Store
from cache.keys import differences
from pipeline.encoders import Encoder, load_encoder
from pipeline.preprocess import Preprocess
from stages.errors import ParamsError, StageError
from stages.params import Params

__all__ = ["encoder_of"]


def encoder_of(store: Store, params: Params, given: str | None, device: str) -> Encoder:
    """The encoder that made a store, prepared as it was then.

    Parameters
    ----------
    given : name from params.yaml or spec; by default the name under which the store was made

    Raises
    ------
    StageError
        If the name means nothing here, or means another encoder than the one that made the store.
    """
    name = given or str(store.manifest.provenance["encoder"])
    try:
        _, spec = params.encoder(name)
    except ParamsError as error:
        raise StageError(f"the encoder of {store.path} is needed: name it with --encoder ({error})") from error
    encoder = load_encoder(spec, device, "eager")  # another runtime takes longer to start than one image takes
    made_by = store.encoder["encoder"]
    if other := differences(made_by, json.loads(json.dumps(dict(encoder.identity)))):
        raise StageError(
            f"{spec} is not the encoder of {store.path}: {', '.join(other)} differ. "
            f"Expected {made_by['family']}:{made_by['architecture']} with its weights of then; name it with --encoder"
        )
    return encoder.with_preprocess(_preprocess_of(store))


def _preprocess_of(store: Store) -> Preprocess:
    said = {name: value for name, value in store.encoder["preprocess"].items() if name != "decoder"}
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return Preprocess(**fields)
