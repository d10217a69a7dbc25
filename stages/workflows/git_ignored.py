"""What the .gitignore of a project holds: whatever shows faces, or was made of them, stays out of Git."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.images.formats import IMAGE_SUFFIXES
from pipeline.video.formats import VIDEO_SUFFIXES

__all__ = ["gitignore_text", "missing_patterns"]

_EXPORTED = (".parquet", ".npy")  # of `query --output` and `store export`
_OF_CODE = {".ts", ".mts"}  # TypeScript too
_SPECIAL = re.compile(r"[\\*?\[\]!# ]")


def gitignore_text(shipped: str, project: Path, roots: Iterable[str]) -> str:
    """The lines of all projects, pictures and exported rows wherever they are, and datasets elsewhere in the project.

    Parameters
    ----------
    project : its folder, absolute, without links
    roots : of its datasets, relative to the project or absolute
    """
    suffixes = sorted({*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *_EXPORTED} - _OF_CODE)
    named = "\n".join(f"*{_of_any_case(suffix)}" for suffix in suffixes)
    text = f"{shipped}\n# Pictures, videos and exported rows; `git add -f FILE` adds one that shows nobody.\n{named}\n"
    patterns = list(dict.fromkeys(_root_patterns(project, roots)))
    return text + "".join(f"{line}\n" for line in ("\n# Datasets.", *patterns) if patterns)


def missing_patterns(text: str, existing: str) -> tuple[str, ...]:
    """The patterns of one .gitignore that another one, which is there, does not have in the same words."""
    there = {line.strip().strip("/") for line in existing.splitlines()}
    patterns = [line for line in text.splitlines() if line and not line.startswith(("#", "!"))]
    return tuple(line for line in patterns if line.strip("/") not in there)


def _of_any_case(suffix: str) -> str:
    """`.jpg` as `.[jJ][pP][gG]`: Git compares letters as they are."""
    return "".join(f"[{sign}{sign.upper()}]" if sign.isalpha() else sign for sign in suffix)


def _root_patterns(project: Path, roots: Iterable[str]) -> Iterator[str]:
    """Of the roots in the project, but those below data/, which is ignored as a whole, and the project itself."""
    places = (place for root in roots for place in (str(project / root), os.path.realpath(project / root)))
    for place in places:  # as it is written, and without links: an absolute root may name the project through one
        path = Path(os.path.relpath(place, project))
        if path.parts and path.parts[0] not in ("..", "data"):
            yield "/" + _SPECIAL.sub(r"\\\g<0>", path.as_posix())
