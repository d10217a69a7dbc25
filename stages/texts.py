"""Which text vectors a head learns from: those of the features' own encoder, or of another."""

from __future__ import annotations

import shlex

from cache import Store
from cache.places import Place
from cache.texts import TextStore, text_path
from pipeline.encoders import EncoderSpec
from pipeline.encoders.spec import MINI
from pipeline.methods.configs.base import MethodConfig
from pipeline.text_features import TextFeatures
from stages.errors import StageError
from stages.params import Params

__all__ = ["require_text_tower", "text_for"]


def require_text_tower(params: Params, name: str, prompts: str, store: Store, config: MethodConfig) -> None:
    """StageError if an encoder, named as `--encoder` takes it, has no text tower; it says whose text to take."""
    _, spec = params.encoder(name)
    if spec.has_text:
        return
    others = (other for other in params.encoders if EncoderSpec.parse(params.encoders[other]).has_text)
    raise _no_text_tower(name, prompts, next(others, MINI), store.dataset, config)


def _no_text_tower(name: str, prompts: str, other: str, dataset: str, config: MethodConfig | None = None) -> StageError:
    """
    Parameters
    ----------
    other : an encoder that has text
    config : of the method that needs text, if it is known
    """
    encode = f"`fer-stage encode-text --encoder {shlex.quote(other)} --prompts {shlex.quote(prompts)}`"
    if config and not config.is_trained:
        extract = f"`fer-stage extract --dataset {shlex.quote(dataset)} --encoder {shlex.quote(other)}`"
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

    Raises
    ------
    StageError
        If the vectors are of an encoder that has no text tower, or the features' own encoder is meant and the vectors
        are of another of that name.
    """
    name = text_encoder or encoder
    path = text_path(features, name, prompts)
    command = f"fer-stage encode-text --encoder {shlex.quote(written or name)} --prompts {prompts}"
    texts = TextStore.read(path, command)
    if name == encoder and dict(texts.encoder) != store.encoder["encoder"]:
        raise StageError(f"{path} comes from another encoder than {store.path}. Run `{command}` again")
    if not texts.templates:
        raise _no_text_tower(name, prompts, MINI, store.dataset)
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
