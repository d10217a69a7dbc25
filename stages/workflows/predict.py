"""What `predict` does: names of files -> rows, and pictures with labels."""

from __future__ import annotations

import io
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import click
from PIL import Image

from cache.atomic import write_new
from cache.links import require_inside
from pipeline.errors import DatasetError
from pipeline.images.rejects import AlikeRejects
from pipeline.predict import Prediction, Predictor
from pipeline.predict.annotate import annotated
from pipeline.predict.inputs import Inputs, find_inputs, stills_of
from pipeline.predict.prediction import FACE, NO_FACE, UNREADABLE
from pipeline.predict.video import is_video
from pipeline.progress import OnProgress, Progress
from stages.params import load_params

__all__ = ["Predicting", "Row"]

_JPEG_QUALITY = 92
_LONGEST_STEM = 200  # bytes: file systems take names of 255, and a frame, a number and a suffix are added


@dataclass(frozen=True)
class Row:
    """One prediction, and the file that shows it; None if there is none."""

    prediction: Prediction
    shown: Path | None


@dataclass
class Predicting:
    """Everything is found and checked before a picture is opened; counts grow while `rows` are taken.

    Parameters
    ----------
    predictor, inputs : what looks, and at what
    every_s : seconds between frames of a video
    folder : of annotated pictures, or None
    alike : ends the rows if the first pictures are all unreadable for one reason; None tries all
    stopped : why the rows ended before the last picture
    """

    predictor: Predictor
    inputs: Inputs
    every_s: float
    folder: Path | None
    alike: AlikeRejects | None = None
    stopped: DatasetError | None = None
    n_pictures: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, given: Mapping[str, Any], on_progress: OnProgress) -> Self:
        """From the options of the command."""
        inputs = find_inputs(given["inputs"])
        if folder := given["annotate"]:
            require_inside(folder / "picture.jpg", folder)
            _require_apart(folder, given["inputs"])
        predictor = Predictor(
            given["run"],
            encoder=str(load_params(given["params_path"]).encoder(given["encoder"])[1]) if given["encoder"] else None,
            device=given["device"],
            batch_size=given["batch_size"],
            turns=not given["no_turn"],
            on_progress=on_progress,
        )
        alike = AlikeRejects() if given["max_rejected"] < 1 else None
        return cls(predictor, inputs, given["every"], folder, alike)

    @property
    def notes(self) -> Iterator[str]:
        """What must be said beforehand."""
        if self.predictor.note:
            yield self.predictor.note
        if left_out := self.inputs.left_out:
            kinds = ", ".join(f"{n} {suffix}" for suffix, n in sorted(left_out.items()))
            yield f"files of folders that are neither picture nor video by their suffix are left out: {kinds}"

    @property
    def n_read(self) -> int:
        """Pictures that could be read."""
        return self.n_pictures - self.counts[UNREADABLE]

    @property
    def summary(self) -> str:
        """How it went, for people."""
        rate = f", {self.n_pictures / self.seconds:.1f} pictures/s" if self.seconds else ""
        return (
            f"pictures {self.n_pictures:,}, faces {self.counts[FACE]:,}, without a face {self.counts[NO_FACE]:,}, "
            f"unreadable {self.counts[UNREADABLE]:,}{rate}"
        )

    def rows(self, on_progress: OnProgress) -> Iterator[Row]:
        """Predict, write annotated pictures, and give the rows picture by picture."""
        start = time.perf_counter()
        stills = stills_of(self.inputs.paths, self.every_s)
        total = 0 if any(is_video(path) for path in self.inputs.paths) else len(self.inputs.paths)
        for named in self.predictor.look(stills, keep=self.folder is not None):
            shown = self._annotate(named.picture, named.predictions) if named.picture else None
            self.n_pictures += 1
            self.counts.update(prediction.status for prediction in named.predictions)
            self.seconds = time.perf_counter() - start
            on_progress(Progress("pictures", self.n_pictures, total))
            yield from (Row(prediction, shown) for prediction in named.predictions)
            if self._is_hopeless(named.predictions[0]):
                return

    def _is_hopeless(self, first: Prediction) -> bool:
        """Whether the rows end here, JSON and CSV whole: the reason is in `stopped`."""
        try:
            if self.alike:
                self.alike.add(first.image, first.reason if first.status == UNREADABLE else "")
        except DatasetError as error:
            self.stopped = error
        return self.stopped is not None

    def record(self, row: Row, output_format: str) -> dict[str, Any]:
        """A row as plain data: nested for JSON, a column each for CSV, what fits a screen for tables."""
        one, shown = row.prediction, str(row.shown) if row.shown else None
        if output_format == "json":
            return {**_rounded(one), "annotated": shown}
        if output_format == "csv":
            return {**_flat(one, self.predictor.classes), "annotated": shown}
        return _short(one) | ({"annotated": shown} if self.folder else {})

    def _annotate(self, picture: Image.Image, predictions: Sequence[Prediction]) -> Path | None:
        """Where the picture with its labels was written; pictures without a face are not."""
        if self.folder is None or predictions[0].status != FACE:
            return None
        first = predictions[0]
        frame = "" if first.frame is None else f"-frame-{first.frame:06d}"
        buffer = io.BytesIO()
        annotated(picture, predictions).save(buffer, "JPEG", quality=_JPEG_QUALITY)
        return _written(self.folder, f"{_plain_stem(Path(first.image).stem)}{frame}", buffer.getvalue())


def _require_apart(folder: Path, inputs: Sequence[str]) -> None:
    """Else the next run would look at pictures that this one wrote."""
    for name in inputs:
        if Path(name).is_dir() and folder.absolute().resolve().is_relative_to(Path(name).resolve()):
            raise click.UsageError(
                f"--annotate: expected a folder outside of {name}, which is looked at; found {folder}"
            )


def _plain_stem(stem: str) -> str:
    """The stem of a picture's name, as one that a file with more at its end can have: short, without line ends."""
    plain = "".join(letter if letter.isprintable() else "_" for letter in stem)
    return plain.encode()[:_LONGEST_STEM].decode(errors="ignore")


def _written(folder: Path, stem: str, data: bytes) -> Path:
    """Where the picture was written, under the first free name: nothing is overwritten, whoever else writes there."""
    names = (f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg" for number in itertools.count(1))
    return next(path for name in names if write_new(path := folder / name, data))


def _rounded(one: Prediction) -> dict[str, Any]:
    """As JSON, without digits that mean nothing."""
    plain = one.as_json()
    return plain | {
        "seconds": _round(one.seconds, 3),
        "box": [round(side, 1) for side in one.box] if one.box else None,
        "score": _round(one.score, 4),
        "probability": _round(one.probability, 6),
        "probabilities": {name: round(value, 6) for name, value in one.probabilities.items()},
    }


def _flat(one: Prediction, classes: Sequence[str]) -> dict[str, Any]:
    """A column for each side of the box and each expression."""
    plain = _rounded(one)
    box = dict(zip(("x", "y", "width", "height"), plain.pop("box") or [None] * 4, strict=True))
    probabilities = plain.pop("probabilities")
    return {**plain, **box, **{name: probabilities.get(name) for name in classes}}


def _short(one: Prediction) -> dict[str, Any]:
    box = [round(side) for side in one.box] if one.box else None
    return {
        "image": one.image,
        "seconds": _round(one.seconds, 1),
        "box": box,
        "expression": one.expression,
        "probability": _round(one.probability, 2),
        "said": one.reason or ("" if one.status == FACE else "no face found"),
    }


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
