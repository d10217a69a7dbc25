"""A video in progress: its faces become tracks, and tracks become what predictions are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from pipeline.faces.tracks import LOST_S, Tracker
from pipeline.predict.lazy_images import VideoFile
from pipeline.predict.prediction import Prediction
from pipeline.predict.recognition import DetectedFaces
from pipeline.predict.windows import FRAME, Box, TrackFrame, VideoOptions, Window, frames_of_tracks

__all__ = ["TrackedVideo", "VideoTrace"]


@dataclass
class VideoTrace:
    """What is shown of a video: where its faces were, and what was predicted.

    Parameters
    ----------
    video : which
    boxes : track -> its faces in order of time: seconds, and box in pixels
    rows : track and prediction, in order of time
    """

    video: VideoFile
    boxes: dict[int, list[tuple[float, Box]]] = field(default_factory=dict)
    rows: list[tuple[int, Prediction]] = field(default_factory=list)


class TrackedVideo:
    """Frames in, windows out. Of whatever length, it holds the faces of one window, or 256 of each track.

    Parameters
    ----------
    video : which
    options : what predictions are of
    keep_trace : whether boxes are kept: some 100 bytes a face
    """

    def __init__(self, video: VideoFile, options: VideoOptions, *, keep_trace: bool = False) -> None:
        self.video, self.options = video, options
        self.trace = VideoTrace(video) if keep_trace else None
        self.n_frames = 0
        self._tracker = Tracker(max(LOST_S, 1.5 * video.interval_s))
        self._frames = frames_of_tracks(options)

    @property
    def n_tracks(self) -> int:
        """So far."""
        return self._tracker.n_tracks

    def add(self, detected: DetectedFaces, features: Mapping[str, npt.NDArray[Any]]) -> tuple[list[int], list[Window]]:
        """The next frame: the track of each of its faces, and the windows that are complete before it.

        Parameters
        ----------
        detected : its N faces
        features : name -> array of shape (N, *row_shape)
        """
        seconds, frame = detected.seconds or 0.0, detected.frame or 0
        self.n_frames += 1
        boxes = [face.box for face in detected.faces]
        tracks = self._tracker.update(seconds, boxes, detected.appearance)
        if self.trace:
            for track, box in zip(tracks, boxes, strict=True):
                self.trace.boxes.setdefault(track, []).append((seconds, box))
        if self.options.per == FRAME:
            return tracks, []
        faces = {
            track: TrackFrame(frame, seconds, face.box, face.score, _of_row(features, i))
            for i, (track, face) in enumerate(zip(tracks, detected.faces, strict=True))
        }
        return tracks, list(self._frames.add(seconds, faces, self._tracker.open))

    def show(self, rows: Iterable[tuple[int, Prediction]]) -> None:
        """Add predictions of tracks to the trace."""
        if self.trace:
            self.trace.rows.extend(rows)

    def finish(self) -> Iterator[Window]:
        """The windows at the end."""
        return self._frames.finish(self.video.at_s, self.video.end_s)


def _of_row(features: Mapping[str, npt.NDArray[Any]], i: int) -> dict[str, npt.NDArray[Any]]:
    """A copy: a view would hold the rows of the whole batch."""
    return {name: rows[i].copy() for name, rows in features.items()}
