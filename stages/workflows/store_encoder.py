"""What made a store: its encoder, compared with what its name means now or loaded again, and how it cut faces out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from cache import Store
from cache.backends import backend_name
from pipeline.encoders import Encoder, EncoderSpec, load_encoder
from pipeline.encoders.families import current_identity
from pipeline.errors import ConfigError, MismatchError
from pipeline.faces import Alignment
from pipeline.identity import differences_text
from pipeline.images.preprocess import Preprocess
from stages.errors import ParamsError, StageError
from stages.output import say, say_notes
from stages.params import ExtractParams, Params
from stages.workflows.store_identity import changed_by_params
from stages.workflows.tables import root_change, store_changes

__all__ = [
    "alignment_of",
    "encoder_changes",
    "encoder_of",
    "extract_command",
    "require_dataset",
    "require_encoder",
    "require_encoder_named",
]


_EXTRACT = ("fer-stage", "extract", "--dataset")


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
    recorded = store.manifest.provenance.get("encoder", "")
    name = given or str(recorded)
    if not name:
        raise StageError(f"{store.path} does not record the name of its encoder: name it with --encoder")
    try:
        _, spec = params.encoder(name)
    except ParamsError as error:
        raise StageError(f"the encoder of {store.path} is needed: name it with --encoder ({error})") from error
    encoder = load_encoder(spec, device, "eager", say_notes)  # another runtime takes longer to start than an image
    made_by = store.encoder["encoder"]
    if differences := differences_text(made_by, encoder.identity):
        written = store.manifest.provenance.get("encoder_spec") or recorded or "in a way that it does not record"
        raise StageError(
            f"{spec} is not the encoder of {store.path}: {differences}. Give --encoder the one that made it, which was "
            f"written {written} then, with the weights of then; or make a store of this one: "
            f"`{extract_command(store, params.extract, name)}`"
        )
    return encoder.with_preprocess(_preprocess_of(store))


def _preprocess_of(store: Store) -> Preprocess:
    try:
        return Preprocess.from_json(store.encoder["preprocess"])
    except ConfigError as error:
        raise _wrong_preparation(store, error) from error


def _wrong_preparation(store: Store, error: ConfigError) -> StageError:
    """What only the pipeline can judge in a manifest."""
    return StageError(
        f"{store.path}: its manifest: key_fields.preprocess holds what no extract writes: {error}. Restore the store, "
        "or delete it and extract again"
    )


def require_encoder(store: Store, spec: EncoderSpec, params: Params, named: str) -> None:
    """Refuse features of another encoder than the one that `named` means now.

    All of the encoder's identity that files give is compared, and how images are prepared; no model is built. Where
    the weights are not on this machine, the encoder's spec is compared with the one that the store was made with, and a
    note says that the weights were not.

    Parameters
    ----------
    spec, named : what the name means now, and the name as `--encoder` takes it

    Raises
    ------
    StageError
        If something differs; the message names the fields and the command that makes the store again.
    """
    now, made_by = current_identity(spec), store.encoder
    fields = dict(now.fields)
    differences = [differences_text(fields, {name: made_by["encoder"].get(name) for name in fields})]
    if now.preprocess is not None:
        wanted = changed_by_params(now.preprocess, params.extract).as_json()
        differences.append(differences_text(wanted, {name: made_by["preprocess"].get(name) for name in wanted}))
    if now.unknown:
        differences.append(_spec_difference(store, spec))
    if any(differences):
        raise StageError(
            f"{store.path}: expected features of {named} as it is now ({spec}), found features of another encoder or "
            f"preparation. {'; '.join(filter(None, differences))}. {_make_again(store, params.extract, named)}"
        )
    if now.unknown:
        _note_once(
            f"note: {now.unknown}: whether the features are of these weights was not checked, only what else is known "
            f"of {spec}"
        )


def require_dataset(store: Store, dataset: str, params: Params, named: str) -> None:
    """Refuse a store whose dataset params.yaml describes otherwise now: other labels, splits or rows.

    A store does not record its root: where the sample table beside it has another one than params.yaml, a note says so.

    Parameters
    ----------
    dataset : the name that was asked for
    named : the store's encoder, as `--encoder` takes it

    Raises
    ------
    StageError
        Naming the layout or the options that differ, and the command that makes the store again.
    """
    if changes := store_changes(store.manifest.dataset, dataset, params):
        raise StageError(
            f"{store.path}: expected {dataset} as params.yaml describes it now, found what it described before: "
            f"{changes}. {_make_again(store, params.extract, named)}"
        )
    _note_other_settings(store, dataset, params, named)
    if change := root_change(dataset, params):
        _note_once(
            f"note: {store.path} is used as it is, though params.yaml names another root of {dataset}: {change}. "
            f"For that one: `{extract_command(store, params.extract, named)}`"
        )


def _note_other_settings(store: Store, dataset: str, params: Params, named: str) -> None:
    """Features may have been made with options of the command: they are used, but params.yaml is not silently wrong."""
    if "extract" not in params.model_fields_set:
        return
    words = list(_options(store, params.extract))
    pairs = [pair for pair in zip(words[::2], words[1::2], strict=True) if pair[0] not in ("--backend", "--outputs")]
    if pairs:
        made_with = " ".join(f"{name} {value}" for name, value in pairs)
        _note_once(
            f"note: {store.path} was made with {made_with}, which is not what `extract` in params.yaml says; it is "
            f"used as it is. To make it as params.yaml says: `{shlex.join([*_EXTRACT, dataset, '--encoder', named])}`"
        )


@lru_cache(maxsize=64)
def _note_once(note: str) -> None:
    """Once in a process: many heads may be scored on one store."""
    say(note)


def require_encoder_named(store: Store, params: Params, named: str) -> None:
    """`require_encoder` for a name that may mean nothing beside this params.yaml: then nothing is compared."""
    try:
        _, spec = params.encoder(named)
    except ParamsError:
        return
    require_encoder(store, spec, params, named)


def encoder_changes(spec: str, made_by: Mapping[str, Any]) -> str:
    """How the encoder that `spec` means now differs from an identity, as far as files say it; empty if it does not."""
    if not spec:  # older records have none
        return ""
    now = current_identity(EncoderSpec.parse(spec)).fields
    return differences_text({name: made_by.get(name) for name in now}, now)


def _make_again(store: Store, extract: ExtractParams, named: str) -> str:
    """The advice that ends in a store that can be used, also where a store has another name than it was made with."""
    run = f"Run `{extract_command(store, extract, named)}`"
    if store.path.stem == store.dataset:
        return f"{run}: it makes the store again"
    made = store.path.parent / f"{store.dataset}{store.path.suffix}"
    use = f"--dataset {shlex.quote(store.dataset)}"
    return f"{run}: it makes {made}, of which {store.path.name} is an older copy. Rename that, or use {use}"


def extract_command(store: Store, extract: ExtractParams, named: str) -> str:
    """The command that makes a store again, with the options that params.yaml does not have as the store has them."""
    return shlex.join([*_EXTRACT, store.dataset, "--encoder", named, *_options(store, extract)])


def _options(store: Store, extract: ExtractParams) -> Iterator[str]:
    fields, ending = store.manifest.key_fields, "h5" if backend_name(store.path) == "hdf5" else "zarr"
    outputs = [str(name).partition(":")[0] for name in fields["outputs"]]
    if ending != extract.ending:
        yield from ("--backend", backend_name(store.path))
    if set(outputs) != set(extract.outputs):
        yield from ("--outputs", ",".join(outputs))
    if store.n_views() != extract.views:
        yield from ("--views", str(store.n_views()))
    if fields["dtype"] != extract.dtype:
        yield from ("--dtype", str(fields["dtype"]))
    alignment = fields["preprocess"].get("alignment")
    yield from _faces_options(alignment if isinstance(alignment, Mapping) else None, extract)


def _faces_options(alignment: Mapping[str, Any] | None, extract: ExtractParams) -> Iterator[str]:
    if alignment is None:
        if extract.faces != "given":
            yield from ("--faces", "given")
        return
    if extract.faces != "aligned":
        yield from ("--faces", "aligned")
    for name in ("margin", "missed"):
        if name in alignment and alignment[name] != getattr(extract, name):
            yield from (f"--{name}", str(alignment[name]))


def _spec_difference(store: Store, spec: EncoderSpec) -> str:
    """How the spec differs from the one that the store was made with; stores of earlier versions do not have it."""
    recorded = str(store.manifest.provenance.get("encoder_spec", ""))
    return f"spec: expected {str(spec)!r}, found {recorded!r}" if recorded and recorded != str(spec) else ""


def alignment_of(store: Store) -> Alignment | None:
    """How the faces of a store were cut out; None if its images were taken as they are.

    Raises
    ------
    MismatchError
        If this program aligns otherwise.
    """
    said = store.encoder["preprocess"].get("alignment")
    try:
        return Alignment.from_json(said) if said else None
    except MismatchError as error:
        raise MismatchError(f"{store.path}: key_fields.preprocess.alignment: {error}") from error
    except ConfigError as error:
        raise _wrong_preparation(store, error) from error
