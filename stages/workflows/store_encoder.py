"""What made a store: its encoder, compared with what its name means now or loaded again, and how faces were cropped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from shlex import quote
from typing import Any

from cache import Store
from pipeline.differences import differences_text
from pipeline.encoders import EncoderSpec, ImageEncoder, load_encoder, require_image_encoder
from pipeline.encoders.families import current_identity
from pipeline.errors import ConfigError, MismatchError
from pipeline.images.alignment import Alignment
from pipeline.images.preprocess import Preprocess
from stages.errors import ParamsError, StageError
from stages.output import say, say_notes
from stages.params import ExtractParams, Params
from stages.remedies import command_line
from stages.workflows.dataset_sources import root_change, store_changes
from stages.workflows.extract_arguments import differing_options, extract_arguments
from stages.workflows.store_identity import changed_by_params

__all__ = [
    "alignment_of",
    "encoder_changes",
    "encoder_of",
    "require_dataset",
    "require_encoder",
    "require_encoder_named",
]


def encoder_of(store: Store, params: Params, name: str | None, device: str) -> ImageEncoder:
    """The encoder that made a store, with the preprocessing of then.

    Parameters
    ----------
    name : from params.yaml, or a spec; by default the name under which the store was made

    Raises
    ------
    StageError
        If the name means nothing here, or means another encoder than the one that made the store.
    """
    recorded = store.manifest.provenance.get("encoder", "")
    name = name or str(recorded)
    if not name:
        raise StageError(f"{store.path} does not record the name of its encoder: name it with --encoder")
    try:
        _, spec = params.encoder(name)
    except ParamsError as error:
        raise StageError(f"the encoder of {store.path} is needed: name it with --encoder ({error})") from error
    encoder = load_encoder(spec, device, "eager", say_notes)  # another runtime takes longer to start than an image
    if differences := differences_text(store.encoder["encoder"], encoder.identity):
        written = store.manifest.provenance.get("encoder_spec") or recorded or "in a way that it does not record"
        raise StageError(
            f"{spec} is not the encoder of {store.path}: {differences}. Give --encoder the one that made it, which was "
            f"written {written}, with the weights that it had; or make a store of {spec}",
            remedy=[("extract", extract_arguments(store, params.extract, name))],
            purpose="for that",
        )
    return require_image_encoder(encoder).with_preprocess(_preprocess_of(store))


def _preprocess_of(store: Store) -> Preprocess:
    try:
        return Preprocess.from_json(store.encoder["preprocess"])
    except ConfigError as error:
        raise _wrong_preprocess(store, error) from error


def _wrong_preprocess(store: Store, error: ConfigError) -> StageError:
    """A manifest is read by the cache, which does not know what its preprocess means."""
    return StageError(
        f"{store.path}: its manifest: key_fields.preprocess holds what no extract writes: {error}. Restore the store, "
        "or delete it and extract again"
    )


def require_encoder(store: Store, spec: EncoderSpec, params: Params, named: str) -> None:
    """Refuse features of another encoder than the one that `named` means now.

    All of the encoder's identity that files give is compared, and their preprocessing; no model is built. Where
    the weights are not on this machine, the encoder's spec is compared with the one that the store was made with, and a
    note states that the weights were not.

    Parameters
    ----------
    spec, named : what the name means now, and the name as `--encoder` takes it

    Raises
    ------
    StageError
        If something differs; the message names the fields, and the remedy makes the store again.
    """
    now, recorded = current_identity(spec), store.encoder
    fields = dict(now.fields)
    differences = [differences_text(fields, {name: recorded["encoder"].get(name) for name in fields})]
    if now.preprocess is not None:
        fields = changed_by_params(now.preprocess, params.extract).as_json()
        differences.append(differences_text(fields, {name: recorded["preprocess"].get(name) for name in fields}))
    if now.unknown:
        differences.append(_spec_difference(store, spec))
    if any(differences):
        raise _outdated(
            f"{store.path}: expected features of {named} as it is now ({spec}), found features of another encoder or "
            f"preprocessing. {'; '.join(filter(None, differences))}",
            store,
            params.extract,
            named,
        )
    if now.unknown:
        _note_once(
            f"note: {now.unknown}: whether the features are of these weights was not checked, only what else is known "
            f"of {spec}"
        )


def require_dataset(store: Store, dataset: str, params: Params, named: str) -> None:
    """Refuse a store whose dataset params.yaml describes otherwise now: other labels, splits or rows.

    A store does not record its root: where the sample table beside it has another one than params.yaml, that is noted.

    Parameters
    ----------
    dataset : the requested name
    named : the store's encoder, as `--encoder` takes it

    Raises
    ------
    StageError
        Naming the layout or the options that differ; the remedy makes the store again.
    """
    if changes := store_changes(store.manifest.dataset, dataset, params):
        raise _outdated(
            f"{store.path}: expected {dataset} as params.yaml describes it now, found what it described before: "
            f"{changes}",
            store,
            params.extract,
            named,
        )
    _note_other_settings(store, dataset, params, named)
    if change := root_change(dataset, params):
        _note_once(
            f"note: {store.path} is used as it is, though params.yaml names another root of {dataset}: {change}. "
            f"For that one: `{command_line('extract', extract_arguments(store, params.extract, named))}`"
        )


def _note_other_settings(store: Store, dataset: str, params: Params, named: str) -> None:
    """Features may have been made with options of the command: they are used, but params.yaml is not silently wrong."""
    if "extract" not in params.model_fields_set:
        return
    options = differing_options(store, params.extract)
    if other_options := " ".join(f"--{name} {options[name]}" for name in options if name not in ("backend", "outputs")):
        extract = command_line("extract", {"dataset": dataset, "encoder": named})
        _note_once(
            f"note: {store.path} was made with {other_options}, which `extract` in params.yaml does not have; it is "
            f"used as it is. To make it by params.yaml: `{extract}`"
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


def encoder_changes(spec: str, recorded: Mapping[str, Any]) -> str:
    """How the encoder that `spec` means now differs from an identity, as far as files show it; empty if it does not."""
    if not spec:  # older records have none
        return ""
    now = current_identity(EncoderSpec.parse(spec)).fields
    return differences_text({name: recorded.get(name) for name in now}, now)


def _outdated(message: str, store: Store, extract: ExtractParams, named: str) -> StageError:
    """An error whose remedy ends in a store that can be used, also where it was renamed since it was made."""
    purpose = "to make it again"
    if store.path.stem != store.dataset:
        made = store.path.parent / f"{store.dataset}{store.path.suffix}"
        message += f". {store.path.name} is an older copy of {made}: rename it, or use --dataset {quote(store.dataset)}"
        purpose = f"to make {made}"
    return StageError(message, remedy=[("extract", extract_arguments(store, extract, named))], purpose=purpose)


def _spec_difference(store: Store, spec: EncoderSpec) -> str:
    """How the spec differs from the one that the store was made with; stores of earlier versions do not have it."""
    recorded = str(store.manifest.provenance.get("encoder_spec", ""))
    return f"spec: expected {str(spec)!r}, found {recorded!r}" if recorded and recorded != str(spec) else ""


def alignment_of(store: Store) -> Alignment | None:
    """How the faces of a store were cropped; None if its images were taken as they are.

    Raises
    ------
    MismatchError
        If this program aligns in another way.
    """
    recorded = store.encoder["preprocess"].get("alignment")
    try:
        return Alignment.from_json(recorded) if recorded else None
    except MismatchError as error:
        raise MismatchError(f"{store.path}: key_fields.preprocess.alignment: {error}") from error
    except ConfigError as error:
        raise _wrong_preprocess(store, error) from error
