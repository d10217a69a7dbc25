"""From what a user names (pictures, videos, folders, patterns) to files, and from files to pictures to look at."""

from __future__ import annotations

import glob
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.roots.files import is_junk, some
from pipeline.errors import ConfigError, InputError
from pipeline.images.formats import is_image
from pipeline.predict.stills import Still, still_of_file
from pipeline.predict.video import frames_of, is_video
from pipeline.regular_files import NOT_REGULAR

__all__ = ["EVERY_S", "Inputs", "check_interval", "find_inputs", "stills_of"]

EVERY_S = 1.0  # of a video


@dataclass(frozen=True)
class Inputs:
    """What was found.

    Parameters
    ----------
    paths : pictures and videos, each once, in the order they were named; those of a folder sorted
    left_out : suffix -> files of folders that are neither; those that are no regular files under a reason
    """

    paths: tuple[Path, ...]
    left_out: Mapping[str, int]


def find_inputs(names: Iterable[str | Path]) -> Inputs:
    """The files that are meant.

    Parameters
    ----------
    names : a file is taken whatever it is called; a folder gives the pictures and videos in it and below it, by their
        suffix, but no hidden ones; a name that is neither is a pattern of `glob`, with `**` for any depth

    Raises
    ------
    InputError
        If a name is nothing of these, or no picture and no video is found at all; all such names are listed.
    """
    found: dict[Path, None] = {}
    left_out: Counter[str] = Counter()
    missing: list[str] = []
    for name in names:
        paths = [Path(name)] if Path(name).exists() else [Path(path) for path in _matches(str(name))]
        if not paths:
            missing.append(str(name))
        for path in paths:
            files = _in_folder(path, left_out) if path.is_dir() else [path]
            found.update(dict.fromkeys(files))
    if missing:
        raise InputError(f"expected pictures, videos, folders or patterns of them, found nothing at {some(missing)}")
    if not found:
        others = ", ".join(f"{n} {suffix}" for suffix, n in left_out.most_common(3))
        raise InputError(
            f"expected pictures or videos, found none in {some([str(name) for name in names])}"
            + (f", only other files ({others}). Name a file to have it read whatever it is called" if others else "")
        )
    return Inputs(tuple(found), dict(left_out))


def stills_of(paths: Sequence[Path], every_s: float = EVERY_S) -> Iterator[Still]:
    """The pictures in files, one by one, none of them loaded before its turn.

    Parameters
    ----------
    every_s : >= 0, seconds between frames of a video; 0 takes every frame

    Raises
    ------
    ConfigError
        At once, if `every_s` is no such number.
    """
    check_interval(every_s)
    return _stills_of(paths, every_s)


def check_interval(every_s: float) -> None:
    """ConfigError if `every_s` is no number of seconds between frames: negative, infinite or NaN."""
    if not 0 <= every_s < math.inf:
        raise ConfigError(f"every_s: expected seconds between frames, 0 or more, found {every_s}")


def _stills_of(paths: Sequence[Path], every_s: float) -> Iterator[Still]:
    for path in paths:
        if is_video(path):
            yield from frames_of(path, every_s)
        else:
            yield still_of_file(path)


def _matches(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))


def _in_folder(folder: Path, left_out: Counter[str]) -> list[Path]:
    wanted = []
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        if is_junk(path.relative_to(folder).as_posix()):
            continue
        if not path.is_file():  # a FIFO, a device, a link to nothing
            left_out[NOT_REGULAR] += 1
        elif is_image(path.name) or is_video(path):
            wanted.append(path)
        else:
            left_out[path.suffix.lower() or path.name] += 1
    return wanted
