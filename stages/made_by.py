"""What made a store: its encoder, loaded again, and how it cut faces out."""

from __future__ import annotations

import json

from cache import Store
from cache.keys import differences
from pipeline.encoders import Encoder, load_encoder
from pipeline.faces import Alignment
from pipeline.preprocess import Preprocess
from stages.errors import ParamsError, StageError
from stages.output import say_notes
from stages.params import Params

__all__ = ["alignment_of", "encoder_of"]


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
    encoder = load_encoder(spec, device, "eager", say_notes)  # another runtime takes longer to start than an image
    made_by = store.encoder["encoder"]
    if other := differences(made_by, json.loads(json.dumps(dict(encoder.identity)))):
        raise StageError(
            f"{spec} is not the encoder of {store.path}: {', '.join(other)} differ. "
            f"Expected {made_by['family']}:{made_by['architecture']} with its weights of then; name it with --encoder"
        )
    return encoder.with_preprocess(Preprocess.from_json(store.encoder["preprocess"]))


def alignment_of(store: Store) -> Alignment | None:
    """How the faces of a store were cut out; None if its images were taken as they are.

    Raises
    ------
    MismatchError
        If this program aligns otherwise.
    """
    said = store.encoder["preprocess"].get("alignment")
    return Alignment.from_json(said) if said else None
