"""What `predict` does: names of files -> a prediction for each face, and pictures with labels."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache.places.links import require_inside
from pipeline.errors import DatasetError
from pipeline.images.rejects import AlikeRejects
from pipeline.methods.own import plain_name
from pipeline.predict import Prediction, Predictor
from pipeline.predict.classification import ImagePredictions
from pipeline.predict.inputs import InputFiles, find_inputs
from pipeline.predict.prediction import FACE, NO_FACE, UNREADABLE
from pipeline.predict.windows import FRAME, VideoOptions
from pipeline.progress import OnProgress, Progress
from pipeline.video.formats import is_video
from stages.errors import CheckFailedError, ParamsError, check_rejected
from stages.params import load_params
from stages.requests import PredictRequest
from stages.results import PredictResult
from stages.workflows.prediction_files import PredictionFiles

__all__ = ["PredictSession", "PredictedRow", "folder_problem", "open_session", "predict"]

_VIDEOS, _TRACKS = "videos", "tracks"


def predict(request: PredictRequest, on_progress: OnProgress) -> PredictResult:
    """All predictions at once; `open_session` gives them one by one, for any number of images."""
    session = open_session(request, on_progress)
    rows = list(session.rows(on_progress))
    session.check()
    return PredictResult(
        tuple(row.prediction for row in rows),
        tuple(row.annotated for row in rows),
        session.classes,
        tuple(session.notes),
        session.summary(),
        tuple(session.written.plots),
    )


def open_session(request: PredictRequest, on_progress: OnProgress) -> PredictSession:
    """Find all files and load the models; no image is read yet.

    Raises
    ------
    InputError
        If there is nothing at a name, or no head.
    ParamsError
        If annotated pictures would lie among the inputs.
    EncoderError, MismatchError
        If the head's encoder cannot be loaded, or is another one than it was trained with.
    """
    files = find_inputs(request.inputs)
    VideoOptions(request.per, request.window, request.step, request.every)  # raises before a model is loaded
    for folder in filter(None, (request.annotate, request.plot)):
        require_inside(folder / "picture.jpg", folder)
    if problem := folder_problem(request):
        raise ParamsError(problem)
    params = load_params(request.params)
    plain_name(request.method or "")
    encoder = str(params.encoder(request.encoder)[1]) if request.encoder else None
    predictor = Predictor(
        request.run,
        encoder=encoder,
        device=request.device,
        batch_size=request.batch_size,
        rotate=request.rotate,
        on_progress=on_progress,
    )
    return PredictSession(request, predictor, files)


def folder_problem(request: PredictRequest) -> str:
    """Why nothing may be written to the folder of `annotate` or `plot`; empty if it may.

    Inside a folder of the inputs, pictures and videos would be inputs of the next call.
    """
    for option, folder in (("--annotate", request.annotate), ("--plot", request.plot)):
        for name in request.inputs if folder else ():
            if folder and Path(name).is_dir() and folder.absolute().resolve().is_relative_to(Path(name).resolve()):
                return f"{option}: expected a folder outside of {name}, which is read; found {folder}"
    return ""


@dataclass(frozen=True)
class PredictedRow:
    """One prediction, and the picture with labels that shows it; None if there is none."""

    prediction: Prediction
    annotated: Path | None


@dataclass
class PredictSession:
    """Predictions in progress: the counts grow while `rows` are taken.

    Parameters
    ----------
    request, predictor, files : what is done, by what models, to which files
    stopped : why the rows ended before the last image
    n_images, seconds, counts : so far; `counts` of rows by status, of videos, and of people in them
    example : the first image that could not be read, and why
    n_files : files that are finished, if there are videos among them
    written : pictures and videos with labels, and plots
    """

    request: PredictRequest
    predictor: Predictor
    files: InputFiles
    stopped: DatasetError | None = None
    n_images: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    example: str = ""
    n_files: int = 0
    written: PredictionFiles = field(init=False)

    def __post_init__(self) -> None:
        self.written = PredictionFiles(self.request.annotate, self.request.plot)

    @property
    def video_options(self) -> VideoOptions:
        """How videos are predicted."""
        request = self.request
        return VideoOptions(request.per, request.window, request.step, request.every)

    @property
    def classes(self) -> tuple[str, ...]:
        """Expressions, in the order of the probabilities."""
        return self.predictor.classes

    @property
    def notes(self) -> Iterator[str]:
        """What whoever reads the rows must know."""
        if self.predictor.note:
            yield self.predictor.note
        if ignored := self.files.ignored:
            kinds = ", ".join(f"{n} {suffix}" for suffix, n in sorted(ignored.items()))
            yield f"files of folders that are neither picture nor video by their suffix are left out: {kinds}"

    @property
    def has_windows(self) -> bool:
        """Whether rows have a track and a window: a video is among the files, and its frames are not rows."""
        return self.request.per != FRAME and any(is_video(path) for path in self.files.paths)

    def summary(self) -> Mapping[str, Any]:
        """Counts of pictures and faces so far, and pictures per second; of videos, frames are pictures."""
        videos = {"videos": self.counts[_VIDEOS], "tracks": self.counts[_TRACKS]} if self.counts[_VIDEOS] else {}
        return {
            "pictures": self.n_images,
            "faces": self.counts[FACE],
            "without_face": self.counts[NO_FACE],
            "unreadable": self.counts[UNREADABLE],
            **videos,
            "pictures_per_s": self.n_images / self.seconds if self.seconds else None,
        }

    def rows(self, on_progress: OnProgress) -> Iterator[PredictedRow]:
        """Predict, write annotated pictures, and give the rows image by image.

        They end early, with the reason in `stopped`, where the first images are all unreadable for one reason.
        """
        start = time.perf_counter()
        alike = AlikeRejects() if self.request.max_rejected < 1 else None
        images = self.predictor.files(self.files.paths, self.video_options)
        results = self.predictor.predict_lazy(
            images,
            self.video_options,
            keep_pictures=self.request.annotate is not None,
            keep_traces=self.written.needs_traces,
        )
        with closing(results):
            for result in results:
                path = self.written.shown_in(result)
                self._count(result, time.perf_counter() - start)
                on_progress(self._progress(result))
                yield from (PredictedRow(one, path if one.status == FACE else None) for one in result.predictions)
                if result.ended:
                    self.written.finish(result.ended, on_progress)
                if alike and self._should_stop(alike, result):
                    return

    def check(self) -> None:
        """Raise if the rows ended early, or too many images could not be read.

        Raises
        ------
        DatasetError, CheckFailedError
            See above.
        """
        if self.stopped:
            raise self.stopped
        n_unreadable = self.counts[UNREADABLE]
        if n_unreadable == self.n_images:
            raise CheckFailedError(f"nothing could be read ({self.example}): each row has its reason")
        reasons = f" ({self.example}): each row has its reason"
        check_rejected(n_unreadable, self.n_images, self.request.max_rejected, "pictures are unreadable", reasons)

    def _count(self, result: ImagePredictions, seconds: float) -> None:
        unreadable = next((one for one in result.predictions if one.status == UNREADABLE), None)
        if unreadable and not self.example:
            self.example = f"{unreadable.image}: {unreadable.reason}"
        if result.ended:
            self.counts.update({_VIDEOS: 1, _TRACKS: result.ended.n_tracks})
        else:
            self.n_images += 1
        self.counts.update(one.status for one in result.predictions)
        self.seconds = seconds

    def _progress(self, result: ImagePredictions) -> Progress:
        """Of one video by its time; of several files by their number, if there are videos among them."""
        files, video = self.files.paths, result.video
        if not any(map(is_video, files)):
            return Progress("pictures", self.n_images, len(files))
        at_s, length_s = (result.seconds or 0.0, video.length_s) if video else (0.0, 0.0)
        if len(files) == 1:
            return Progress("seconds of video", int(at_s), int(length_s))
        self.n_files += video is None or result.ended is not None
        note = (
            f"{video.path.name}: {at_s:.0f} of {length_s:.0f} s" if video and self.n_files and not result.ended else ""
        )
        return Progress("files", self.n_files, len(files), note)

    def _should_stop(self, alike: AlikeRejects, result: ImagePredictions) -> bool:
        """Whether the rows end here; an error would leave JSON on stdout without its end."""
        try:
            alike.add(result.image, result.reason)
        except DatasetError as error:
            self.stopped = error
        return self.stopped is not None
