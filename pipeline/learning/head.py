"""What every head is: logits from what a store holds of an image, whole arrays at a time or a batch with gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.differences import differences_text
from pipeline.errors import MismatchError
from pipeline.learning.clip_arrays import ClipArray, clip_arrays
from pipeline.learning.clips import CLIP_FRAMES, FRAMES, MEANS, ClipSampler, stored_output
from pipeline.learning.layers import FeatureScale
from pipeline.sources import Clips, ClipSource

if TYPE_CHECKING:
    from pipeline.learning.spec import HeadSpec
    from pipeline.sources import FeatureSource

__all__ = ["HEADS", "Head", "Inputs", "as_input"]

Inputs = Mapping[str, Tensor]

HEADS: dict[str, type[Head]] = {}  # kind -> class, of every head whose module is imported


class Head(nn.Module, ABC):
    """What a store has of an image to logits. A new one has no values: `reset` draws them, or `unpack` loads them.

    A class that is saved registers itself by its kind, `class LinearHead(Head, kind="linear")`: runs on disk hold that
    word, so it never changes. A class without one is abstract, or only trained.

    `predict_rows` rows, of which each frame of a clip is one, go through at once at prediction. A head that
    `needs_encoder` is a part of the encoder itself and is built with it; what stays frozen of the encoder is not among
    the head's values. `not_in_onnx` is the reason why a head cannot be written as ONNX, where it cannot.
    """

    kind: ClassVar[str] = ""
    predict_rows: ClassVar[int] = 8192
    needs_encoder: ClassVar[bool] = False
    not_in_onnx: ClassVar[str] = ""

    def __init_subclass__(cls, kind: str = "", **others: Any) -> None:
        super().__init_subclass__(**others)
        cls.kind = kind
        if kind and HEADS.setdefault(kind, cls) is not cls:
            raise TypeError(f"{cls.__qualname__}: expected a kind of its own, found {kind!r} of {HEADS[kind]}")

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        if spec.scaled_input is not None:
            self.scale = FeatureScale(spec.scale, spec.width)

    @abstractmethod
    def reset(self, rng: torch.Generator) -> None:
        """Draw the initial weights."""

    @abstractmethod
    def logits(self, inputs: Inputs) -> Tensor:
        """Raw inputs, of the shapes in `spec.inputs`, to float32 (B, C)."""

    def forward(self, inputs: Inputs) -> Tensor:
        """Raw inputs to logits.

        Parameters
        ----------
        inputs : output -> (B, *row_shape): features float32, pixels uint8
            As the store holds them; the head scales them itself.

        Returns
        -------
        float32, shape (B, C), in the order of `spec.classes`

        Raises
        ------
        MismatchError
            If an output is missing or its rows have another shape.
        """
        shapes = {name: tuple(values.shape[1:]) for name, values in inputs.items()}
        self._require_shapes(
            {name: self._without_frames(name, shape) for name, shape in shapes.items()}, "the features"
        )
        return self.logits(inputs)

    @torch.no_grad()
    def predict(self, arrays: Mapping[str, npt.NDArray[Any] | ClipArray]) -> npt.NDArray[np.float32]:
        """Logits of any number of rows: output -> (N, *row_shape), as stored, or clips, to float32 (N, C)."""
        logits = [np.empty((0, len(self.spec.classes)), dtype=np.float32)]
        logits += [self(inputs).cpu().numpy() for inputs in self._batches(arrays)]
        return np.concatenate(logits)

    def predict_units(
        self, source: FeatureSource, split: str, units: npt.NDArray[np.integer] | None = None
    ) -> npt.NDArray[np.float32]:
        """Logits of the plain view of some units of a split, of which no other is read: float32 (M, C).

        Of a clip T frames are read, those at the centres of its segments: T is that of the head, or 16 for a head of
        images, which reads the mean of their features. To a head of clips an image is a clip of one frame.

        Parameters
        ----------
        source : of the encoder that the head was trained on
        units : shape (M,), ascending positions in `source.labels(split)`; by default all of them
        """
        return self.predict(self._arrays(source, split, units))

    def representation(self, inputs: Inputs) -> Tensor | None:
        """The features that the head makes of its inputs and then classifies: float32 (B, D).

        None of a head that classifies the stored features themselves, scaled or not.
        """
        return None

    @torch.no_grad()
    def represent_units(
        self, source: FeatureSource, split: str, units: npt.NDArray[np.integer] | None = None
    ) -> npt.NDArray[np.float32] | None:
        """`representation` of the units of `predict_units`: float32 (M, D); None of a head that has none."""
        batches = self._batches(self._arrays(source, split, units))
        features = [None if (made := self.representation(inputs)) is None else made.cpu().numpy() for inputs in batches]
        known = [each for each in features if each is not None]
        return np.concatenate(known) if known else None

    def _batches(self, arrays: Mapping[str, npt.NDArray[Any] | ClipArray]) -> Iterator[Inputs]:
        self.eval()
        device = next((values.device for values in chain(self.parameters(), self.buffers())), torch.device("cpu"))
        step = max(1, self.predict_rows // self._frames_a_row(arrays))
        for start in range(0, len(next(iter(arrays.values()))), step):
            rows = slice(start, start + step)
            yield {name: as_input(values[rows]).to(device) for name, values in arrays.items()}

    def _arrays(
        self, source: FeatureSource, split: str, units: npt.NDArray[np.integer] | None
    ) -> Mapping[str, npt.NDArray[Any] | ClipArray]:
        reads = tuple(self.spec.inputs)
        stored = {name: source.features(split, name) for name in dict.fromkeys(map(stored_output, reads))}
        n_rows = len(next(iter(stored.values())))
        if isinstance(source, ClipSource) or FRAMES in reads:
            clips = source.clips(split) if isinstance(source, ClipSource) else Clips.of_images(n_rows)
            clips = clips if units is None else clips.take(units)
            return clip_arrays(stored, reads, ClipSampler(clips, self.spec.clip_frames or CLIP_FRAMES))
        if units is None or len(units) == n_rows:
            return stored  # all rows of a memory-mapped array are not taken: that would read it whole
        return {name: values[units] for name, values in stored.items()}

    def require(self, source: FeatureSource) -> None:
        """Refuse features of another encoder.

        Raises
        ------
        MismatchError
            If a row's shape or the encoder's identity differ; the message names the fields.
        """
        where = f"features of {source.dataset} (key {source.key})"
        shapes = {name: source.row_shape(stored_output(name)) for name in self.spec.inputs}
        if FRAMES in shapes:
            shapes[FRAMES] = (self.spec.inputs[FRAMES][0], *shapes[FRAMES])
        self._require_shapes(shapes, where)
        if differences := differences_text(self.spec.encoder, source.encoder):
            raise MismatchError(
                f"{where} come from another encoder than the head's. {differences}. "
                "Extract the dataset with the head's encoder, or train a head on these features"
            )

    def _frames_a_row(self, arrays: Mapping[str, npt.NDArray[Any] | ClipArray]) -> int:
        """T where a row is T frames; 1 where it is an image, or the mean of frames."""
        shapes = {name: array.shape for name, array in arrays.items() if self._is_frames(name, array.shape[1:])}
        return max((shape[1] for shape in shapes.values()), default=1)

    def _is_frames(self, name: str, row_shape: tuple[int, ...]) -> bool:
        """Whether rows of an input are the frames of clips."""
        expected = self.spec.inputs.get(name, ())
        return name == FRAMES or (name not in MEANS and len(row_shape) == len(expected) + 1)

    def _without_frames(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Networks take the frames of clips one by one: (T, *row_shape) where an image has row_shape."""
        return shape[1:] if name != FRAMES and self._is_frames(name, shape) else shape

    def _require_shapes(self, found: Mapping[str, tuple[int, ...]], where: str) -> None:
        for name, shape in self.spec.inputs.items():
            if found.get(name) != tuple(shape):
                raise MismatchError(
                    f"{where}: the head expects {name} of shape {tuple(shape)}, found {found.get(name, 'none')}. "
                    "Use features of the encoder that the head was trained on"
                )


def as_input(values: npt.NDArray[Any]) -> Tensor:
    """What a store holds, as a head reads it: features as float32, pixels as they are."""
    tensor = torch.from_numpy(values if values.flags.writeable else np.array(values))
    return tensor if tensor.dtype == torch.uint8 else tensor.float()
