"""The files that `predict` writes: pictures and videos with boxes and labels, and plots of videos."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cache.atomic import write_first_free
from pipeline.predict.annotate import annotated
from pipeline.predict.annotated_video import write_annotated
from pipeline.predict.classification import EndedVideo, ImagePredictions
from pipeline.predict.plots import plot
from pipeline.predict.prediction import FACE
from pipeline.progress import OnProgress, Progress

__all__ = ["PredictionFiles"]

_JPEG_QUALITY = 92
_LONGEST_STEM = 200  # bytes: file systems take names of 255, and a number and a suffix are added


@dataclass
class PredictionFiles:
    """Where they are. Each has the first free name: nothing is overwritten, whoever else writes there.

    Parameters
    ----------
    annotate, plot : folders; None writes none
    plots : so far
    """

    annotate: Path | None
    plot: Path | None
    plots: list[Path] = field(default_factory=list)
    _video: Path | None = None

    @property
    def needs_traces(self) -> bool:
        """Whether anything is drawn of videos."""
        return not (self.annotate is None and self.plot is None)

    def shown_in(self, result: ImagePredictions) -> Path | None:
        """The file that shows a result: a picture is written now, a video when it was read to its end.

        None if there is no face.
        """
        if self.annotate is None or not any(one.status == FACE for one in result.predictions):
            return None
        if result.video:
            if self._video is None:
                names = _names(self.annotate, result.image, ".mp4")
                self._video = next(path for path in names if not os.path.lexists(path))
            return self._video
        if result.picture is None:
            return None
        buffer = io.BytesIO()
        annotated(result.picture, result.predictions).save(buffer, "JPEG", quality=_JPEG_QUALITY)
        return write_first_free(_names(self.annotate, result.image, ".jpg"), _writer(buffer.getvalue()))

    def finish(self, ended: EndedVideo, on_progress: OnProgress) -> None:
        """Write what shows a video that was read to its end; nothing if no row is of a face.

        Raises
        ------
        InputError
            If it cannot be read a second time.
        StorageError
            If the disk refuses.
        """
        annotated_video, self._video = self._video, None
        trace, name = ended.trace, str(ended.video.path)
        if trace is None or not trace.rows:
            return
        if self.plot and (path := write_first_free(_names(self.plot, name, ".svg"), _writer(plot(trace).encode()))):
            self.plots.append(path)
        if self.annotate and annotated_video:
            self._write_video(ended, annotated_video, on_progress)

    def _write_video(self, ended: EndedVideo, path: Path, on_progress: OnProgress) -> None:
        trace = ended.trace
        problems: list[str] = []
        assert trace is not None

        def write(partial: Path) -> None:
            length_s = int(ended.video.at_s)
            problems.append(
                write_annotated(
                    trace, partial, lambda at_s: on_progress(Progress("seconds drawn", int(at_s), length_s))
                )
            )

        assert self.annotate is not None
        names = itertools.chain([path], _names(self.annotate, str(ended.video.path), ".mp4"))
        written = write_first_free(names, write)
        if written != path:
            problems.append(f"written to {written}: another program took the name that the rows have")
        for problem in filter(None, problems):
            on_progress(Progress("notes", 0, 0, f"{path}: {problem}"))


def _writer(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _names(folder: Path, image: str, suffix: str) -> Iterator[Path]:
    """NAME.jpg, NAME-2.jpg, ...: short, without line ends."""
    stem = "".join(letter if letter.isprintable() else "_" for letter in Path(image).stem)
    plain = stem.encode()[:_LONGEST_STEM].decode(errors="ignore")
    yield folder / f"{plain}{suffix}"
    yield from (folder / f"{plain}-{number}{suffix}" for number in itertools.count(2))
