"""What `predict` does: names of files -> a prediction for each face, and pictures with labels."""

from __future__ import annotations

import io
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from cache.atomic import write_new
from cache.places.links import require_inside
from pipeline.errors import DatasetError
from pipeline.images.rejects import AlikeRejects
from pipeline.methods.own import plain_name
from pipeline.predict import Prediction, Predictor
from pipeline.predict.annotate import annotated
from pipeline.predict.inputs import InputFiles, find_inputs, input_images
from pipeline.predict.lazy_images import is_video
from pipeline.predict.prediction import FACE, NO_FACE, UNREADABLE
from pipeline.progress import OnProgress, Progress
from stages.errors import CheckFailedError, ParamsError, check_rejected
from stages.params import load_params
from stages.requests import PredictRequest
from stages.results import PredictResult

__all__ = ["PredictSession", "PredictedRow", "annotate_problem", "open_session", "predict"]

_JPEG_QUALITY = 92
_LONGEST_STEM = 200  # bytes: file systems take names of 255, and a frame, a number and a suffix are added


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
    if request.annotate:
        require_inside(request.annotate / "picture.jpg", request.annotate)
        if problem := annotate_problem(request):
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


def annotate_problem(request: PredictRequest) -> str:
    """Why pictures may not be written to the folder of `annotate`; empty if they may.

    Inside a folder of the inputs they would be inputs of the next call.
    """
    folder = request.annotate
    for name in request.inputs:
        if folder and Path(name).is_dir() and folder.absolute().resolve().is_relative_to(Path(name).resolve()):
            return f"--annotate: expected a folder outside of {name}, which is read; found {folder}"
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
    n_images, seconds, counts : so far; `counts` of rows by status
    example : the first image that could not be read, and why
    """

    request: PredictRequest
    predictor: Predictor
    files: InputFiles
    stopped: DatasetError | None = None
    n_images: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    example: str = ""

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

    def summary(self) -> Mapping[str, Any]:
        """Counts of pictures and faces so far, and pictures per second."""
        return {
            "pictures": self.n_images,
            "faces": self.counts[FACE],
            "without_face": self.counts[NO_FACE],
            "unreadable": self.counts[UNREADABLE],
            "pictures_per_s": self.n_images / self.seconds if self.seconds else None,
        }

    def rows(self, on_progress: OnProgress) -> Iterator[PredictedRow]:
        """Predict, write annotated pictures, and give the rows image by image.

        They end early, with the reason in `stopped`, where the first images are all unreadable for one reason.
        """
        start = time.perf_counter()
        n_files = len(self.files.paths)
        total = 0 if any(is_video(path) for path in self.files.paths) else n_files
        alike = AlikeRejects() if self.request.max_rejected < 1 else None
        images = input_images(self.files.paths, self.request.every)
        for result in self.predictor.predict_lazy(images, keep_pictures=self.request.annotate is not None):
            path = self._annotate(result.picture, result.predictions) if result.picture else None
            self._count(result.predictions, time.perf_counter() - start)
            on_progress(Progress("pictures", self.n_images, total))
            yield from (PredictedRow(prediction, path) for prediction in result.predictions)
            if alike and self._should_stop(alike, result.predictions[0]):
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

    def _count(self, predictions: Sequence[Prediction], seconds: float) -> None:
        first = predictions[0]
        if first.status == UNREADABLE and not self.example:
            self.example = f"{first.image}: {first.reason}"
        self.n_images += 1
        self.counts.update(prediction.status for prediction in predictions)
        self.seconds = seconds

    def _should_stop(self, alike: AlikeRejects, first: Prediction) -> bool:
        """Whether the rows end here; an error would leave JSON on stdout without its end."""
        try:
            alike.add(first.image, first.reason if first.status == UNREADABLE else "")
        except DatasetError as error:
            self.stopped = error
        return self.stopped is not None

    def _annotate(self, picture: Image.Image, predictions: Sequence[Prediction]) -> Path | None:
        """Where the picture with its labels was written; pictures without a face are not."""
        folder, first = self.request.annotate, predictions[0]
        if folder is None or first.status != FACE:
            return None
        frame = "" if first.frame is None else f"-frame-{first.frame:06d}"
        buffer = io.BytesIO()
        annotated(picture, predictions).save(buffer, "JPEG", quality=_JPEG_QUALITY)
        return _written(folder, f"{_plain_stem(Path(first.image).stem)}{frame}", buffer.getvalue())


def _plain_stem(stem: str) -> str:
    """The stem of a picture's name, as one that a file with more at its end can have: short, without line ends."""
    plain = "".join(letter if letter.isprintable() else "_" for letter in stem)
    return plain.encode()[:_LONGEST_STEM].decode(errors="ignore")


def _written(folder: Path, stem: str, data: bytes) -> Path:
    """Where the picture was written, under the first free name: nothing is overwritten, whoever else writes there."""
    names = (f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg" for number in itertools.count(1))
    return next(path for name in names if write_new(path := folder / name, data))
