"""TextFeatures: prompts that a frozen text encoder has turned into vectors, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.encoders.spec import family_has_text
from pipeline.errors import ConfigError, InputError, MismatchError

__all__ = ["TextFeatures"]

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextFeatures:
    """One vector per template and class.

    Parameters
    ----------
    vectors : float32, shape (T, C, D)
        Raw, as the text encoder gave them.
    classes : C canonical expressions
    templates : T prompt templates
    encoder : identity of the text encoder, plain JSON data
    key : digest of everything that changes a vector
    note : a caution for wherever a number made with them appears; else empty
    trained_on : dataset layouts whose train split the text encoder was trained on

    Raises
    ------
    InputError
        If the shape does not follow from classes and templates, or a vector is zero or not finite.
    """

    vectors: Vectors
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    encoder: Mapping[str, Any]
    key: str
    note: str = ""
    trained_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.templates), len(self.classes))
        if self.vectors.ndim != 3 or self.vectors.shape[:2] != expected:
            raise InputError(
                f"text features {self.key}: expected shape ({expected[0]} templates, {expected[1]} classes, width), "
                f"found {self.vectors.shape}. Encode the prompts again"
            )
        lengths = np.linalg.norm(self.vectors, axis=-1)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise InputError(f"text features {self.key}: a vector is zero or not finite. Encode the prompts again")

    @property
    def width(self) -> int:
        """D of a vector."""
        return int(self.vectors.shape[-1])

    def for_classes(self, classes: tuple[str, ...]) -> TextFeatures:
        """The same prompts for `classes`, in that order.

        Raises
        ------
        MismatchError
            If a class has no vector.
        """
        if missing := [name for name in classes if name not in self.classes]:
            raise MismatchError(
                f"text features {self.key}: expected vectors of {', '.join(classes)}, "
                f"found none of {', '.join(missing)}. Encode the prompts of these classes"
            )
        rows = [self.classes.index(name) for name in classes]
        return replace(self, vectors=self.vectors[:, rows], classes=classes)

    def shares_space_with(self, encoder: Mapping[str, Any]) -> bool:
        """Whether the features of an encoder, given by its identity, can be compared with these vectors as they are.

        They can if one model made both. Equal widths do not suffice.
        """
        return dict(self.encoder) == dict(encoder)

    def require_space_of(self, encoder: Mapping[str, Any]) -> None:
        """MismatchError if features of an encoder cannot be compared with these vectors as they are."""
        if not self.shares_space_with(encoder):
            reads_text = family_has_text(str(encoder.get("family")))
            of_own = "the text of the features' own encoder"
            own = of_own if reads_text else "features of an encoder with text"
            raise MismatchError(
                f"text features {self.key}: expected vectors of the model that made the features, {_name(encoder)}, to "
                f"compare both as they are, found vectors of {_name(self.encoder)}. Take {own}, or learn a projection: "
                "kefer with projection: linear"
            )

    def chosen(self, prompt: int | Literal["last", "ensemble"]) -> Vectors:
        """One unit vector per class, float32 (C, D): of one template, by its index, or of the last one.

        `ensemble` is the mean of the templates' unit vectors, scaled to unit length.
        """
        return _unit(_unit(self.vectors).mean(axis=0) if prompt == "ensemble" else self.chosen_raw(prompt))

    def chosen_raw(self, prompt: int | Literal["last", "ensemble"]) -> Vectors:
        """As `chosen`, with vectors as the text encoder gave them, of any length; `ensemble`: their plain mean."""
        if prompt == "ensemble":
            mean: Vectors = self.vectors.mean(axis=0)
            return mean
        return self._template(len(self.templates) - 1 if prompt == "last" else prompt)

    def _template(self, index: int) -> Vectors:
        if not 0 <= index < len(self.templates):
            raise ConfigError(
                f"text features {self.key}: expected a template below {len(self.templates)}, found {index}. "
                f"Known templates: {'; '.join(self.templates)}"
            )
        vectors: Vectors = self.vectors[index]
        return vectors


def _name(encoder: Mapping[str, Any]) -> str:
    return f"{encoder.get('family')}:{encoder.get('architecture')} with weights {encoder.get('weights')}"


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / lengths
