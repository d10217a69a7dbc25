"""Clips: a layout names each once, with a folder of frames or a video file, and `index` makes rows of its frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import PurePosixPath
from types import MappingProxyType

from pydantic import Field

from pipeline.datasets.reading.base import LayoutOptions, Scan
from pipeline.datasets.reading.rows import Row, assemble
from pipeline.datasets.roots.containers import member_name, row_text
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError, ImageError
from pipeline.images.formats import is_image
from pipeline.progress import OnProgress, Progress
from pipeline.tables.sample import Sample
from pipeline.video.formats import is_video
from pipeline.video.sampling import evenly

__all__ = [
    "MISSING_CLIP",
    "NO_FRAMES",
    "NO_VIDEO",
    "ClipFiles",
    "ClipOptions",
    "ClipRows",
    "assemble_clips",
    "expand",
    "frame_numbers_note",
    "number_key",
    "refuse_videos_alone",
]

# Reasons of a rejected clip: stable words, counted in summaries.
MISSING_CLIP = "clip is missing"
NO_FRAMES = "clip has no frames"
NO_VIDEO = "clip is no video and no folder"

_DIGITS = re.compile(r"(\d+)")


class ClipOptions(LayoutOptions):
    """Options of every layout whose samples are clips."""

    max_frames: int = Field(
        64, ge=0, description="frames of each clip that become rows, evenly over the clip; 0 takes all of them"
    )


def refuse_videos_alone(names: Iterable[str], where: str) -> None:
    """Refuse a dataset of videos in a layout of images.

    Parameters
    ----------
    names : of images and videos that its list or its folders have

    Raises
    ------
    DatasetError
        If there are videos, and no image.
    """
    names = list(names)
    if not any(map(is_image, names)) and (videos := list(filter(is_video, names))):
        raise DatasetError(
            f"{where}: expected images, found {len(videos):,} videos and no image, first {videos[0]!r}. The layout "
            "clips reads them (--layout clips): a table of clips, whose rows are frames"
        )


class ClipFiles:
    """The folders with images and the video files of a root: what may be a clip."""

    def __init__(self, root: Root) -> None:
        self._names = root.names()

    @cached_property
    def folders(self) -> Mapping[str, Sequence[str]]:
        """Folder -> the images directly in it, in the order of the root; images in the root itself have none."""
        folders: dict[str, list[str]] = {}
        for name in self._names:
            folder, _, file = name.rpartition("/")
            if folder and is_image(file):
                folders.setdefault(folder, []).append(name)
        return folders

    @cached_property
    def videos(self) -> Sequence[str]:
        """Video files, sorted."""
        return [name for name in self._names if is_video(name)]

    def example(self, path: str) -> str:
        """An image that shows a clip: the middle one of a folder by name, the first of a video; empty without one."""
        if images := self.folders.get(path):
            return images[len(images) // 2]
        return member_name(path, row_text(0)) if is_video(path) else ""

    def lookup(self, parts: int = 0) -> Lookup:
        """Finds folders with images and video files as `Lookup` finds files: by the last `parts` parts of a path."""
        return Lookup([*self.folders, *self.videos], parts)


def assemble_clips(
    rows: Sequence[Row],
    options: LayoutOptions,
    release: str = "",
    notes: tuple[str, ...] = (),
    stated_frames: Mapping[str, int] | None = None,
) -> Scan:
    """As `assemble`, of clips.

    Parameters
    ----------
    rows : a clip each: `id` is its name, `path` its folder of frames or its video file, whether it exists or not
    stated_frames : clip -> its number of frames as a list states it, which is compared with the disk and not trusted
    """
    scan = assemble(rows, options, release, notes=notes)
    return replace(scan, unit="clip", stated_frames=dict(stated_frames or {}))


@dataclass(frozen=True)
class ClipRows:
    """What the clips of a scan hold.

    Parameters
    ----------
    rows : the frames that are taken, and one row for each clip that is rejected as a whole; clip by clip
    n_frames : clip -> its frames on disk, of clips that could be opened
    """

    rows: list[Sample]
    n_frames: Mapping[str, int] = field(default_factory=dict)


def expand(
    root: Root,
    clips: Sequence[Sample],
    max_frames: int,
    n_frames: Callable[[str], int],
    on_progress: OnProgress,
    images: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> ClipRows:
    """The rows of clips: their frames, counted on disk, of which at most `max_frames` are taken.

    Parameters
    ----------
    max_frames : 0 takes every frame
    n_frames : counts those of a video file; ImageError with the reason if it has none
    on_progress : called for every clip
    images : clip -> its frames in their order, of clips whose images a table names one by one

    Raises
    ------
    DatasetError
        If two files of a clip have one number, such as 1.jpg and 001.jpg.
    """
    disk = _Disk(root, clips, n_frames, images)
    rows: list[Sample] = []
    counts: dict[str, int] = {}
    for done, clip in enumerate(clips, start=1):
        frames, reason = (None, clip.reason) if clip.reason else disk.frames_or_reason(clip)
        if frames:
            counts[clip.id] = frames.n
            rows += _rows(clip, frames, max_frames)
        else:
            rows.append(replace(clip, clip=clip.id, reason=reason))
        on_progress(Progress("clips", done, len(clips)))
    disk.refuse_doubles()
    return ClipRows(rows, counts)


def frame_numbers_note(stated: Mapping[str, int], found: Mapping[str, int]) -> Iterator[str]:
    """Lists whose numbers of frames are not those on disk, in a sentence."""
    compared = [name for name in stated if name in found]
    if differing := [name for name in compared if stated[name] != found[name]]:
        first = differing[0]
        yield (
            f"list states other numbers of frames for {len(differing):,} of {len(compared):,} clips, first {first!r}: "
            f"{stated[first]:,} stated, {found[first]:,} found; those on disk are read"
        )


@dataclass(frozen=True)
class _Frames:
    """Frames of a clip in their order: how many there are, and the name of each, which is made when it is needed."""

    n: int
    name: Callable[[int], str]


class _Disk:
    """The frames that a root has of clips."""

    def __init__(
        self,
        root: Root,
        clips: Iterable[Sample],
        n_frames: Callable[[str], int],
        listed: Mapping[str, Sequence[str]],
    ) -> None:
        self._root, self._n_frames, self._listed = root, n_frames, listed
        self._images: dict[str, list[str]] = {clip.path: [] for clip in clips}
        self._doubles: dict[str, str] = {}  # folder -> two files with one number
        for name in root.names():
            if (images := self._images.get(name.rpartition("/")[0])) is not None and is_image(name):
                images.append(name)

    def frames_or_reason(self, clip: Sample) -> tuple[_Frames | None, str]:
        """All frames of a clip; None with the reason if there is none."""
        if (listed := self._listed.get(clip.id)) is not None:
            return _Frames(len(listed), listed.__getitem__), ""
        try:
            return self._frames(clip.path), ""
        except ImageError as error:
            return None, str(error)

    def _frames(self, path: str) -> _Frames:
        if self._root.exists(path):
            if not is_video(path):
                raise ImageError(NO_VIDEO)
            return _Frames(self._n_frames(path), lambda i: member_name(path, row_text(i)))
        if images := self._images[path]:
            return _Frames(len(images), self._in_order(path, images).__getitem__)
        raise ImageError(NO_FRAMES if path in self._folders else MISSING_CLIP)

    @cached_property
    def _folders(self) -> set[str]:
        """All folders with a file below them."""
        folders = {name.rpartition("/")[0] for name in self._root.names()}
        return {str(above) for folder in folders for above in (folder, *PurePosixPath(folder).parents)}

    def _in_order(self, folder: str, images: Sequence[str]) -> Sequence[str]:
        """Images of a folder by the numbers in their names."""
        keyed = sorted((number_key(name), name) for name in images)
        for (key, first), (following, second) in pairwise(keyed):
            if key == following:
                self._doubles.setdefault(folder, f"{first} and {second.rpartition('/')[2]}")
        return [name for _, name in keyed]

    def refuse_doubles(self) -> None:
        """Refuse folders in which the order of the frames would be a guess."""
        if self._doubles:
            raise DatasetError(
                f"{self._root.path}: expected one file for each frame of a clip, found several with one number in "
                f"{len(self._doubles):,} folders: {some(list(self._doubles.values()))}. Remove those that are copies"
            )


def number_key(name: str) -> tuple[str | tuple[int, str], ...]:
    """What names are ordered by: `img_2.png` is before `img_10.png`, and `1.jpg` equals `001.jpg`."""
    stem = name.rpartition("/")[2].rpartition(".")[0].casefold()
    return tuple(_magnitude(part) if i % 2 else part for i, part in enumerate(_DIGITS.split(stem)))


def _magnitude(digits: str) -> tuple[int, str]:
    """A number as its length and its digits: it may have more of them than Python turns into a number."""
    significant = digits.lstrip("0")
    return len(significant), significant


def _rows(clip: Sample, frames: _Frames, max_frames: int) -> list[Sample]:
    return [
        replace(clip, id=f"{clip.id}/{i:06d}", path=frames.name(i), clip=clip.id, frame=i)
        for i in evenly(frames.n, max_frames).tolist()
    ]
