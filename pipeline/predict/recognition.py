"""The two models of a prediction: faces are detected and cropped, in threads; then their expressions are classified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import nn

from pipeline.encoders import ImageEncoder
from pipeline.encoders.torch_encoder import TorchEncoder, resolve_device
from pipeline.errors import ConfigError, ImageError, InputError
from pipeline.extraction.outputs import PIXELS
from pipeline.faces import Face, FaceDetector
from pipeline.faces.tracks import appearance
from pipeline.features import Clips
from pipeline.images.transform import ImageTransform
from pipeline.learning.clip_arrays import ClipArray, clip_arrays
from pipeline.learning.clips import ClipSampler, stored_output
from pipeline.learning.concurrency import torch_threads
from pipeline.learning.head import Head
from pipeline.learning.options import LARGE_NETWORK
from pipeline.learning.probabilities import softmax
from pipeline.predict.lazy_images import LazyImage, VideoFile
from pipeline.predict.saved import SavedHead
from pipeline.progress import OnProgress, silent

__all__ = ["DetectedFaces", "ExpressionClassifier", "FaceCropper"]

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DetectedFaces:
    """The N faces of an image, largest first. It waits for a batch to fill, so it need not hold the picture.

    Parameters
    ----------
    image, frame, seconds : of the `LazyImage`
    reason : why it cannot be read, else empty
    faces : where they are in it
    crops : side -> uint8, shape (N, side, side, 3), upright
    picture : None unless results hold their pictures, and for frames of a video
    video : the video that a frame is of
    appearance : of a frame, what its faces are tracked by: float32, shape (N, D)
    """

    image: str
    frame: int | None
    seconds: float | None
    reason: str = ""
    faces: tuple[Face, ...] = ()
    crops: Mapping[int, Pixels] = field(default_factory=dict)
    picture: Image.Image | None = None
    video: VideoFile | None = None
    appearance: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    @property
    def n_pixels(self) -> int:
        """What it holds in memory, in pixels."""
        whole = self.picture.width * self.picture.height if self.picture else 0
        return whole + sum(crops.size // 3 for crops in self.crops.values())


@dataclass(frozen=True)
class FaceCropper:
    """Detects faces and crops them upright. Safe in threads, uses no torch.

    Parameters
    ----------
    detector, transform : how
    keep_pictures : whether results hold their pictures
    """

    detector: FaceDetector
    transform: ImageTransform
    keep_pictures: bool = False

    def __call__(self, image: LazyImage) -> DetectedFaces:
        """Load an image and crop its faces; one that cannot be read, or a face that cannot be cropped, has a reason."""
        where = image.image, image.frame, image.seconds
        try:
            picture = image.load()
            faces = tuple(face.rounded() for face in self.detector.detect(picture))
            crops = self._crops(picture, faces)
        except ImageError as error:
            return DetectedFaces(*where, str(error), video=image.video)
        if image.video is None:
            return DetectedFaces(*where, "", faces, crops, picture if self.keep_pictures else None)
        colours = appearance(crops[min(crops)])
        return DetectedFaces(*where, "", faces, crops, video=image.video, appearance=colours)

    def _crops(self, picture: Image.Image, faces: Sequence[Face]) -> dict[int, Pixels]:
        crops = {size: np.empty((len(faces), size, size, 3), np.uint8) for size in self.transform.sizes}
        for i, face in enumerate(faces):
            for size, square in self.transform(picture, face=face.landmarks).items():
                crops[size][i] = square
        return crops


@dataclass(frozen=True)
class ExpressionClassifier:
    """From crops of faces to probabilities: a head, and its encoder where it needs one.

    Parameters
    ----------
    head : on its device
    temperature : > 0, divides its logits
    encoder : whose features it reads; None if it reads pixels alone
    folder : of the head, for messages
    """

    head: Head
    temperature: float
    encoder: ImageEncoder | None
    folder: str

    @classmethod
    def load(cls, saved: SavedHead, encoder: str = "", device: str = "auto", on_progress: OnProgress = silent) -> Self:
        """A head from disk, with its encoder.

        Parameters
        ----------
        encoder : as it is written on this machine; by default as it was where the head was trained
        device : auto, cpu, cuda or cuda:N
        on_progress : called while weights of an encoder are downloaded

        Raises
        ------
        ConfigError
            If an encoder is named and the head has none.
        EncoderError, InputError, MismatchError
            If one of them cannot be loaded, or they do not belong together.
        """
        if encoder and not saved.uses_encoder:
            raise ConfigError(f"{saved.folder}: the head reads pixels, not the features of an encoder: name none")
        with torch_threads(1):  # weights are only copied: a second thread would wait more than it works
            loaded = saved.load_encoder(encoder, device, "eager", on_progress) if saved.uses_encoder else None
            head = saved.build(loaded).to(resolve_device(device))
        return cls(head, saved.temperature, loaded, str(saved.folder))

    @property
    def classes(self) -> tuple[str, ...]:
        """C expressions, in the order of the probabilities."""
        return self.head.spec.classes

    @property
    def clip_frames(self) -> int | None:
        """T, frames that the head reads of a clip; None of a head that was trained on images."""
        return self.head.spec.clip_frames

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the crops that it takes."""
        sizes = [self.encoder.preprocess.size] if self.encoder and self._features else []
        return tuple({*sizes, *([self._side] if PIXELS in self.head.spec.inputs else [])})

    def inputs(self, crops: Mapping[int, Pixels]) -> dict[str, Array]:
        """What is read of B faces: name of a store's output -> (B, *row_shape).

        Parameters
        ----------
        crops : side -> uint8, shape (B, side, side, 3), for each of `sizes`
        """
        inputs: dict[str, Array] = {}
        if self.encoder and self._features:
            with torch_threads(self._n_threads):
                inputs.update(self.encoder.encode_images(crops[self.encoder.preprocess.size], self._features))
        if PIXELS in self.head.spec.inputs:
            inputs[PIXELS] = crops[self._side]
        return inputs

    def __call__(self, inputs: Mapping[str, Array]) -> Probabilities:
        """Calibrated probabilities of N faces, each of them an image, which is a clip of one frame to a head of clips.

        Parameters
        ----------
        inputs : rows of `inputs`

        Returns
        -------
        float64, shape (N, C), rows sum to 1

        Raises
        ------
        InputError
            If a logit is not finite: no expression is the most probable one then.
        """
        if self.clip_frames:
            n = len(next(iter(inputs.values())))
            return self.of_clips(inputs, Clips(np.arange(n), np.arange(n + 1)))
        return self._probabilities(inputs)

    def of_clips(self, inputs: Mapping[str, Array], clips: Clips) -> Probabilities:
        """The same of U clips, shape (U, C).

        A head of clips gets T frames of each, those at the centres of T segments, as it did in training. To a head of
        images, a clip is the mean of the embeddings of all of its frames [CLIPER].
        """
        reads = tuple(self.head.spec.inputs)
        if self.clip_frames:
            return self._probabilities(clip_arrays(inputs, reads, ClipSampler(clips, self.clip_frames)))
        probabilities = np.empty((len(clips), len(self.classes)))
        for n in np.unique(clips.n_frames):  # a network takes clips of one length together
            units = np.flatnonzero(clips.n_frames == n)
            sampler = ClipSampler(clips.take(units), int(n))
            probabilities[units] = self._probabilities(clip_arrays(inputs, reads, sampler))
        return probabilities

    def _probabilities(self, arrays: Mapping[str, Array | ClipArray]) -> Probabilities:
        with torch_threads(self._n_threads):
            logits = self.head.predict(arrays)
        if not np.isfinite(logits).all():
            raise InputError(
                f"{self.folder}: expected finite logits, found NaN or infinity: its weights are too large for these "
                "features. Train the run again, or name another --run"
            )
        return softmax(logits, self.temperature)

    @cached_property
    def _n_threads(self) -> int | None:
        """Threads of torch: one for small networks; None, as many as it has, for others.

        A second thread then costs more than it gains: it waits for the first, and the cores detect faces. `mini` on a
        busy machine: 13 ms of CPU time for one face on one thread, 57 ms on two; 163 and 825 ms for 32 faces.
        """
        modules: list[nn.Module] = [self.head]
        if isinstance(self.encoder, TorchEncoder):
            modules.append(self.encoder.tower)
        elif self.encoder:
            return None  # nothing is known of it
        n_parameters = sum(values.numel() for module in modules for values in module.parameters())
        return 1 if n_parameters < LARGE_NETWORK else None

    @property
    def _features(self) -> tuple[str, ...]:
        return tuple(stored_output(name) for name in self.head.spec.inputs if name != PIXELS)

    @property
    def _side(self) -> int:
        return self.head.spec.inputs[PIXELS][0]
