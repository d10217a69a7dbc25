"""Which text vectors a head learns from: those of the features' own encoder, or of another."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from cache import Store
from cache.keys import sha256_of
from cache.places import Place
from cache.texts import TextStore, text_path
from pipeline.encoders import Encoder, EncoderSpec
from pipeline.encoders.families import current_identity
from pipeline.encoders.spec import MINI
from pipeline.identity import differences_text
from pipeline.methods.configs.base import MethodConfig
from pipeline.prompts import sentences
from pipeline.tables.labels import EXPRESSIONS
from pipeline.text_features import TextFeatures
from stages.errors import StageError
from stages.params import Params

__all__ = ["encode_text_command", "require_text_tower", "text_for", "text_identity"]


def text_identity(encoder: Encoder, templates: Sequence[str]) -> dict[str, Any]:
    """What changes text vectors beside the encoder: its tokenizer, and the sentences that templates become."""
    return {**encoder.text_identity, "sentences": _sentences_sha256(templates)}


def require_text_tower(params: Params, name: str, prompts: str, store: Store, config: MethodConfig) -> None:
    """StageError if an encoder, named as `--encoder` takes it, has no text tower; it says whose text to take."""
    _, spec = params.encoder(name)
    if spec.has_text:
        return
    others = (other for other in params.encoders if EncoderSpec.parse(params.encoders[other]).has_text)
    raise _no_text_tower(name, prompts, next(others, MINI), store.dataset, config)


def encode_text_command(encoder: str, prompts: str) -> str:
    """The command that makes text vectors."""
    return shlex.join(["fer-stage", "encode-text", "--encoder", encoder, "--prompts", prompts])


def _no_text_tower(name: str, prompts: str, other: str, dataset: str, config: MethodConfig | None = None) -> StageError:
    """The error for an encoder without a text tower, with the commands that make text of another one.

    Parameters
    ----------
    name, prompts, dataset : what the command was run with
    other : an encoder that has text
    config : of the method that needs text, if it is known
    """
    encode = f"`{encode_text_command(other, prompts)}`"
    if config and not config.is_trained:
        extract = f"`{shlex.join(['fer-stage', 'extract', '--dataset', dataset, '--encoder', other])}`"
        advice = f"It compares features with the text of their own encoder: run {extract} and {encode}, then --encoder"
    else:
        advice = f"Take the text of an encoder that has one: run {encode}, then name it with --text"
    method = config.method if config else "this method"
    return StageError(f"the encoder `{name}` has no text tower, and {method} needs text. {advice} {shlex.quote(other)}")


def text_for(
    features: Place,
    encoder: str,
    prompts: str,
    store: Store,
    text_encoder: str | None = None,
    *,
    written: str | None = None,
    templates: tuple[str, ...] | None = None,
    spec: EncoderSpec | None = None,
) -> TextFeatures:
    """The vectors of a prompt set for a head on the features of `store`.

    Parameters
    ----------
    features : the root below which features and texts stand
    encoder : folder name of the encoder that made `store`
    prompts : name of the prompt set
    text_encoder : folder name of another encoder, in whose space a head then has to bring the features, as KE-FER does
        with BLIP and ALIGN; None (or the same name) is the features' own, whose space they share
    written : how `--encoder` names the encoder of the text, for messages: the name of a folder can be another
    templates : of the prompt set, as params.yaml has it now; None compares none
    spec : what the encoder of the text means now; None compares it with `store` alone

    Raises
    ------
    StageError
        If the vectors are of an encoder that has no text tower, or are not those that `encode-text` would make now: of
        other weights, another tokenizer, other prompts, or classes in another order. The features' own encoder's must
        also be of the encoder that made the features.
    """
    name = text_encoder or encoder
    path = text_path(features, name, prompts)
    command = encode_text_command(written or name, prompts)
    texts = TextStore.read(path, command)
    if name == encoder and (differences := differences_text(store.encoder["encoder"], texts.encoder)):
        raise StageError(f"{path} comes from another encoder than {store.path}: {differences}. Run `{command}` again")
    if not texts.templates:
        raise _no_text_tower(name, prompts, MINI, store.dataset)
    if changes := "; ".join(filter(None, [_encoder_changes(texts, spec), _prompt_changes(texts, templates)])):
        raise StageError(f"{path} is older than what it is made of: {changes}. Run `{command}` again")
    made = texts.provenance
    return TextFeatures(
        texts.vectors,
        texts.classes,
        texts.templates,
        texts.encoder,
        texts.key,
        note=str(made.get("encoder_note", "")),
        saw=tuple(made.get("encoder_saw", ())),  # texts of before have none
    )


def _encoder_changes(texts: TextStore, spec: EncoderSpec | None) -> str:
    """What differs between the encoder of the vectors and what its name means now, as far as files say it."""
    if spec is None:
        return ""
    now = current_identity(spec)
    changes = [differences_text(now.fields, {name: texts.encoder.get(name) for name in now.fields})]
    if now.tokenizer and texts.text:  # files of earlier versions do not say which tokenizer
        found = {"tokenizer_files": texts.text.get("tokenizer_files", "")}
        changes.append(differences_text({"tokenizer_files": now.tokenizer}, found))
    return "; ".join(filter(None, changes))


def _prompt_changes(texts: TextStore, templates: tuple[str, ...] | None) -> str:
    expected: dict[str, Any] = {"classes": list(EXPRESSIONS)}
    found: dict[str, Any] = {"classes": list(texts.classes)}
    if templates is not None:
        expected["templates"], found["templates"] = list(templates), list(texts.templates)
        if texts.text and templates == texts.templates:
            expected["sentences"], found["sentences"] = _sentences_sha256(templates), texts.text.get("sentences")
    return differences_text(expected, found)


def _sentences_sha256(templates: Sequence[str]) -> str:
    return sha256_of([sentences(template, EXPRESSIONS) for template in templates])
