"""What a prediction of a video is of: every face of a frame, every track of a window, or the main track of the clip."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.learning.clips import CLIP_FRAMES

__all__ = [
    "CLIP",
    "DEFAULT_OPTIONS",
    "FRAME",
    "MOST_FRAMES",
    "WINDOW",
    "FramesOfTracks",
    "Per",
    "TrackFrame",
    "VideoOptions",
    "Window",
    "frames_of_tracks",
]

Per = Literal["frame", "window", "clip"]
FRAME: Per = "frame"
WINDOW: Per = "window"
CLIP: Per = "clip"
Box = tuple[float, float, float, float]

EVERY_FRAME_S = 1.0  # between frames that are predicted one by one
EVERY_S = 0.2  # between frames whose features are averaged: five a second
MOST_FRAMES = 256  # of a track that are held for a prediction of the whole clip
_MOST_WINDOWS = 1000  # that one frame may be part of
_ROUNDING_S = 1e-6  # 3 x 0.1 s is a little more than 0.3 s to a computer


@dataclass(frozen=True)
class VideoOptions:
    """How a video is predicted.

    Parameters
    ----------
    per : `window`: a row for each track and window; `frame`: for each face of a frame; `clip`: one row
    window_s, step_s : seconds > 0; windows begin every `step_s`, which is at most `window_s`
    every_s : >= 0, seconds between frames that are read; 0 takes every frame; None: see `interval`

    Raises
    ------
    ConfigError
        If one of them is impossible, or they do not fit each other.
    """

    per: Per = WINDOW
    window_s: float = 2.0
    step_s: float = 1.0
    every_s: float | None = None

    def __post_init__(self) -> None:
        if self.per not in get_args(Per):
            raise ConfigError(f"per: expected one of {', '.join(get_args(Per))}, found {self.per!r}")
        if self.every_s is not None and not 0 <= self.every_s < math.inf:
            raise ConfigError(f"every: expected seconds between frames, 0 or more, found {self.every_s}")
        for name, value in (("window", self.window_s), ("step", self.step_s)):
            if not 0 < value < math.inf:
                raise ConfigError(f"{name}: expected seconds, more than 0, found {value}")
        if self.per == WINDOW:
            self._require_fitting()

    def _require_fitting(self) -> None:
        if self.step_s > self.window_s:
            raise ConfigError(
                f"step: expected at most the window, {self.window_s} s, found {self.step_s} s: what is between two "
                "windows would have no row. Choose a shorter step, or longer windows"
            )
        if self.window_s / self.step_s > _MOST_WINDOWS:
            raise ConfigError(
                f"step: expected at least 1 / {_MOST_WINDOWS} of the window, found {self.step_s} s beside windows of "
                f"{self.window_s} s. Choose a longer step"
            )
        if self.every_s is not None and self.every_s > self.window_s:
            raise ConfigError(
                f"every: expected at most the window, {self.window_s} s, found {self.every_s} s: some windows would "
                "have no frame. Choose a shorter interval, or longer windows"
            )

    def interval(self, length_s: float, clip_frames: int | None) -> float:
        """Seconds between the frames that are read: `every_s`, else what the predictions need.

        One by one a frame each second, else five a second: more where a window would have fewer frames than the head
        reads, or a clip fewer than 16.

        Parameters
        ----------
        length_s : of the video; 0 if it is not known
        clip_frames : frames that the head reads of a clip; None of a head of images
        """
        if self.every_s is not None:
            return self.every_s
        if self.per == FRAME:
            return EVERY_FRAME_S
        if self.per == WINDOW:
            return min(EVERY_S, self.window_s / clip_frames) if clip_frames else EVERY_S
        return min(EVERY_S, length_s / (clip_frames or CLIP_FRAMES)) if length_s else EVERY_S


DEFAULT_OPTIONS = VideoOptions()


@dataclass(frozen=True)
class TrackFrame:
    """A face of a track in a frame.

    Parameters
    ----------
    frame, seconds : number and time of the frame, from 0
    box, score : of the detector; pixels, and [0, 1]
    features : what the head reads: name -> an array without a first axis
    """

    frame: int
    seconds: float
    box: Box
    score: float
    features: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """A track in a part of a video.

    Parameters
    ----------
    track : its number
    start_s, end_s : the part, seconds
    frames : its faces, one or more, in order of time: all of them, or some of very many, evenly
    n_frames : how many there are
    """

    track: int
    start_s: float
    end_s: float
    frames: tuple[TrackFrame, ...]
    n_frames: int

    @property
    def centre(self) -> TrackFrame:
        """The face that is nearest to the middle of the window."""
        middle = (self.start_s + self.end_s) / 2
        return min(self.frames, key=lambda face: abs(face.seconds - middle))


class FramesOfTracks(Protocol):
    """Collects the faces of tracks until predictions can be made of them."""

    def add(self, seconds: float, faces: Mapping[int, TrackFrame], going_on: Collection[int]) -> Iterator[Window]:
        """The next frame: what is complete before it.

        Parameters
        ----------
        seconds : of the frame
        faces : track -> its face
        going_on : tracks that may have another face
        """

    def finish(self, last_s: float, end_s: float) -> Iterator[Window]:
        """The rest of a video whose last frame begins at `last_s` and ends at `end_s`."""


def frames_of_tracks(options: VideoOptions) -> FramesOfTracks:
    """As `options.per` has it: windows or the whole clip."""
    return WholeClip() if options.per == CLIP else Windows(options.window_s, options.step_s)


class Windows:
    """Windows [k * step, k * step + window), k = 0, 1, ... of a video: all but the last lie in it completely.

    Holds the frames of one window.
    """

    def __init__(self, window_s: float, step_s: float) -> None:
        self.window_s, self.step_s = window_s, step_s
        self.k = 0
        self.faces: dict[int, deque[TrackFrame]] = {}

    def add(self, seconds: float, faces: Mapping[int, TrackFrame], going_on: Collection[int]) -> Iterator[Window]:
        while seconds >= self._until:
            if not self.faces:
                # None of these windows has a face, however many they are.
                self.k = max(self.k + 1, math.floor((seconds - self.window_s) / self.step_s) + 1)
                continue
            yield from self._windows(self._start + self.window_s)
            self._next()
        for track, face in faces.items():
            self.faces.setdefault(track, deque()).append(face)

    def finish(self, last_s: float, end_s: float) -> Iterator[Window]:
        while self.faces and (self.k == 0 or self._until - self.step_s <= last_s):
            yield from self._windows(min(self._start + self.window_s, end_s))
            self._next()

    @property
    def _start(self) -> float:
        return self.k * self.step_s

    @property
    def _until(self) -> float:
        return self._start + self.window_s - _ROUNDING_S

    def _windows(self, end_s: float) -> Iterator[Window]:
        for track, faces in sorted(self.faces.items()):
            if inside := tuple(face for face in faces if face.seconds < self._until):
                yield Window(track, self._start, end_s, inside, len(inside))

    def _next(self) -> None:
        self.k += 1
        for track, faces in list(self.faces.items()):
            while faces and faces[0].seconds < self._start - _ROUNDING_S:
                faces.popleft()
            if not faces:
                del self.faces[track]


@dataclass
class _WholeTrack:
    """A track: at most `MOST_FRAMES` of its faces, evenly, and the sum of the areas of all."""

    start_s: float
    end_s: float = 0.0
    size: float = 0.0
    n_faces: int = 0
    each: int = 1
    faces: list[TrackFrame] = field(default_factory=list)

    def add(self, face: TrackFrame) -> None:
        if self.n_faces % self.each == 0:
            self.faces.append(face)
            if len(self.faces) > MOST_FRAMES:
                self.faces, self.each = self.faces[::2], 2 * self.each
        self.n_faces += 1
        self.end_s = face.seconds
        self.size += face.box[2] * face.box[3]


class WholeClip:
    """The main track of a video: that of the largest sum of areas, so of a face that is large or is shown for long.

    Holds the tracks that go on, and the largest of the others.
    """

    def __init__(self) -> None:
        self.tracks: dict[int, _WholeTrack] = {}

    def add(self, seconds: float, faces: Mapping[int, TrackFrame], going_on: Collection[int]) -> Iterator[Window]:
        for number, face in faces.items():
            self.tracks.setdefault(number, _WholeTrack(seconds)).add(face)
        for number in self.tracks.keys() - set(going_on) - {self._main()}:
            del self.tracks[number]
        return iter(())

    def finish(self, last_s: float, end_s: float) -> Iterator[Window]:
        if self.tracks:
            number = self._main()
            track = self.tracks[number]
            yield Window(number, track.start_s, track.end_s, tuple(track.faces), track.n_faces)

    def _main(self) -> int:
        return max(self.tracks, key=lambda number: (self.tracks[number].size, -number), default=-1)
