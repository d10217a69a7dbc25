"""What describes a head without its weights. No torch here: options are checked with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

__all__ = ["HeadSpec", "ScaleKind"]

ScaleKind = Literal["raw", "l2", "standard"]


@dataclass(frozen=True)
class HeadSpec:
    """Everything that rebuilds a head but its weights, as plain data.

    Parameters
    ----------
    kind : which head class
    classes : C canonical expressions, the order of the logits
    inputs : output -> shape of a row, e.g. {"pooled": (512,)}: all that the head reads
    encoder : identity of the encoder whose features it reads, plain JSON data
    dataset : what it was trained on
    scale : raw | l2 | standard, of the pooled feature
    options : the kind's own, plain JSON data
    """

    kind: str
    classes: tuple[str, ...]
    inputs: Mapping[str, tuple[int, ...]]
    encoder: Mapping[str, Any]
    dataset: str
    scale: ScaleKind = "raw"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """D of the pooled feature."""
        return self.inputs["pooled"][-1]

    def as_json(self) -> dict[str, Any]:
        """Plain data that `from_json` takes back."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The spec that `as_json` described."""
        inputs = {name: tuple(shape) for name, shape in data["inputs"].items()}
        return cls(**(dict(data) | {"classes": tuple(data["classes"]), "inputs": inputs}))
