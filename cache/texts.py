"""Vectors of prompts under one frozen text tower: every template's vector is kept, nothing is averaged away."""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.atomic import write_bytes
from cache.errors import NewerSchemaError, OutdatedTextsError, SchemaError, StoreMissingError
from cache.keys import canonical_json, sha256_of
from cache.places import Place, exists, is_file, reachable
from cache.places.names import path_part
from cache.places.refusals import read_errors

__all__ = ["TextStore", "text_key", "text_path"]

_VERSION = 1
_MEMBERS = ("vectors.npy", "about.npy")
_MOST_BYTES = 192 * 2**20  # of a file: 1,000 templates of 8 classes in vectors of 4,096 values have 125
_LONGEST = 1e15  # of a vector: squares of longer ones are infinite in float32
# What numpy, json and zipfile were seen to raise over spoiled bytes, which are in memory by then. SyntaxError and
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


def text_path(root: Place, encoder: str, prompts: str) -> Place:
    """Where the vectors of a prompt set are: `root/<encoder>/text/<prompts>.npz`.

    Raises
    ------
    QueryError
        If a name is a path: nothing outside of `root` is read or written.
    """
    return root / path_part("encoder", encoder) / "text" / f"{path_part('prompt set', prompts)}.npz"


@dataclass(frozen=True)
class TextStore:
    """T templates x C classes under one encoder.

    Parameters
    ----------
    vectors : float32, shape (T, C, D_t); raw, as the tower gave them
    templates, classes : what the axes mean
    encoder : identity of the text tower
    provenance : versions and what else made it
    text : identity of the tokenizer, where that of the encoder does not hold it; empty in files of earlier versions
    """

    vectors: npt.NDArray[np.float32]
    templates: tuple[str, ...]
    classes: tuple[str, ...]
    encoder: Mapping[str, Any]
    provenance: Mapping[str, Any]
    text: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return text_key(self.templates, self.classes, self.encoder, self.text)

    def write(self, path: Place) -> None:
        """Replace the file at `path` as a whole."""
        about = {
            "fer_stage_texts": _VERSION,
            "key": self.key,
            "templates": list(self.templates),
            "classes": list(self.classes),
            "encoder": self.encoder,
            "text": self.text,
            "provenance": self.provenance,
        }
        about["content"] = _content_digest(self.vectors, json.loads(canonical_json(about)))
        buffer = io.BytesIO()
        np.savez(buffer, vectors=self.vectors, about=np.array(canonical_json(about)))
        write_bytes(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Place) -> TextStore:
        """The vectors at `path`.

        Parameters
        ----------
        path : see `text_path`

        Raises
        ------
        StoreMissingError
            If they were not encoded yet.
        OutdatedTextsError
            If an earlier version wrote the file, without a digest of what is in it.
        SchemaError
            If the file is damaged, was changed, or is of a newer version.
        """
        with reachable(path):
            data = _bytes_of(path)
        if data is None:
            raise StoreMissingError(f"no text vectors at {path}", remedy=_encode_text(path), purpose="to make them")
        vectors, about = _parts(data, path)
        if about["fer_stage_texts"] > _VERSION:
            raise NewerSchemaError(f"{path} is newer than this program: update fer-stage")
        if "content" not in about:
            raise OutdatedTextsError(
                f"{path}: expected a digest of its vectors, found none: an earlier fer-stage wrote it, and whether it "
                "was changed since cannot be checked",
                remedy=_encode_text(path),
                purpose="to make them again",
            )
        try:
            found = _content_digest(vectors, about)
        except ValueError as error:  # NaN, infinite, or half a character: what we write has none
            raise _damaged(path, f"about: {error}") from error
        if found != about["content"]:
            raise _damaged(
                path, f"about.content: expected {found} by vectors and fields, found {about['content']!r:.80}"
            )
        return _checked(vectors, about, path)


def _damaged(path: Place, problem: str) -> SchemaError:
    return SchemaError(
        f"{path} is damaged ({problem}): delete it", remedy=_encode_text(path), purpose="to make it again"
    )


def _encode_text(path: Place) -> list[tuple[str, dict[str, str]]]:
    """What makes the vectors at `path`; a file that is not below `text/` does not say of which encoder it is."""
    if path.parent.name != "text":
        return [("encode-text", {})]
    encoder = path.parent.parent
    return [("encode-text", {"encoder": encoder.name, "prompts": path.stem, "features": str(encoder.parent)})]


def _bytes_of(path: Place) -> bytes | None:
    """The bytes of the file; None if nothing is there."""
    with read_errors(str(path)):
        if not is_file(path):
            if not isinstance(path, Path) or not exists(path):
                return None
            raise SchemaError(
                f"{path}: expected a file of text vectors, found {'a folder' if path.is_dir() else 'no regular file'}: "
                "move it away",
                remedy=_encode_text(path),
                purpose="to make it again",
            )
        if (n_bytes := path.stat().st_size) > _MOST_BYTES:
            raise _damaged(path, f"expected at most {_MOST_BYTES:,} bytes, found {n_bytes:,}")
        return path.read_bytes()


def _parts(data: bytes, path: Place) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
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
        raise _damaged(path, str(error) or type(error).__name__) from error
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


def _content_digest(vectors: npt.NDArray[np.float32], about: Mapping[str, Any]) -> str:
    """sha256 over the vectors, and over every field that is about them: the order of classes and templates too."""
    fields = {name: value for name, value in about.items() if name != "content"}
    digest = hashlib.sha256(canonical_json(fields | {"shape": list(vectors.shape)}).encode())
    digest.update(np.ascontiguousarray(vectors, "<f4").tobytes())
    return digest.hexdigest()


def _checked(vectors: npt.NDArray[np.float32], about: Mapping[str, Any], path: Place) -> TextStore:
    """What is in a file whose digest is right: whoever wrote it could have written anything."""
    problems = [name for name in ("templates", "classes") if not _is_names(about.get(name))]
    problems += [name for name in ("encoder", "provenance") if not isinstance(about.get(name), dict)]
    if not isinstance(text := about.get("text", {}), dict):
        problems.append("text")
    if not problems:
        made_by = about["provenance"]
        if not isinstance(made_by.get("encoder_note", ""), str):
            problems.append("provenance.encoder_note")
        if not _is_names(made_by.get("encoder_saw", [])):
            problems.append("provenance.encoder_saw")
    if problems:
        names = ", ".join(f"about.{name}" for name in problems)
        raise _damaged(path, f"{names}: missing or of another type than expected")
    store = TextStore(
        vectors, tuple(about["templates"]), tuple(about["classes"]), about["encoder"], about["provenance"], text
    )
    if store.key != about.get("key"):
        raise _damaged(path, f"about.key: expected {store.key}, found {about.get('key')!r:.80}")
    if vectors.shape[:2] != (len(store.templates), len(store.classes)):
        raise _damaged(
            path,
            f"vectors: expected shape ({len(store.templates)} templates, {len(store.classes)} classes, width), found "
            f"{vectors.shape}",
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1)  # (T, C)
    if len(bad := np.argwhere(~((lengths > 0) & (lengths <= _LONGEST)))):  # NaN is neither
        template, name = bad[0]
        raise _damaged(
            path,
            f"vectors: expected a finite length above 0, found {lengths[template, name]:g} for "
            f"{store.classes[name]!r} in {store.templates[template]!r}",
        )
    return store


def _is_names(value: Any) -> bool:
    """Whether it is a list of different texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value) and len(set(value)) == len(value)


def text_key(
    templates: tuple[str, ...], classes: tuple[str, ...], encoder: Mapping[str, Any], text: Mapping[str, Any]
) -> str:
    """Digest of what the vectors are of: what was encoded, by which tower, through which tokenizer."""
    fields = {"templates": list(templates), "classes": list(classes), "encoder": encoder}
    return sha256_of(fields | ({"text": text} if text else {}))
