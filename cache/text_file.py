"""The file of text vectors, read with care: bounded, of the members that our writer writes, and of their types."""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import SchemaError
from cache.keys import canonical_json
from cache.places import AnyPath, exists, is_file
from cache.places.refusals import read_errors

__all__ = ["bytes_of", "content_digest", "damaged", "encode_text_step", "parts_of"]

_MEMBERS = ("vectors.npy", "about.npy")
_MAX_BYTES = 192 * 2**20  # of a file: 1,000 templates of 8 classes in vectors of 4,096 values have 125
# What numpy, json and zipfile were seen to raise for corrupted bytes, which are in memory by then. SyntaxError and
# RecursionError: of the header of an array and of JSON.
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    struct.error,
)


def damaged(path: AnyPath, problem: str) -> SchemaError:
    """The error about a file that is not what our writer writes, with the step that makes it again."""
    return SchemaError(
        f"{path} is damaged ({problem}): delete it", remedy=encode_text_step(path), purpose="to make it again"
    )


def encode_text_step(path: AnyPath) -> list[tuple[str, dict[str, str]]]:
    """What makes the vectors at `path`; a file that is not below `text/` does not say of which encoder it is."""
    if path.parent.name != "text":
        return [("encode-text", {})]
    encoder = path.parent.parent
    return [("encode-text", {"encoder": encoder.name, "prompts": path.stem, "features": str(encoder.parent)})]


def bytes_of(path: AnyPath) -> bytes | None:
    """The bytes of the file; None if nothing is there."""
    with read_errors(str(path)):
        if not is_file(path):
            if not isinstance(path, Path) or not exists(path):
                return None
            raise SchemaError(
                f"{path}: expected a file of text vectors, found {'a folder' if path.is_dir() else 'no regular file'}: "
                "move it away",
                remedy=encode_text_step(path),
                purpose="to make it again",
            )
        if (n_bytes := path.stat().st_size) > _MAX_BYTES:
            raise damaged(path, f"expected at most {_MAX_BYTES:,} bytes, found {n_bytes:,}")
        return path.read_bytes()


def parts_of(data: bytes, path: AnyPath) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
    """Vectors and description, of types that can be compared; no more memory is taken than the file has bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sorted(archive.namelist()) != sorted(_MEMBERS):
                raise ValueError(f"expected the members {', '.join(_MEMBERS)}, found {archive.namelist()!r:.80}")
            vectors, text = (_array(archive, name, len(data)) for name in _MEMBERS)
        about = json.loads(str(text))
        if not isinstance(about, dict) or type(about.get("fer_stage_texts")) is not int:
            raise ValueError("about.fer_stage_texts: expected the version of the file, a whole number")
        if vectors.dtype != np.float32 or vectors.ndim != 3:
            raise ValueError(f"vectors: expected float32 of 3 axes, found {vectors.dtype} of shape {vectors.shape}")
    except _DAMAGE as error:
        raise damaged(path, str(error) or type(error).__name__) from error
    return vectors, about


def _array(archive: zipfile.ZipFile, name: str, n_bytes: int) -> npt.NDArray[Any]:
    """A member as an array; ValueError if it would be larger than the whole file, or than its own header says.

    We write members as they are: one that is compressed could unpack to any size.
    """
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > n_bytes:
        raise ValueError(f"{name}: expected at most {n_bytes:,} bytes, not compressed, found {member.file_size:,}")
    raw = archive.read(member)  # its CRC is checked
    stream = io.BytesIO(raw)
    if (version := np.lib.format.read_magic(stream)) != (1, 0):
        raise ValueError(f"{name}: expected version 1.0 of the npy format, found {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    n_expected, n_found = math.prod(shape) * dtype.itemsize, len(raw) - stream.tell()
    if dtype.hasobject or fortran or n_expected != n_found:
        raise ValueError(f"{name}: expected values of shape {shape} and dtype {dtype}, found {n_found:,} bytes")
    return np.ndarray(shape, dtype, buffer=raw, offset=stream.tell()).copy()


def content_digest(vectors: npt.NDArray[np.float32], about: Mapping[str, Any]) -> str:
    """sha256 over the vectors, and over every field that is about them: the order of classes and templates too."""
    fields = {name: value for name, value in about.items() if name != "content"}
    digest = hashlib.sha256(canonical_json(fields | {"shape": list(vectors.shape)}).encode())
    digest.update(np.ascontiguousarray(vectors, "<f4").tobytes())
    return digest.hexdigest()
