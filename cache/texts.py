"""Vectors of prompts under one frozen text tower: every template's vector is kept, nothing is averaged away."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.atomic import write_bytes
from cache.errors import NewerSchemaError, SchemaError, StoreMissingError
from cache.keys import canonical_json, sha256_of
from cache.names import path_part
from cache.places import Place, is_file, reachable
from cache.refusals import read_errors

__all__ = ["TextStore", "text_key", "text_path"]

_VERSION = 1
# What numpy and zipfile were seen to raise over spoiled bytes, which are in memory by then.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, zipfile.BadZipFile)


def text_path(root: Place, encoder: str, prompts: str) -> Place:
    """Where the vectors of a prompt set stand: `root/<encoder>/text/<prompts>.npz`.

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
        buffer = io.BytesIO()
        np.savez(buffer, vectors=self.vectors, about=np.array(canonical_json(about)))
        write_bytes(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Place, command: str = "fer-stage encode-text") -> TextStore:
        """The vectors at `path`.

        Parameters
        ----------
        path : see `text_path`
        command : what makes them, for messages; a folder's name does not say how its encoder is written

        Raises
        ------
        StoreMissingError
            If they were not encoded yet.
        SchemaError
            If the file is damaged or of a newer version.
        """
        with reachable(path):
            data = _content(path)
        if data is None:
            raise StoreMissingError(f"no text vectors at {path}. Run `{command}` first")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                vectors, about = archive["vectors"], json.loads(str(archive["about"]))
            newer = about["fer_stage_texts"] > _VERSION
        except _DAMAGE as error:
            raise SchemaError(f"{path} is damaged ({error}): delete it and run `{command}`") from error
        if newer:
            raise NewerSchemaError(f"{path} is newer than this program: update fer-stage")
        return cls(
            vectors,
            tuple(about["templates"]),
            tuple(about["classes"]),
            about["encoder"],
            about["provenance"],
            about.get("text", {}),
        )


def _content(path: Place) -> bytes | None:
    """The bytes of the file; None if there is none."""
    with read_errors(str(path)):
        if isinstance(path, Path) and path.is_dir():
            raise SchemaError(
                f"{path}: expected a file of text vectors, found a folder. Move it away, then encode-text"
            )
        return path.read_bytes() if is_file(path) else None


def text_key(
    templates: tuple[str, ...], classes: tuple[str, ...], encoder: Mapping[str, Any], text: Mapping[str, Any]
) -> str:
    """Digest of what the vectors are of: what was encoded, by which tower, through which tokenizer."""
    fields = {"templates": list(templates), "classes": list(classes), "encoder": encoder}
    return sha256_of(fields | ({"text": text} if text else {}))
