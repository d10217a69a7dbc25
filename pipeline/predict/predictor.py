"""Images in, expressions out: threads detect faces while those of the batch before are classified."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.cores import n_cores
from pipeline.differences import differences_text
from pipeline.errors import ConfigError, InputError, MismatchError
from pipeline.extraction.prefetch import parallel_map, prefetch
from pipeline.faces.detector import load_detector
from pipeline.images.alignment import Alignment
from pipeline.images.transform import ImageTransform
from pipeline.predict.classification import BatchClassifier, ImagePredictions
from pipeline.predict.inputs import find_inputs, input_images
from pipeline.predict.lazy_images import LazyImage, lazy_array, lazy_picture
from pipeline.predict.prediction import Prediction
from pipeline.predict.recognition import DetectedFaces, ExpressionClassifier, FaceCropper
from pipeline.predict.saved import DEFAULT_HEAD, SavedHead, read_saved
from pipeline.predict.windows import DEFAULT_OPTIONS, Per, VideoOptions
from pipeline.progress import OnProgress, silent

__all__ = ["Predictor"]

ImageLike: TypeAlias = str | Path | Image.Image | npt.NDArray[np.uint8] | npt.NDArray[np.floating[Any]]

CHANNEL_ORDERS = ("rgb", "bgr")

# At most so many images wait for a batch to fill, and so many pixels of them at three bytes each.
_MAX_WAITING, _MAX_PIXELS = 256, 48_000_000
_MAX_THREADS = 8  # each holds a picture


class Predictor:
    """Detects faces in images and classifies their expressions.

    The prediction of a face does not depend on what else is in its batch, except for rounding.

    Parameters
    ----------
    run : folder of a trained run, or of an exported head; by default the head that fer-stage carries
    encoder : the head's encoder as it is written on this machine; by default as it was where the head was trained
    device : auto (CUDA when there is one, else cpu), cpu, cuda or cuda:N
    batch_size : faces per call of the encoder
    rotate : whether to detect faces in the three other rotations by 90 degrees of an image that has none upright
    on_progress : called while weights of an encoder are downloaded

    Raises
    ------
    InputError, MismatchError
        If there is no head, or it is damaged.
    ConfigError, EncoderError, MismatchError
        If its encoder cannot be loaded, or `encoder` is another one.
    """

    def __init__(
        self,
        run: Path | str | None = None,
        *,
        encoder: str | None = None,
        device: str = "auto",
        batch_size: int = 32,
        rotate: bool = True,
        on_progress: OnProgress = silent,
    ) -> None:
        saved = read_saved(DEFAULT_HEAD if run is None else Path(run))
        self._classifier = ExpressionClassifier.load(saved, encoder or "", device, on_progress)
        self._transform = ImageTransform(saved.preprocess, self._classifier.sizes, _alignment(saved))
        self._detector = load_detector(rotate=rotate, screen=True)
        self._batch_size = batch_size
        self.note = _note(saved)

    @property
    def classes(self) -> tuple[str, ...]:
        """C expressions, in the order of the probabilities."""
        return self._classifier.classes

    def predict(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        per: Per = DEFAULT_OPTIONS.per,
        window_s: float = DEFAULT_OPTIONS.window_s,
        step_s: float = DEFAULT_OPTIONS.step_s,
        every_s: float | None = DEFAULT_OPTIONS.every_s,
        colour: str = "rgb",
    ) -> list[Prediction]:
        """The expressions of all faces, in the order of the images; of one image the largest face first.

        An image without a face has one prediction without a box, as has one that cannot be read, and a video in which
        there is no face at all.

        Parameters
        ----------
        images : paths of pictures, videos and folders, patterns of paths, PIL images, or arrays of shape (H, W, 3) or
            (H, W), uint8 from 0 to 255 or floats from 0 to 1; or one of these
        per, window_s, step_s, every_s : how videos are predicted: see `VideoOptions`
        colour : order of the channels of arrays: `rgb`, or `bgr` for those of OpenCV's `imread` and `VideoCapture`,
            which an array does not state, as files and PIL images do

        Raises
        ------
        ConfigError
            If `colour` is neither, or an option of videos is impossible.
        InputError
            If there is nothing at a path, something is no image, or an array has another dtype, shape or range.
        """
        return list(self.predict_iter(images, VideoOptions(per, window_s, step_s, every_s), colour=colour))

    def predict_iter(
        self, images: ImageLike | Iterable[ImageLike], video: VideoOptions = DEFAULT_OPTIONS, *, colour: str = "rgb"
    ) -> Iterator[Prediction]:
        """As `predict`, one by one: memory does not grow with their number, nor with the length of a video."""
        if colour not in CHANNEL_ORDERS:
            orders = ", ".join(CHANNEL_ORDERS)
            raise ConfigError(f"colour: expected one of {orders}, the order of channels, found {colour!r}")
        return self._predict_iter(images, video, colour)

    def _predict_iter(
        self, images: ImageLike | Iterable[ImageLike], video: VideoOptions, colour: str
    ) -> Iterator[Prediction]:
        with closing(self.predict_lazy(_lazy(images, self.files, video, colour), video)) as results:
            for result in results:
                yield from result.predictions

    def files(self, paths: Sequence[Path], video: VideoOptions = DEFAULT_OPTIONS) -> Iterator[LazyImage]:
        """The pictures in files, and of videos the frames that the head needs, for `predict_lazy`."""
        return input_images(paths, video, self._classifier.clip_frames)

    def predict_lazy(
        self,
        images: Iterable[LazyImage],
        video: VideoOptions = DEFAULT_OPTIONS,
        *,
        keep_pictures: bool = False,
        keep_traces: bool = False,
    ) -> Generator[ImagePredictions, None, None]:
        """The predictions image by image, in order.

        Parameters
        ----------
        images : taken one by one, in another thread
        video : how frames of videos become predictions
        keep_pictures : whether results of images hold the pictures themselves
        keep_traces : whether `ended` videos know where their faces were
        """
        cropper = FaceCropper(self._detector, self._transform, keep_pictures)
        stop = Event()
        predictions = BatchClassifier(self._classifier, video, self._batch_size, keep_traces=keep_traces)
        with (
            closing(_detected(images, cropper, stop)) as detected,
            closing(_batches(detected, self._batch_size)) as batches,
            closing(prefetch(batches, stop.set)) as ready,
        ):
            for batch in ready:
                yield from predictions.add(batch)
            yield from predictions.finish()


def _alignment(saved: SavedHead) -> Alignment:
    """How faces are aligned for a head; without a record, as by default."""
    try:
        return Alignment() if saved.alignment is None else Alignment.from_json(saved.alignment)
    except MismatchError as error:
        message = f"{saved.record_path}: head.encoder.preprocess.alignment: {error}"
        raise MismatchError(message, remedy=error.remedy, purpose=error.purpose) from error


def _note(saved: SavedHead) -> str:
    """What whoever reads the predictions must know."""
    notes = [saved.note]
    if saved.alignment is None:
        notes.append("the head was trained on pictures as they are, not on aligned faces: expect less of it here")
    elif other := differences_text(saved.alignment.get("detector", {}), load_detector().identity):
        notes.append(f"the faces that the head was trained on were detected by another detector ({other})")
    return "; ".join(filter(None, notes))


def _lazy(
    images: ImageLike | Iterable[ImageLike],
    files: Callable[[Sequence[Path], VideoOptions], Iterator[LazyImage]],
    video: VideoOptions,
    colour: str,
) -> Iterator[LazyImage]:
    single = isinstance(images, str | Path | Image.Image) or (isinstance(images, np.ndarray) and images.ndim < 4)
    several: Iterable[Any] = [images] if single else images  # type: ignore[assignment]  # as `single` has it
    for i, image in enumerate(several):
        if isinstance(image, str | Path):
            yield from files(find_inputs([image]).paths, video)
        elif isinstance(image, Image.Image):
            yield lazy_picture(image, f"#{i}")
        elif isinstance(image, np.ndarray):
            yield lazy_array(image, f"#{i}", colour)
        else:
            raise InputError(f"picture #{i}: expected a path, a PIL image or an array, found {type(image).__name__}")


def _detected(images: Iterable[LazyImage], cropper: FaceCropper, stop: Event) -> Generator[DetectedFaces, None, None]:
    """The faces of each image, in order, until `stop` is set; some images are processed in advance."""
    n_threads = min(n_cores(), _MAX_THREADS)
    until_stop = takewhile(lambda _: not stop.is_set(), images)
    return parallel_map(cropper, until_stop, n_threads, n_threads)


def _batches(detected: Iterable[DetectedFaces], batch_size: int) -> Generator[list[DetectedFaces], None, None]:
    """Images until they have `batch_size` faces, or until more would fill the memory."""
    batch: list[DetectedFaces] = []
    n_faces = n_pixels = 0
    for one in detected:
        batch.append(one)
        n_faces, n_pixels = n_faces + len(one.faces), n_pixels + one.n_pixels
        if n_faces >= batch_size or n_pixels >= _MAX_PIXELS or len(batch) >= _MAX_WAITING:
            yield batch
            batch, n_faces, n_pixels = [], 0, 0
    if batch:
        yield batch
