"""Which text vectors a head learns from: those of the features' own encoder, or of another."""

from __future__ import annotations

import shlex

from cache import Store
from cache.places import Place
from cache.texts import TextStore, text_path
from pipeline.text_features import TextFeatures
from stages.errors import StageError

__all__ = ["text_for"]


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
        raise StageError(
            f"the encoder `{name}` has no text tower, and this method needs text. Name one that has with --text, after "
            "fer-stage encode-text, such as open_clip:ViT-B-32-quickgelu/openai"
        )
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
