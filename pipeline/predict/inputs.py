"""From names (pictures, videos, folders, patterns) to files, and from files to images."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.roots.files import is_junk, some
from pipeline.errors import InputError
from pipeline.images.formats import is_image
from pipeline.predict.lazy_images import LazyImage, lazy_file, video_frames
from pipeline.predict.windows import DEFAULT_OPTIONS, VideoOptions
from pipeline.regular_files import NOT_REGULAR
from pipeline.video.formats import is_video

__all__ = ["InputFiles", "find_inputs", "input_images"]


@dataclass(frozen=True)
class InputFiles:
    """The files of some names.

    Parameters
    ----------
    paths : pictures and videos, each once, in the order they were named; those of a folder sorted
    ignored : suffix -> number of files in folders that are neither; those that are no regular files under a reason
    """

    paths: tuple[Path, ...]
    ignored: Mapping[str, int]


def find_inputs(names: Iterable[str | Path]) -> InputFiles:
    """The pictures and videos at some names.

    Parameters
    ----------
    names : a file is taken whatever it is called; a folder gives the pictures and videos in it and below it, by their
        suffix, but no hidden ones; a name that is neither is a pattern of `glob`, with `**` for any depth

    Raises
    ------
    InputError
        If a name is none of these (all such names are listed), or there is no picture and no video at all.
    """
    files: dict[Path, None] = {}
    ignored: Counter[str] = Counter()
    missing: list[str] = []
    for name in names:
        paths = [Path(name)] if Path(name).exists() else [Path(path) for path in _matches(str(name))]
        if not paths:
            missing.append(str(name))
        for path in paths:
            files.update(dict.fromkeys(_in_folder(path, ignored) if path.is_dir() else [path]))
    if missing:
        raise InputError(f"expected pictures, videos, folders or patterns of them, found nothing at {some(missing)}")
    if not files:
        others = ", ".join(f"{n} {suffix}" for suffix, n in ignored.most_common(3))
        raise InputError(
            f"expected pictures or videos, found none in {some([str(name) for name in names])}"
            + (f", only other files ({others}). Name a file to have it read whatever it is called" if others else "")
        )
    return InputFiles(tuple(files), dict(ignored))


def input_images(
    paths: Sequence[Path], video: VideoOptions = DEFAULT_OPTIONS, clip_frames: int | None = None
) -> Iterator[LazyImage]:
    """The images in files, one by one, none of them loaded yet.

    Parameters
    ----------
    video : which frames of videos are read
    clip_frames : frames that the head reads of a clip; None of a head of images
    """
    for path in paths:
        if is_video(path):
            yield from video_frames(path, lambda length_s: video.interval(length_s, clip_frames))
        else:
            yield lazy_file(path)


def _matches(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))


def _in_folder(folder: Path, ignored: Counter[str]) -> list[Path]:
    files = []
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        if is_junk(path.relative_to(folder).as_posix()):
            continue
        if not path.is_file():  # a FIFO, a device, a link to nothing
            ignored[NOT_REGULAR] += 1
        elif is_image(path.name) or is_video(path):
            files.append(path)
        else:
            ignored[path.suffix.lower() or path.name] += 1
    return files
