"""Files of weights, which are read without running them."""

from __future__ import annotations

import hashlib
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import PickleError
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import EncoderError

__all__ = [
    "plain_checkpoint",
    "plain_names",
    "read_tensors",
    "reading_weights",
    "require_file",
    "state_sha256",
    "tensor_shapes",
]

# Keys under which training programs save the tensors of a model, beside its optimizer and its options.
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "state_dict_ema", "model_ema")
_PREFIXES = ("module.", "_orig_mod.")  # of names: DataParallel's and torch.compile's
# All that torch, safetensors, open_clip and timm are known to raise on a file that is not what they expect.
_UNREADABLE = (
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    StopIteration,
    OSError,
    EOFError,
    BadZipFile,
    PickleError,
    SafetensorError,
)


def require_file(path: Path, what: str) -> Path:
    """`path` if it is there; EncoderError with what it should be, if not."""
    if not path.is_file():
        raise EncoderError(f"{what}: no file at {path} (looked in {path.resolve().parent}). Check the path after @")
    return path


def state_sha256(model: nn.Module) -> str:
    """Hex digest of a model's parameters and buffers, for weights that come from no file."""
    digest = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a file of weights, which is read and never run, under the names they have there.

    Parameters
    ----------
    path : .safetensors, or what `torch.save` wrote: tensors by name, or a checkpoint that holds them under
        `state_dict`, `model_state_dict`, `model_state`, `model`, `net`, `state_dict_ema` or `model_ema`

    Raises
    ------
    ValueError
        If it holds no tensors, or those of several models: call it inside `reading_weights`.
    Exception
        Whatever torch and safetensors raise on a damaged file, or on one that would run code.
    """
    return _read(path)[1]


def plain_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The same values by the names that the model itself gives them, without those of what it was wrapped in."""
    return {_plain_name(name): value for name, value in tensors.items()}


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Plain name -> shape of the tensors in a file of weights, which is read and never run.

    open_clip reads only what has been read here: with a torch before 2.6 it answers a TypeError of the safe reader by
    reading the pickle again, unsafely.
    """
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())  # the file is no mapping
            return plain_names({name: tuple(file.get_slice(name).get_shape()) for name in names})
    return plain_names({name: tuple(values.shape) for name, values in read_tensors(path).items()})


@contextmanager
def plain_checkpoint(path: Path) -> Iterator[Path]:
    """A file with the same tensors that open_clip can read: `path` itself, else a temporary one with tensors only."""
    wrappers, tensors = _read(path)
    if wrappers in ((), ("state_dict",)) and not any("_orig_mod." in name for name in tensors):
        with torch.serialization.safe_globals([Namespace]):
            yield path
        return
    with TemporaryDirectory() as folder:
        torch.save(plain_names(tensors), plain := Path(folder) / "weights.pt")
        yield plain


def _plain_name(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def _read(path: Path) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """The wrappers around the tensors in a file, outermost first, and the tensors."""
    if path.suffix == ".safetensors":
        return (), load_file(path)
    with torch.serialization.safe_globals([Namespace]):  # the options of a training program; holds plain values
        # Mapped into memory, tensors that are not used are not read; torch's older format cannot be mapped.
        return _unwrapped(torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path)))


def _unwrapped(content: Any) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    if not isinstance(content, Mapping):
        raise ValueError(f"expected tensors by name, found {type(content).__name__}")  # noqa: TRY004 of the file
    inner = [name for name in _WRAPPERS if isinstance(content.get(name), Mapping)]
    if len(inner) > 1:
        raise ValueError(
            f"it holds several models: {', '.join(inner)}; save the one that is meant to a file of its own"
        )
    if inner:
        wrappers, tensors = _unwrapped(content[inner[0]])
        return (inner[0], *wrappers), tensors
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"expected tensors by name, found {', '.join(map(str, content)) or 'nothing'}")
    return (), tensors


@contextmanager
def reading_weights(path: Path) -> Iterator[None]:
    """Report every way in which a library fails to read a file of weights as one error.

    Raises
    ------
    EncoderError
        If the file is damaged, does not fit the architecture, or holds more than tensors (it would run code).
    """
    try:
        yield
    except _UNREADABLE as error:
        why = f"{type(error).__name__}: {_reason(error)}"
        raise EncoderError(
            f"{path} cannot be loaded as weights of this architecture ({why}). Expected "
            ".safetensors, or a checkpoint with nothing but tensors, of the same architecture"
        ) from error


def _reason(error: Exception) -> str:
    """The message of a library, shortened; of a pickle what it would run, and not torch's advice on how to run it."""
    if isinstance(error, PickleError):
        program = re.search(r"GLOBAL (\S+)", str(error))
        return f"it would run {program[1]}" if program else "it is no pickle of tensors alone"
    return " ".join(str(error).split())[:300]
