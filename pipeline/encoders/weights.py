"""Files of weights: their digest, and reading them without running them."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import PickleError
from zipfile import BadZipFile, is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pipeline.errors import EncoderError

__all__ = ["file_sha256", "reading_weights", "require_file", "state_sha256", "tensor_shapes"]

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

_CLOCK_TICK_NS = 50_000_000
_DIGESTS: dict[tuple[str | int, ...], str] = {}  # of this process: version of a file -> sha256


def require_file(path: Path, what: str) -> Path:
    """`path` if it is there; EncoderError that says what it should be, if not."""
    if not path.is_file():
        raise EncoderError(f"{what}: no file at {path} (looked in {path.resolve().parent}). Check the path after @")
    return path


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes: what `sha256sum` prints. A file that has not changed is read once in a process.

    Raises
    ------
    EncoderError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            version = _version(path, os.fstat(file.fileno()))
            if (known := _DIGESTS.get(version)) is not None:
                return known
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise EncoderError(f"cannot read {path}: {error.strerror}. Check its permissions") from error
    # A change within one tick of the file system's clock would leave the times as they are.
    if version == _version(path, after) and time.time_ns() - after.st_ctime_ns > _CLOCK_TICK_NS:
        _DIGESTS[version] = digest
    return digest


def _version(path: Path, status: os.stat_result) -> tuple[str | int, ...]:
    """What changes when a file is written to or replaced, also by a copy that keeps the time of modification."""
    return (str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)


def state_sha256(model: nn.Module) -> str:
    """Hex digest of a model's parameters and buffers, for weights that come from no file."""
    digest = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the tensors in a file of weights, which is read and never run.

    open_clip reads only what has been read here: with a torch before 2.6 it answers a TypeError of the safe reader by
    reading the pickle again, unsafely.
    """
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 no mapping
    # Mapped into memory the tensors themselves are not read; only torch's older format cannot be.
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    state = content.get("state_dict", content)
    return {name.removeprefix("module."): tuple(v.shape) for name, v in state.items() if isinstance(v, Tensor)}


@contextmanager
def reading_weights(path: Path) -> Iterator[None]:
    """Every way in which a library fails to read a file of weights means one thing to a user: say it.

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
    """What a library says, shortened; of a pickle what it would run, and not torch's advice on how to run it."""
    if isinstance(error, PickleError):
        program = re.search(r"GLOBAL (\S+)", str(error))
        return f"it would run {program[1]}" if program else "it is no pickle of tensors alone"
    return " ".join(str(error).split())[:300]
