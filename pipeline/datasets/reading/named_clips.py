"""Clips whose names hold their labels: `01-01-03-01-01-01-01.mp4`, `1001_DFA_ANG_XX.flv`, or folders named so."""

from __future__ import annotations

import re

from pipeline.datasets.reading.clips import ClipFiles
from pipeline.datasets.reading.rows import Row
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError
from pipeline.tables.sample import Sample
from pipeline.video.formats import is_video

__all__ = ["clip_name", "named_clips", "other_clip"]


def clip_name(path: str) -> str:
    """The path of a clip, in composed Unicode, without the suffix of a video."""
    return composed(path).rpartition(".")[0] if is_video(path) else composed(path)


def named_clips(
    root: Root, pattern: re.Pattern[str], example: str
) -> tuple[list[tuple[str, re.Match[str]]], list[Row]]:
    """Video files and folders of frames whose path ends with `pattern`, and an excluded row for each other video.

    Folders with images that have other names are no clips: `index` counts their images as unread.

    Parameters
    ----------
    pattern : of whole parts of the path, without the suffix of a video
    example : a path as it should be, for the reason

    Raises
    ------
    DatasetError
        If two clips have one name: which of them is meant would be a guess.
    """
    files = ClipFiles(root)
    ending = re.compile(f"(?:.*/)?{pattern.pattern}", pattern.flags)
    matches = [(path, ending.fullmatch(clip_name(path))) for path in (*files.folders, *files.videos)]
    fitting = [(path, match) for path, match in matches if match]
    _refuse_twice(root, fitting)
    return fitting, [other_clip(path, example) for path, match in matches if not match and is_video(path)]


def other_clip(path: str, example: str) -> Row:
    """The excluded row of a video whose name is not like `example`."""
    return Row(Sample(path, path, "", ""), f"name is not like {example}")


def _refuse_twice(root: Root, clips: list[tuple[str, re.Match[str]]]) -> None:
    first: dict[tuple[str, ...], str] = {}
    for path, match in clips:
        name = tuple(str(part).casefold() for part in match.groups())
        if (other := first.setdefault(name, path)) != path:
            raise DatasetError(
                f"{root.path}: expected every clip once, found {some([other, path])}. Point the root at one of the "
                "folders that hold them"
            )
