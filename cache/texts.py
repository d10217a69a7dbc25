"""Vectors of prompts under one frozen text tower: every template's vector is stored, none is averaged."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.atomic import write_bytes
from cache.errors import NewerSchemaError, OutdatedTextsError, StoreMissingError
from cache.keys import canonical_json, sha256_of
from cache.places import AnyPath, network_errors
from cache.places.names import path_part
from cache.text_file import bytes_of, content_digest, damaged, encode_text_step, parts_of

__all__ = ["TextStore", "text_key", "text_path"]

_VERSION = 1
_LONGEST = 1e15  # of a vector: squares of longer ones are infinite in float32


def text_path(root: AnyPath, encoder: str, prompts: str) -> AnyPath:
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
    vectors : float32, shape (T, C, D_t); raw, as the tower returns them
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

    def write(self, path: AnyPath) -> None:
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
        about["content"] = content_digest(self.vectors, json.loads(canonical_json(about)))
        buffer = io.BytesIO()
        np.savez(buffer, vectors=self.vectors, about=np.array(canonical_json(about)))
        write_bytes(path, buffer.getvalue())

    @classmethod
    def read(cls, path: AnyPath) -> TextStore:
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
        with network_errors(path):
            data = bytes_of(path)
        if data is None:
            raise StoreMissingError(f"no text vectors at {path}", remedy=encode_text_step(path), purpose="to make them")
        vectors, about = parts_of(data, path)
        if about["fer_stage_texts"] > _VERSION:
            raise NewerSchemaError(f"{path} is newer than this program: update fer-stage")
        if "content" not in about:
            raise OutdatedTextsError(
                f"{path}: expected a digest of its vectors, found none: an earlier fer-stage wrote it, and whether it "
                "was changed since cannot be checked",
                remedy=encode_text_step(path),
                purpose="to make them again",
            )
        try:
            digest = content_digest(vectors, about)
        except ValueError as error:  # NaN, infinite, or half a character: what we write has none
            raise damaged(path, f"about: {error}") from error
        if digest != about["content"]:
            raise damaged(
                path, f"about.content: expected {digest} by vectors and fields, found {about['content']!r:.80}"
            )
        return _checked(vectors, about, path)


def _checked(vectors: npt.NDArray[np.float32], about: Mapping[str, Any], path: AnyPath) -> TextStore:
    """The store of a file whose digest is right. Its fields are checked too: any program can write a right digest."""
    problems = [name for name in ("templates", "classes") if not _is_names(about.get(name))]
    problems += [name for name in ("encoder", "provenance") if not isinstance(about.get(name), dict)]
    if not isinstance(text := about.get("text", {}), dict):
        problems.append("text")
    if not problems:
        provenance = about["provenance"]
        if not isinstance(provenance.get("encoder_note", ""), str):
            problems.append("provenance.encoder_note")
        if not _is_names(provenance.get("encoder_saw", [])):
            problems.append("provenance.encoder_saw")
    if problems:
        names = ", ".join(f"about.{name}" for name in problems)
        raise damaged(path, f"{names}: missing or of another type than expected")
    store = TextStore(
        vectors, tuple(about["templates"]), tuple(about["classes"]), about["encoder"], about["provenance"], text
    )
    if store.key != about.get("key"):
        raise damaged(path, f"about.key: expected {store.key}, found {about.get('key')!r:.80}")
    if vectors.shape[:2] != (len(store.templates), len(store.classes)):
        raise damaged(
            path,
            f"vectors: expected shape ({len(store.templates)} templates, {len(store.classes)} classes, width), found "
            f"{vectors.shape}",
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1)  # (T, C)
    if len(bad := np.argwhere(~((lengths > 0) & (lengths <= _LONGEST)))):  # NaN is neither
        template, name = bad[0]
        raise damaged(
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
