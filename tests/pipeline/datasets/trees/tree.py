"""What the trees are made of."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

KINDS = ("folder", "tar", "tar.gz", "zip")
JUNK = {".DS_Store": b"x", "__MACOSX/._a.jpg": b"x", "Thumbs.db": b"x", ".ipynb_checkpoints/happy/a.jpg": b"x"}


def picture(shade: int, size: int = 6) -> bytes:
    """The bytes of a small grey PNG; every shade has its own."""
    out = io.BytesIO()
    Image.fromarray(np.full((size, size), shade, np.uint8)).save(out, "PNG")
    return out.getvalue()


def pack(files: Mapping[str, bytes], folder: Path, kind: str, prefix: str = "") -> Path:
    """Write `files` as a folder or archive below `folder`; the path is the root to give to a reader."""
    named = {prefix + name: data for name, data in files.items()}
    return {"folder": _folder, "tar": _tar, "tar.gz": _tar, "zip": _zip}[kind](named, folder / f"root.{kind}")


def _folder(files: Mapping[str, bytes], path: Path) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def _tar(files: Mapping[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in reversed(files.items()):  # archives keep no useful order
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def _zip(files: Mapping[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in reversed(files.items()):
            archive.writestr(name, data)
    return path


@dataclass(frozen=True)
class Tree:
    """A dataset, and the truth about it.

    `samples` is id -> (label, split), split empty where it is carved by hash; of clips, id is the clip's name. `rows`
    counts the rows of the source: every one of them is a sample or excluded. `bad_label` is a file to put in with
    unknown labels, with the words that the error must hold. `by_names`: no list names the images, so that a missing one
    cannot be noticed.
    """

    layout: str
    files: Mapping[str, bytes]
    samples: Mapping[str, tuple[str, str]]
    rows: int
    release: str = ""
    rejected: Mapping[str, str] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    with_contempt: str = ""
    bad_label: tuple[str, bytes, tuple[str, ...]] | None = None
    by_names: bool = False


def images_of(names: str, first: int = 0) -> dict[str, bytes]:
    """A picture for each of `names`, separated by spaces, in shades from `first` up."""
    return {name: picture(first + i) for i, name in enumerate(names.split())}


def lines(*texts: str, end: str = "\n") -> bytes:
    """A text file."""
    return "".join(text + end for text in texts).encode()


def named(*trees: Callable[[], Tree]) -> dict[str, Tree]:
    """Trees by the names of the functions that make them."""
    return {make.__name__: make() for make in trees}
