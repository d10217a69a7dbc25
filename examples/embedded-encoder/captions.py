"""Sentences about faces: what an expression is called, what the face does, and how the picture was made.

No prompt set of `pipeline.prompts` is copied here: zero-shot is asked in other words than mini was tuned with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

__all__ = ["LOOKS", "captions"]

# Noun, adjectives and what a face does (after the action units of EMFACS), for each canonical expression.
_NOUNS = {
    "surprise": ("surprise", "astonishment", "amazement"),
    "fear": ("fear", "fright", "terror"),
    "disgust": ("disgust", "revulsion", "distaste"),
    "happiness": ("happiness", "joy", "delight"),
    "sadness": ("sadness", "sorrow", "grief"),
    "anger": ("anger", "rage", "fury"),
    "neutral": ("neutral", "calm", "no emotion"),
    "contempt": ("contempt", "scorn", "disdain"),
}
_ADJECTIVES = {
    "surprise": ("surprised", "astonished", "amazed", "startled", "shocked"),
    "fear": ("fearful", "afraid", "scared", "frightened", "terrified"),
    "disgust": ("disgusted", "repulsed", "revolted", "sickened"),
    "happiness": ("happy", "joyful", "cheerful", "smiling", "delighted", "pleased"),
    "sadness": ("sad", "sorrowful", "unhappy", "gloomy", "crying", "depressed"),
    "anger": ("angry", "furious", "enraged", "mad", "annoyed"),
    "neutral": ("neutral", "calm", "expressionless", "relaxed", "serious"),
    "contempt": ("contemptuous", "scornful", "disdainful", "smug"),
}
_DEEDS = {
    "surprise": ("raised brows and an open mouth", "wide eyes and a dropped jaw", "brows raised high"),
    "fear": ("wide eyes and drawn brows", "tense brows and stretched lips", "staring eyes and a tense open mouth"),
    "disgust": ("a wrinkled nose", "a wrinkled nose and a raised upper lip", "narrowed eyes and a curled lip"),
    "happiness": ("a smile", "raised cheeks and a smile", "a broad grin and shown teeth", "lifted mouth corners"),
    "sadness": ("lowered mouth corners", "raised inner brows and a drooping mouth", "downcast eyes and a frown"),
    "anger": ("lowered brows and pressed lips", "a glare and tight lips", "lowered brows and bared teeth"),
    "neutral": ("a relaxed mouth and level brows", "a closed mouth and a straight look", "nothing raised or lowered"),
    "contempt": ("one raised mouth corner", "a one sided smirk"),
}
_WITH_NOUN = (
    "{look} that tells of {noun}",
    "{look} that expresses {noun}",
    "{look} with an expression of {noun}",
    "the expression is {noun}",
    "{noun}",
    "the emotion of {noun} in {look}",
    "{noun} shows on this person",
    "he shows {noun}",
    "she shows {noun}",
)
_WITH_ADJECTIVE = (
    "{look} of a {adjective} person",
    "{look} of somebody {adjective}",
    "a {adjective} man",
    "a {adjective} woman",
    "a {adjective} child",
    "this person looks {adjective}",
    "he is {adjective}",
    "she is {adjective}",
    "the {adjective} face in {look}",
    "{adjective}",
    "someone who feels {adjective}",
    "{look} with a {adjective} look",
)
_WITH_DEED = ("{look} with {deed}", "a person with {deed}", "{deed}", "{look} of a {adjective} person with {deed}")
_TEMPLATES = (_WITH_NOUN, _WITH_ADJECTIVE, _WITH_DEED)
_ANY_LOOK = ("a picture", "an image", "a face", "a portrait", "a facial expression")

# What a picture of a dataset, named as in params.yaml after `learn-`, may be called.
LOOKS = {
    "ferplus": ("a small grey photo", "a photo", "a photograph of a face"),
    "muxspace": ("a grey photo", "a photo", "a press photo of a face"),
    "a": ("a line drawing", "an ink drawing of a face", "a drawing"),
    "b": ("a flat poster", "a colourful cartoon of a face", "a cartoon"),
    "c": ("a soft painting", "a rendered portrait", "a painting of a face"),
    "d": ("a blurred colour photo", "a noisy snapshot of a face", "a snapshot"),
    "e": ("a grainy grey picture", "an old grey film still of a face", "a film still"),
}


def captions(labels: Sequence[str], looks: Sequence[Sequence[str]], rng: np.random.Generator) -> list[str]:
    """One new sentence for each picture.

    Parameters
    ----------
    labels : N canonical expressions
    looks : for each of them what its kind of picture may be called
    """
    return [_caption(label, look, rng) for label, look in zip(labels, looks, strict=True)]


def _caption(label: str, looks: Sequence[str], rng: np.random.Generator) -> str:
    template = _any(_any(_TEMPLATES, rng), rng)
    look = _any(looks if rng.random() < 0.5 else _ANY_LOOK, rng)
    words = {"noun": _NOUNS, "adjective": _ADJECTIVES, "deed": _DEEDS}
    text = str(template).format(look=look, **{name: _any(kind[label], rng) for name, kind in words.items()})
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def _any(options: Sequence[object], rng: np.random.Generator) -> object:
    return options[int(rng.integers(len(options)))]
