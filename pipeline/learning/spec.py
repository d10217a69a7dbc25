"""What describes a head without its weights. No torch here: options are checked with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

__all__ = ["HEAD_FORMAT", "MAX_DIMENSION", "MAX_LAYERS", "MOST_OWN_BYTES", "HeadSpec", "ScaleKind", "most_weight_bytes"]

HEAD_FORMAT = 2  # of descriptions and weights
MAX_LAYERS = 48  # of a transformer; each is built before its weights are read
MAX_DIMENSION = 2**16  # of a layer, a side of an input, and every whole number among the options of a head

ScaleKind = Literal["raw", "l2", "standard"]

_MOST_NETWORK_BYTES = 2**29  # of a head with a backbone of ours: the largest has 110 MB
MOST_OWN_BYTES = 2**31  # of a head whose class is no part of the package
_MOST_TOWER_BYTES = 16 * 2**30  # of a head that is the image tower of an encoder: that of ViT-bigG has 8 GB


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
    scale : raw | l2 | standard, of the pooled feature, or of that of each frame
    options : the kind's own, plain JSON data
    clip_frames : T, frames that are read of a clip, of heads that were trained on clips; None of others
    """

    kind: str
    classes: tuple[str, ...]
    inputs: Mapping[str, tuple[int, ...]]
    encoder: Mapping[str, Any]
    dataset: str
    scale: ScaleKind = "raw"
    options: Mapping[str, Any] = field(default_factory=dict)
    clip_frames: int | None = None

    @property
    def scaled_input(self) -> Literal["pooled", "frames"] | None:
        """What `scale` is of: the pooled feature, or that of each frame; None of heads that read neither."""
        return "pooled" if "pooled" in self.inputs else "frames" if "frames" in self.inputs else None

    @property
    def width(self) -> int:
        """D of the pooled feature, or of that of each frame."""
        return self.inputs[self.scaled_input or "pooled"][-1]

    def as_json(self) -> dict[str, Any]:
        """Plain data that `from_json` takes back."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.clip_frames is None:  # heads of images are described as they always were
            del plain["clip_frames"]
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The spec that `as_json` described."""
        inputs = {name: tuple(shape) for name, shape in data["inputs"].items()}
        return cls(**(dict(data) | {"classes": tuple(data["classes"]), "inputs": inputs}))


def most_weight_bytes(description: Mapping[str, Any]) -> int:
    """An upper bound of the size of head.safetensors, from the head's description alone.

    A head on features is a few matrices, each between two of the widths that its description names; a head on pixels or
    blocks holds a network, whose size is not in the description: then the largest of its kind is the bound.

    Parameters
    ----------
    description : as `as_json` gives it, its fields checked
    """
    inputs, options = description["inputs"], description.get("options", {})
    if any(name not in ("pooled", "tokens", "frames") for name in inputs):
        return _MOST_NETWORK_BYTES if options.get("backbone") else _MOST_TOWER_BYTES
    widths: list[int] = [shape[-1] for shape in inputs.values()]
    whole = [value for value in options.values() if isinstance(value, int)]
    whole.append((options.get("heads") or 1) * (options.get("head_width") or 1))
    whole.append(1 + inputs.get("frames", [0])[0])  # positions
    classes = len(description["classes"]) * max(1, options.get("n_descriptors") or 1)
    widest, n_rows = max([*widths, *whole, 1]), max([*widths, *whole, classes])
    n_queries: int = max(1, options.get("queries") or 1)
    n_matrices = max(4, 8 * (options.get("layers") or 0))  # those of a transformer's layer are six
    return 4 * n_matrices * n_queries * widest * n_rows + 2**20  # bytes of a value; the header
