"""From faces to predictions: of the faces of a batch of images, and of what their batch completes of videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.features import Clips
from pipeline.predict.lazy_images import VideoFile
from pipeline.predict.prediction import FACE, NO_FACE, UNREADABLE, Prediction
from pipeline.predict.recognition import DetectedFaces, ExpressionClassifier
from pipeline.predict.tracked_video import TrackedVideo, VideoTrace
from pipeline.predict.windows import FRAME, VideoOptions, Window

__all__ = ["BatchClassifier", "EndedVideo", "ImagePredictions"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class EndedVideo:
    """A video that was read to its end.

    Parameters
    ----------
    video : which
    n_frames, n_tracks : how many frames of it were searched for faces, and how many people were found
    trace : where they were; None unless `keep_traces`
    """

    video: VideoFile
    n_frames: int
    n_tracks: int
    trace: VideoTrace | None


@dataclass(frozen=True)
class ImagePredictions:
    """The predictions of one image: one for each face, largest first, or a single one without a face.

    Of a frame of a video they are those of the windows that ended before it; there may be none. After the last frame
    there is one more with the rest of the video.

    Parameters
    ----------
    image, reason : its name, and why it cannot be read, else empty
    picture : None unless `keep_pictures`, and for videos
    video, seconds : the video of a frame, and its time in it; None for images
    ended : the video whose end this is; None for images and frames
    """

    predictions: tuple[Prediction, ...]
    image: str
    reason: str = ""
    picture: Image.Image | None = None
    video: VideoFile | None = None
    seconds: float | None = None
    ended: EndedVideo | None = None


class BatchClassifier:
    """Predictions of images, batch by batch; those of a video may need the frames of several batches.

    Parameters
    ----------
    classifier : a head and its encoder, which is run once on each face
    options : what predictions of videos are of
    batch_size : faces per call of the encoder
    keep_traces : whether `ended` videos have a trace
    """

    def __init__(
        self, classifier: ExpressionClassifier, options: VideoOptions, batch_size: int, *, keep_traces: bool
    ) -> None:
        self.classifier, self.options, self.batch_size = classifier, options, batch_size
        self.keep_traces = keep_traces
        self._current: TrackedVideo | None = None

    def add(self, batch: Sequence[DetectedFaces]) -> Iterator[ImagePredictions]:
        """The results of the images of a batch, and of the videos that end before or between them."""
        inputs, probabilities = self._of_faces(batch)
        start = 0
        for detected in batch:
            if self._current and detected.video is not self._current.video:
                yield self._end()
            rows = slice(start, start + len(detected.faces))
            features = {name: values[rows] for name, values in inputs.items()}
            yield self._result(detected, features, probabilities[rows])
            start = rows.stop

    def finish(self) -> Iterator[ImagePredictions]:
        """The result of the last video, if there is one."""
        if self._current:
            yield self._end()

    def _of_faces(self, batch: Sequence[DetectedFaces]) -> tuple[dict[str, Array], Array]:
        """Of all N faces of a batch, in parts of equal size: what the head reads of them, and their probabilities.

        Each is empty where the batch has no use for it.
        """
        with_faces = [detected for detected in batch if detected.faces]
        sizes = self.classifier.sizes if with_faces else ()
        crops = {size: np.concatenate([detected.crops[size] for detected in with_faces]) for size in sizes}
        n = sum(len(detected.faces) for detected in with_faces)
        parts = np.array_split(np.arange(n), -(-n // self.batch_size)) if n else []
        inputs = [self.classifier.inputs({size: values[part] for size, values in crops.items()}) for part in parts]
        single = any(self._is_single(detected) for detected in with_faces)
        probabilities = [self.classifier(one) for one in inputs] if single else []
        later = inputs if any(detected.video for detected in with_faces) else []
        names = later[0] if later else ()
        return (
            {name: np.concatenate([one[name] for one in later]) for name in names},
            np.concatenate([np.empty((0, len(self.classifier.classes))), *probabilities]),
        )

    def _is_single(self, detected: DetectedFaces) -> bool:
        """Whether each of its faces is predicted for itself."""
        return detected.video is None or self.options.per == FRAME

    def _result(self, detected: DetectedFaces, features: Mapping[str, Array], probabilities: Array) -> ImagePredictions:
        if detected.video is None:
            rows = self._predictions(detected, probabilities)
            return ImagePredictions(rows, detected.image, detected.reason, detected.picture)
        if self._current is None:
            self._current = TrackedVideo(detected.video, self.options, keep_trace=self.keep_traces)
        rows = self._of_frame(self._current, detected, features, probabilities)
        return ImagePredictions(rows, detected.image, detected.reason, None, detected.video, detected.seconds)

    def _of_frame(
        self, video: TrackedVideo, detected: DetectedFaces, features: Mapping[str, Array], probabilities: Array
    ) -> tuple[Prediction, ...]:
        if detected.reason:
            return self._predictions(detected, probabilities) if self.options.per == FRAME else ()
        tracks, windows = video.add(detected, features)
        if self.options.per != FRAME:
            return self._of_windows(video, windows)
        rows = self._predictions(detected, probabilities)
        video.show(zip(tracks, rows, strict=False))  # a frame without a face has a row, too
        return rows

    def _end(self) -> ImagePredictions:
        """The rest of the current video."""
        assert self._current is not None
        tracked, self._current = self._current, None
        rows = self._of_windows(tracked, list(tracked.finish()))
        if self.options.per != FRAME:
            rows += self._without_face(tracked)
        ended = EndedVideo(tracked.video, tracked.n_frames, tracked.n_tracks, tracked.trace)
        return ImagePredictions(rows, str(tracked.video.path), video=tracked.video, ended=ended)

    def _without_face(self, tracked: TrackedVideo) -> tuple[Prediction, ...]:
        """That there is no face at all, and that the video is not whole."""
        video = tracked.video
        rows: list[Prediction] = []
        if tracked.n_frames and not tracked.n_tracks:
            image, n_frames = str(video.path), tracked.n_frames
            rows.append(Prediction(image, NO_FACE, start_s=0.0, end_s=video.end_s, n_frames=n_frames))
        if video.fault:
            frame, seconds = (video.n_frames, video.at_s) if video.n_frames else (None, None)
            n_frames = tracked.n_frames
            rows.append(Prediction(str(video.path), UNREADABLE, frame, seconds, video.fault, n_frames=n_frames))
        return tuple(rows)

    def _of_windows(self, tracked: TrackedVideo, windows: Sequence[Window]) -> tuple[Prediction, ...]:
        """A prediction for each window: those of a frame are classified together."""
        if not windows:
            return ()
        faces = [face for window in windows for face in window.frames]
        inputs = {name: np.stack([face.features[name] for face in faces]) for name in faces[0].features}
        starts = np.cumsum([0, *(len(window.frames) for window in windows)])
        probabilities = self.classifier.of_clips(inputs, Clips(np.arange(len(faces)), starts))
        rows = tuple(
            self._of_window(tracked, window, of_window)
            for window, of_window in zip(windows, probabilities, strict=True)
        )
        tracked.show(zip((window.track for window in windows), rows, strict=True))
        return rows

    def _of_window(self, tracked: TrackedVideo, window: Window, probabilities: Array) -> Prediction:
        face = window.centre
        return Prediction(
            str(tracked.video.path),
            FACE,
            face.frame,
            face.seconds,
            box=face.box,
            score=face.score,
            **self._expression(probabilities),
            track=window.track,
            start_s=window.start_s,
            end_s=window.end_s,
            n_frames=window.n_frames,
        )

    def _predictions(self, detected: DetectedFaces, probabilities: Array) -> tuple[Prediction, ...]:
        """A prediction for each face."""
        where: dict[str, Any] = {"image": detected.image, "frame": detected.frame, "seconds": detected.seconds}
        if not detected.faces:
            return (Prediction(**where, status=UNREADABLE if detected.reason else NO_FACE, reason=detected.reason),)
        return tuple(
            Prediction(**where, status=FACE, box=face.box, score=face.score, **self._expression(of_face))
            for face, of_face in zip(detected.faces, probabilities, strict=True)
        )

    def _expression(self, probabilities: Array) -> dict[str, Any]:
        classes = self.classifier.classes
        return {
            "expression": classes[int(probabilities.argmax())],
            "probabilities": dict(zip(classes, probabilities.tolist(), strict=True)),
        }
