"""Which text vectors a head learns from: those of the features' own encoder, or of another."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cache import Store
from cache.errors import CacheError
from cache.keys import sha256_of
from cache.places import AnyPath
from cache.texts import TextStore, text_path
from pipeline.differences import differences_text
from pipeline.encoders import EncoderSpec, TextEncoder
from pipeline.encoders.families import current_identity, has_text
from pipeline.learning.options import MethodConfig
from pipeline.prompts import sentences
from pipeline.tables.labels import EXPRESSIONS, expressions
from pipeline.text_features import TextFeatures
from stages.errors import StageError
from stages.params import Params
from stages.remedies import encoder_written
from stages.requests import TrainRequest

__all__ = ["known_texts", "prompt_classes", "requested_text", "text_changes", "text_for", "text_identity"]


def prompt_classes(params: Params) -> tuple[str, ...]:
    """The labels that prompts are encoded with: all eight expressions for 7 or 8 classes, so that both share a file."""
    classes = expressions(params.classes)
    return EXPRESSIONS if set(classes) <= set(EXPRESSIONS) else classes


def text_identity(encoder: TextEncoder, templates: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """What changes text vectors beside the encoder: its tokenizer, and the sentences that templates become."""
    return {**encoder.text_identity, "sentences": _sentences_sha256(templates, classes)}


def _encode_text_step(encoder: str, prompts: str, features: AnyPath) -> tuple[str, Mapping[str, Any]]:
    """What makes text vectors, as a step of a remedy; the encoder as `--encoder` takes it."""
    return "encode-text", {"encoder": encoder, "prompts": prompts, "features": features}


def requested_text(
    request: TrainRequest, params: Params, store: Store, named: str, config: MethodConfig
) -> TextFeatures | None:
    """The text vectors that heads learn from; None for a method that reads no text.

    Parameters
    ----------
    store, named : the features, and their encoder as `--encoder` takes it

    Raises
    ------
    StageError
        If the encoder has no text tower, or the vectors are not those that `encode-text` would make now.
    """
    if not config.needs_text:
        return None
    prompts, written = request.prompts or params.prompts, request.text or named
    _require_text_tower(request, params, store, written, config)
    encoder, spec = params.encoder(written)
    return text_for(
        request.features,
        encoder,
        prompts,
        store,
        written=written,
        templates=params.templates(prompts),
        classes=prompt_classes(params),
        spec=spec,
    )


def _require_text_tower(
    request: TrainRequest, params: Params, store: Store, written: str, config: MethodConfig
) -> None:
    """StageError if an encoder, named as `--encoder` takes it, has no text tower; it names one that has."""
    if has_text(params.encoder(written)[1]):
        return
    specs = {name: EncoderSpec.parse(text) for name, text in params.encoders.items()}
    other = next((name for name, spec in specs.items() if spec.has_text), "mini")
    raise _no_text_tower(written, other, request.prompts or params.prompts, request.features, store.dataset, config)


def _no_text_tower(
    written: str, other: str, prompts: str, features: AnyPath, dataset: str, config: MethodConfig | None = None
) -> StageError:
    """The error for an encoder without a text tower, with the steps that make text of another one.

    Parameters
    ----------
    written, other : the encoder, and one that has text, as `--encoder` takes them
    config : of the method that needs text, if it is known
    """
    problem = f"the encoder `{written}` has no text tower, and {config.method if config else 'this method'} needs text"
    encode = _encode_text_step(other, prompts, features)
    if config and not config.is_trained:
        return StageError(
            f"{problem}. It compares features with the text of their own encoder: name one that has text, such as "
            f"--encoder {shlex.quote(other)}",
            remedy=[("extract", {"dataset": dataset, "encoder": other, "features": features}), encode],
            purpose="to make its features and its text",
        )
    return StageError(
        f"{problem}. Take the text of an encoder that has one, such as --text {shlex.quote(other)}",
        remedy=[encode],
        purpose="to make it",
    )


def text_for(
    features: AnyPath,
    encoder: str,
    prompts: str,
    store: Store,
    *,
    written: str | None = None,
    templates: tuple[str, ...] | None = None,
    classes: tuple[str, ...] = EXPRESSIONS,
    spec: EncoderSpec | None = None,
) -> TextFeatures:
    """The vectors of a prompt set for a head on the features of `store`.

    Parameters
    ----------
    features : the root of features and texts
    encoder : folder name of the encoder of the text: the one that made `store`, whose space the features share, or
        another one, into whose space a head then has to bring the features, as KE-FER does with BLIP and ALIGN
    prompts : name of the prompt set
    written : how `--encoder` names the encoder of the text, for messages: the name of a folder can be another
    templates : of the prompt set, as params.yaml has it now; None compares none
    classes : that prompts are encoded with, as params.yaml has them now
    spec : what the encoder of the text means now; None compares it with `store` alone

    Raises
    ------
    StageError
        If the vectors are of an encoder that has no text tower, or are not those that `encode-text` would make now: of
        other weights, another tokenizer, other prompts, or classes in another order. The features' own encoder's must
        also be of the encoder that made the features.
    """
    written = written or encoder
    path = text_path(features, encoder, prompts)
    step = _encode_text_step(written, prompts, features)
    with encoder_written(encoder, written):
        texts = TextStore.read(path)
    if encoder == store.path.parent.name and (differences := differences_text(store.encoder["encoder"], texts.encoder)):
        problem = f"{path} comes from another encoder than {store.path}: {differences}"
        raise StageError(problem, remedy=[step], purpose="to make it again")
    if not texts.templates:
        raise _no_text_tower(written, "mini", prompts, features, store.dataset)
    if changes := text_changes(texts, spec, templates, classes):
        problem = f"{path} is older than what it is made of: {changes}"
        raise StageError(problem, remedy=[step], purpose="to make it again")
    provenance = texts.provenance
    return TextFeatures(
        texts.vectors,
        texts.classes,
        texts.templates,
        texts.encoder,
        texts.key,
        note=str(provenance.get("encoder_note", "")),
        trained_on=tuple(provenance.get("encoder_saw", ())),  # texts of earlier versions have none
    )


def text_changes(
    texts: TextStore, spec: EncoderSpec | None, templates: tuple[str, ...] | None, classes: tuple[str, ...]
) -> str:
    """How vectors differ from those that would be encoded now, as far as files show it; empty if they do not.

    Parameters
    ----------
    spec, templates, classes : as of `text_for`
    """
    return "; ".join(filter(None, [_encoder_changes(texts, spec), _prompt_changes(texts, templates, classes)]))


def _encoder_changes(texts: TextStore, spec: EncoderSpec | None) -> str:
    """What differs between the encoder of the vectors and what its name means now, as far as files show it."""
    if spec is None:
        return ""
    now = current_identity(spec)
    changes = [differences_text(now.fields, {name: texts.encoder.get(name) for name in now.fields})]
    if now.tokenizer and texts.text:  # files of earlier versions do not name the tokenizer
        actual = {"tokenizer_files": texts.text.get("tokenizer_files", "")}
        changes.append(differences_text({"tokenizer_files": now.tokenizer}, actual))
    return "; ".join(filter(None, changes))


def _prompt_changes(texts: TextStore, templates: tuple[str, ...] | None, classes: tuple[str, ...]) -> str:
    expected: dict[str, Any] = {"classes": list(classes)}
    actual: dict[str, Any] = {"classes": list(texts.classes)}
    if templates is not None:
        expected["templates"], actual["templates"] = list(templates), list(texts.templates)
        if texts.text and (templates, classes) == (texts.templates, texts.classes):
            sentences_now = _sentences_sha256(templates, classes)
            expected["sentences"], actual["sentences"] = sentences_now, texts.text.get("sentences")
    return differences_text(expected, actual)


def _sentences_sha256(templates: Sequence[str], classes: Sequence[str]) -> str:
    return sha256_of([sentences(template, classes) for template in templates])


def known_texts(features: AnyPath, encoders: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Text key -> templates, of the text vectors of some encoders that are here and can be read."""
    texts = {}
    for encoder in encoders:
        folder = features / encoder / "text"
        for name in sorted(path.name for path in folder.glob("*.npz")) if folder.is_dir() else ():
            with suppress(CacheError):
                store = TextStore.read(folder / name)
                texts[store.key] = store.templates
    return texts
