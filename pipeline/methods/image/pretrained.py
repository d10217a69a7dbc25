"""First weights of an image network from a file, such as one trained to recognise faces. Files are read, never run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.weights import read_tensors, reading_weights
from pipeline.errors import ConfigError, MismatchError
from pipeline.methods.image.backbones import Backbone

__all__ = ["PretrainedWeights", "load_pretrained", "start_from_file"]

_LEAST_SHARE = 0.9  # of tensors that fit: ResNet-50's file fits 77 % of ResNet-18, and makes no network of it
_COUNTERS = "num_batches_tracked"  # of batch norms: many files lack them, nothing depends on them


@dataclass(frozen=True)
class PretrainedWeights:
    """What a file gave a backbone.

    Parameters
    ----------
    file, sha256 : name and digest of the file
    prefix : what its names have before the backbone's, e.g. `module.`
    share : of the backbone's tensors that were taken, in [0.9, 1]
    missing : tensors of the backbone that the file lacks
    other_shapes : tensors that both have, in different shapes: not taken
    unexpected : tensors of the file that the backbone lacks, such as its classifier
    """

    file: str
    sha256: str
    prefix: str
    share: float
    missing: tuple[str, ...]
    other_shapes: tuple[str, ...]
    unexpected: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def load_pretrained(backbone: Backbone, path: Path) -> PretrainedWeights:
    """Take from a file of this architecture all weights that fit `backbone`, and report which did.

    Parameters
    ----------
    backbone : Backbone
        Keeps its own values where the file has none: `reset` it first.
    path : as `read_tensors` takes it

    Raises
    ------
    ConfigError
        If there is no such file.
    EncoderError
        If it cannot be read as weights, or would run code.
    MismatchError
        If fewer than nine in ten of the backbone's tensors fit, or one that fits is not finite; nothing is taken.
    """
    if not path.is_file():
        raise ConfigError(f"pretrained: no file at {path}. Give the path of a file of weights, or leave it empty")
    loaded, needed = _weights(_read(path)), _weights(backbone.net.state_dict())
    prefix = _prefix(loaded, needed)
    shared = {name for name in needed if prefix + name in loaded}
    fitting = {name: loaded[prefix + name] for name in shared if loaded[prefix + name].shape == needed[name].shape}
    if len(fitting) < _LEAST_SHARE * len(needed):
        raise MismatchError(
            f"pretrained {path}: expected weights of {backbone.name} ({_examples(needed)}), found {len(fitting)} of "
            f"{len(needed)} that fit ({_examples(loaded)}). Choose the backbone that they belong to"
        )
    for name, value in fitting.items():
        if not value.isfinite().all():
            raise MismatchError(
                f"pretrained {path}: expected finite weights, found NaN or infinity in {name}. Get another copy"
            )
    backbone.net.load_state_dict(fitting, strict=False)
    expected = {prefix + name for name in needed}
    return PretrainedWeights(
        file=path.name,
        sha256=file_sha256(path),
        prefix=prefix,
        share=len(fitting) / len(needed),
        missing=tuple(sorted(needed.keys() - shared)),
        other_shapes=tuple(sorted(shared - fitting.keys())),
        unexpected=tuple(sorted(name for name in loaded if name not in expected)),
    )


def start_from_file(backbone: Backbone, path: str) -> dict[str, Any]:
    """`load_pretrained`, and its report as a learner's diagnostics; empty where `path` is empty."""
    return {"pretrained": load_pretrained(backbone, Path(path)).as_json()} if path else {}


def _read(path: Path) -> dict[str, Tensor]:
    with reading_weights(path):
        return read_tensors(path)


def _weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if not name.endswith(_COUNTERS)}


def _prefix(loaded: Mapping[str, Tensor], needed: Mapping[str, Tensor]) -> str:
    """What precedes most of the backbone's names in the file; the shortest of equals, and none if there is none."""
    prefixes = Counter(name.removesuffix(end) for name in loaded for end in needed if f".{name}".endswith(f".{end}"))
    return min(prefixes, key=lambda prefix: (-prefixes[prefix], len(prefix)), default="")


def _examples(tensors: Mapping[str, Tensor]) -> str:
    examples = [f"{name} {tuple(value.shape)}" for name, value in list(tensors.items())[:2]]
    return ", ".join([*examples, f"{len(tensors)} tensors"])
