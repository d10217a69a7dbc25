"""Pictures in, expressions out: threads look for faces while the encoder names those that were found before."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ConfigError, InputError, MismatchError
from pipeline.extraction.ahead import each_ahead, one_ahead
from pipeline.faces import Alignment, load_detector
from pipeline.identity import differences_text
from pipeline.predict.inputs import EVERY_S, check_interval, find_inputs, stills_of
from pipeline.predict.looking import Looker, Seen
from pipeline.predict.naming import Namer
from pipeline.predict.prediction import FACE, NO_FACE, UNREADABLE, Prediction
from pipeline.predict.stills import Still, still_of_array, still_of_picture
from pipeline.progress import OnProgress, silent
from pipeline.saved import DEFAULT_HEAD, SavedHead, read_saved

__all__ = ["DEFAULT_HEAD", "Named", "Predictor"]

Given: TypeAlias = str | Path | Image.Image | npt.NDArray[np.uint8] | npt.NDArray[np.floating[Any]]

COLOURS = ("rgb", "bgr")  # orders of an array's channels

# What waits at most for faces to fill a batch: pictures, and pixels of them at three bytes each.
_MOST_WAITING, _MOST_PIXELS = 256, 48_000_000
_MOST_THREADS = 8  # each holds a picture


@dataclass(frozen=True)
class Named:
    """A picture, and what is said of it: a prediction for each face, largest first, or a single one without a face."""

    predictions: tuple[Prediction, ...]
    picture: Image.Image | None = None


class Predictor:
    """Finds faces in pictures and names their expressions.

    What is predicted for a face does not depend on what else is in its batch, but for rounding.

    Parameters
    ----------
    run : folder of a trained run, or of an exported head; by default the head that fer-stage carries
    encoder : the head's encoder as it is written on this machine; by default as it was where the head was trained
    device : auto (CUDA when there is one, else cpu), cpu, cuda or cuda:N
    batch_size : faces that the encoder gets at once
    turns : whether to look for faces in the other quarter turns of a picture that has none upright
    on_progress : called while weights of an encoder are downloaded

    Raises
    ------
    InputError, MismatchError
        If there is no head, or it is damaged.
    ConfigError, EncoderError, MismatchError
        If its encoder cannot be loaded, or the one that is named is another one.
    """

    def __init__(
        self,
        run: Path | str | None = None,
        *,
        encoder: str | None = None,
        device: str = "auto",
        batch_size: int = 32,
        turns: bool = True,
        on_progress: OnProgress = silent,
    ) -> None:
        saved = read_saved(DEFAULT_HEAD if run is None else Path(run))
        self._namer = Namer.of(saved, encoder or "", device, on_progress)
        self._alignment = _alignment(saved)
        self._detector = load_detector(turn=turns)
        self._batch_size = batch_size
        self.note = _note(saved)

    @property
    def classes(self) -> tuple[str, ...]:
        """The expressions that it tells apart, in the order of the probabilities."""
        return self._namer.classes

    def predict(
        self, images: Given | Iterable[Given], *, every_s: float = EVERY_S, colour: str = "rgb"
    ) -> list[Prediction]:
        """The expressions of all faces, in the order of the pictures; of one picture the largest face first.

        A picture without a face has one prediction that says so, as has one that cannot be read.

        Parameters
        ----------
        images : paths of pictures, videos and folders, patterns of paths, PIL images, or arrays of shape (H, W, 3) or
            (H, W), uint8 from 0 to 255 or floats from 0 to 1; or one of these
        every_s : >= 0, seconds between frames of a video; 0 takes every frame
        colour : order of the channels of arrays: `rgb`, or `bgr` for those of OpenCV's `imread` and `VideoCapture`,
            which an array does not state, as files and PIL images do

        Raises
        ------
        ConfigError
            If `colour` is neither, or `every_s` is no number of seconds, 0 or more.
        InputError
            If nothing is found at a path, something is no picture, or an array has another dtype, shape or range.
        """
        return list(self.predict_iter(images, every_s=every_s, colour=colour))

    def predict_iter(
        self, images: Given | Iterable[Given], *, every_s: float = EVERY_S, colour: str = "rgb"
    ) -> Iterator[Prediction]:
        """As `predict`, one by one: memory does not grow with their number."""
        check_interval(every_s)
        if colour not in COLOURS:
            raise ConfigError(f"colour: expected one of {', '.join(COLOURS)}, the order of channels, found {colour!r}")
        return self._predict_iter(images, every_s, colour)

    def _predict_iter(self, images: Given | Iterable[Given], every_s: float, colour: str) -> Iterator[Prediction]:
        with closing(self.look(_stills(images, every_s, colour))) as named:
            for one in named:
                yield from one.predictions

    def look(self, stills: Iterable[Still], *, keep: bool = False) -> Generator[Named, None, None]:
        """The predictions picture by picture, in order.

        Parameters
        ----------
        stills : taken one by one, in another thread
        keep : whether to give the picture itself too
        """
        looker, stop = Looker(self._detector, self._alignment, self._namer.sizes, keep), Event()
        with (
            closing(_looked(stills, looker, stop)) as seen,
            closing(_batches(seen, self._batch_size)) as batches,
            closing(one_ahead(batches, stop.set)) as ready,
        ):
            for batch in ready:
                yield from self._named(batch)

    def _named(self, batch: Sequence[Seen]) -> Iterator[Named]:
        probabilities = self._probabilities(batch)
        start = 0
        for seen in batch:
            stop = start + len(seen.faces)
            yield Named(self._predictions(seen, probabilities[start:stop]), seen.picture)
            start = stop

    def _probabilities(self, batch: Sequence[Seen]) -> npt.NDArray[np.float64]:
        """Of all faces of a batch of pictures: float64 (N, C), in parts of equal size."""
        found = [seen for seen in batch if seen.faces]
        squares = {size: np.concatenate([seen.squares[size] for seen in found]) for size in self._namer.sizes if found}
        n = sum(len(seen.faces) for seen in found)
        rows = np.array_split(np.arange(n), -(-n // self._batch_size)) if n else []
        parts = [self._namer({size: values[part] for size, values in squares.items()}) for part in rows]
        return np.concatenate([np.empty((0, len(self.classes))), *parts])

    def _predictions(self, seen: Seen, probabilities: npt.NDArray[np.float64]) -> tuple[Prediction, ...]:
        where: dict[str, Any] = {"image": seen.image, "frame": seen.frame, "seconds": seen.seconds}
        if not seen.faces:
            return (Prediction(**where, status=UNREADABLE if seen.reason else NO_FACE, reason=seen.reason),)
        return tuple(
            Prediction(
                **where,
                status=FACE,
                box=face.box,
                score=face.score,
                expression=self.classes[int(of_face.argmax())],
                probabilities=dict(zip(self.classes, of_face.tolist(), strict=True)),
            )
            for face, of_face in zip(seen.faces, probabilities, strict=True)
        )


def _alignment(saved: SavedHead) -> Alignment:
    """How faces are aligned for a head; without a record of it, as the recipe does by default."""
    try:
        return Alignment() if saved.alignment is None else Alignment.from_json(saved.alignment)
    except MismatchError as error:
        raise MismatchError(f"{saved.record_path}: head.encoder.preprocess.alignment: {error}") from error


def _note(saved: SavedHead) -> str:
    """What must be said of every prediction."""
    notes = [saved.note]
    if saved.alignment is None:
        notes.append("the head was trained on pictures as they are, not on aligned faces: expect less of it here")
    elif other := differences_text(saved.alignment.get("detector", {}), load_detector().identity):
        notes.append(f"the faces that the head was trained on were found by another detector ({other})")
    return "; ".join(filter(None, notes))


def _stills(images: Given | Iterable[Given], every_s: float, colour: str) -> Iterator[Still]:
    single = isinstance(images, str | Path | Image.Image) or (isinstance(images, np.ndarray) and images.ndim < 4)
    given: Iterable[Any] = [images] if single else images  # type: ignore[assignment]  # as `single` has it
    for i, image in enumerate(given):
        if isinstance(image, str | Path):
            yield from stills_of(find_inputs([image]).paths, every_s)
        elif isinstance(image, Image.Image):
            yield still_of_picture(image, f"#{i}")
        elif isinstance(image, np.ndarray):
            yield still_of_array(image, f"#{i}", colour)
        else:
            raise InputError(f"picture #{i}: expected a path, a PIL image or an array, found {type(image).__name__}")


def _looked(stills: Iterable[Still], looker: Callable[[Still], Seen], stop: Event) -> Generator[Seen, None, None]:
    """What is seen in each still, in order, until `stop` is set; some are looked at in advance."""
    n_threads = min(os.cpu_count() or 1, _MOST_THREADS)
    wanted = takewhile(lambda _: not stop.is_set(), stills)
    return each_ahead(looker, wanted, n_threads, n_threads)


def _batches(seen: Iterable[Seen], batch_size: int) -> Generator[list[Seen], None, None]:
    """Pictures until they have `batch_size` faces, or until more would fill the memory."""
    batch: list[Seen] = []
    n_faces = n_pixels = 0
    for one in seen:
        batch.append(one)
        n_faces, n_pixels = n_faces + len(one.faces), n_pixels + one.n_pixels
        if n_faces >= batch_size or n_pixels >= _MOST_PIXELS or len(batch) >= _MOST_WAITING:
            yield batch
            batch, n_faces, n_pixels = [], 0, 0
    if batch:
        yield batch
