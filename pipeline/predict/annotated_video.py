"""A copy of a video with a box and a label for each of its people, at its own frame rate, with its sound."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import OutputContainer
from PIL import Image

from pipeline.errors import ImageError, InputError
from pipeline.predict.annotate import Box, Mark, draw_marks
from pipeline.predict.prediction import Prediction
from pipeline.predict.tracked_video import VideoTrace
from pipeline.video.copying import Pictures, Sound
from pipeline.video.stream import ForwardReader

__all__ = ["TRACK_COLOURS", "write_annotated"]

# Okabe and Ito's palette, which works with colour blindness, too.
TRACK_COLOURS = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
    (200, 200, 200),
)
_SHORT = 320  # pixels: smaller pictures are enlarged
_MOST_REACH_S = 0.5  # that a face is shown beside the times at which it was detected


class _Face:
    """Where a track is at any time, and what was predicted of it.

    Parameters
    ----------
    track : its number
    places : seconds and box of each of its faces
    rows : its predictions, one or more
    reach_s : how long after the last of its faces it is shown; half as long before the first
    """

    def __init__(
        self, track: int, places: Sequence[tuple[float, Box]], rows: Sequence[Prediction], reach_s: float
    ) -> None:
        self.track, self.rows, self.reach_s = track, rows, reach_s
        self._times = np.array([seconds for seconds, _ in places])
        self._sides = np.array([box for _, box in places]).T
        self._middles = [_middle(row) for row in rows]

    def away_s(self, seconds: float) -> float:
        """How long before the first, or after the last, of its faces some time is; 0 between them."""
        return float(max(self._times[0] - seconds, seconds - self._times[-1], 0.0))

    def mark(self, seconds: float, scale: float) -> Mark | None:
        """What is drawn at some time; None if the face is not there."""
        if not self._times[0] - self.reach_s / 2 <= seconds <= self._times[-1] + self.reach_s:
            return None
        x, y, width, height = (scale * float(np.interp(seconds, self._times, side)) for side in self._sides)
        row = self._row(seconds)
        words = (f"{self.track}: {row.expression}", f"{row.probability or 0:.0%}")
        return Mark((x, y, x + width, y + height), TRACK_COLOURS[self.track % len(TRACK_COLOURS)], words)

    def _row(self, seconds: float) -> Prediction:
        """The prediction whose middle is nearest."""
        after = bisect_left(self._middles, seconds)
        around = range(max(0, after - 1), min(len(self.rows), after + 1))
        return self.rows[min(around, key=lambda i: abs(self._middles[i] - seconds))]


def write_annotated(trace: VideoTrace, target: Path, on_frame: Callable[[float], None] = lambda at_s: None) -> str:
    """Write a copy of a video, mp4, with the tracks that have predictions drawn in.

    Boxes are interpolated between the frames that were read; a label is the prediction whose window's middle is
    nearest.

    Parameters
    ----------
    trace : of the video; it is read again
    target : replaced whatever its suffix is; incomplete if this raises
    on_frame : called with the time of each

    Returns
    -------
    What the copy lacks, such as sound of a kind that cannot be copied; empty if nothing.

    Raises
    ------
    InputError
        If nothing of it can be read any more, or an mp4 cannot hold it.
    """
    path = trace.video.path
    try:
        with closing(ForwardReader(path)) as video, av.open(str(target), "w", format="mp4") as copy:
            return _write(video, path, copy, _faces(trace), on_frame)
    except ImageError as error:
        raise InputError(f"{path}: it was read before, and cannot be read now: {error}. Run predict again") from error
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):  # of the disk
            raise
        # Times of a damaged video may be further apart than those of an mp4 can be.
        raise InputError(
            f"{path}: an annotated copy of it cannot be written: {error.strerror}. Predict it without --annotate"
        ) from error


def _write(
    video: ForwardReader,
    path: Path,
    copy: OutputContainer,
    faces: Sequence[_Face],
    on_frame: Callable[[float], None],
) -> str:
    frames = video.sampled(0)
    if (first := next(frames, None)) is None:
        raise ImageError(video.fault())
    size, scale = _size((first.pixels.shape[1], first.pixels.shape[0]))
    pictures = Pictures(copy, size, video.rate)
    with closing(Sound(path, copy, video.first_s or 0.0)) as sound:
        for frame in chain([first], frames):
            shown = Image.fromarray(frame.pixels).resize(size, Image.Resampling.BICUBIC)
            draw_marks(shown, _marks(faces, frame.seconds, scale))
            pictures.add(shown, frame.seconds)
            sound.copy_until(frame.seconds)
            on_frame(frame.seconds)
        pictures.finish()
        sound.copy_until(math.inf)
        return sound.problem


def _marks(faces: Sequence[_Face], seconds: float, scale: float) -> list[Mark]:
    """What is drawn at some time: of two people in one place, before and after a cut, the one whose face is nearer in
    time."""
    marks: list[Mark] = []
    for face in sorted(faces, key=lambda face: face.away_s(seconds)):
        mark = face.mark(seconds, scale)
        is_taken = face.away_s(seconds) > 0 and mark and any(_is_same_place(mark.box, other.box) for other in marks)
        if mark and not is_taken:
            marks.append(mark)
    return marks


def _is_same_place(a: Box, b: Box) -> bool:
    """Whether two boxes, of edges, cover more than half of the smaller one in common."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width > 0 and height > 0 and width * height > smaller / 2


def _faces(trace: VideoTrace) -> list[_Face]:
    rows: dict[int, list[Prediction]] = {}
    for track, row in trace.rows:
        rows.setdefault(track, []).append(row)
    reach_s = min(_MOST_REACH_S, trace.video.interval_s)
    return [_Face(track, trace.boxes[track], of_track, reach_s) for track, of_track in rows.items()]


def _middle(row: Prediction) -> float:
    if row.start_s is None or row.end_s is None:
        return row.seconds or 0.0
    return (row.start_s + row.end_s) / 2


def _size(shown: tuple[int, int]) -> tuple[tuple[int, int], float]:
    """Of the copy, even sides, and by how much boxes are enlarged."""
    scale = max(1.0, _SHORT / min(shown))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in shown)
    return (width, height), scale
