"""From upright squares of faces to probabilities: a head, and its encoder where it needs one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline.encoders import Encoder
from pipeline.encoders.torch_encoder import resolve_device
from pipeline.errors import ConfigError, InputError
from pipeline.extraction.outputs import PIXELS
from pipeline.learning.calibration import softmax
from pipeline.learning.head import Head
from pipeline.progress import OnProgress, silent
from pipeline.saved import SavedHead

__all__ = ["Namer"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Namer:
    """Names expressions.

    Parameters
    ----------
    head : on its device
    temperature : > 0, divides its logits
    encoder : whose features it reads; None if it reads pixels alone
    where : names the head in messages
    """

    head: Head
    temperature: float
    encoder: Encoder | None
    where: str

    @classmethod
    def of(cls, saved: SavedHead, named: str = "", device: str = "auto", on_progress: OnProgress = silent) -> Self:
        """A head from disk, with its encoder loaded.

        Parameters
        ----------
        named : the encoder as it is written on this machine; by default as it was where the head was trained
        device : auto, cpu, cuda or cuda:N
        on_progress : called while weights of an encoder are downloaded

        Raises
        ------
        ConfigError
            If an encoder is named and the head has none.
        EncoderError, InputError, MismatchError
            If one of them cannot be loaded, or they do not belong together.
        """
        if named and not saved.uses_encoder:
            raise ConfigError(f"{saved.folder}: the head reads pixels, not the features of an encoder: name none")
        encoder = saved.load_encoder(named, device, "eager", on_progress) if saved.uses_encoder else None
        return cls(saved.build(encoder).to(resolve_device(device)), saved.temperature, encoder, str(saved.folder))

    @property
    def classes(self) -> tuple[str, ...]:
        """C expressions, in the order of the probabilities."""
        return self.head.spec.classes

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the squares that it takes."""
        sizes = [self.encoder.preprocess.size] if self.encoder and self._features else []
        return tuple({*sizes, *([self._side] if PIXELS in self.head.spec.inputs else [])})

    def __call__(self, squares: Mapping[int, Pixels]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of B faces.

        Parameters
        ----------
        squares : side -> uint8, shape (B, side, side, 3), for each of `sizes`

        Returns
        -------
        float64, shape (B, C), rows sum to 1

        Raises
        ------
        InputError
            If a logit is not finite: no expression is the most probable one then.
        """
        inputs: dict[str, npt.NDArray[np.generic]] = {}
        if self.encoder and self._features:
            inputs.update(self.encoder.encode_images(squares[self.encoder.preprocess.size], self._features))
        if PIXELS in self.head.spec.inputs:
            inputs[PIXELS] = squares[self._side]
        logits = self.head.predict(inputs)
        if not np.isfinite(logits).all():
            raise InputError(
                f"{self.where}: expected finite logits, found NaN or infinity: its weights are too large for these "
                "features. Train the run again, or name another --run"
            )
        return softmax(logits, self.temperature)

    @property
    def _features(self) -> tuple[str, ...]:
        return tuple(name for name in self.head.spec.inputs if name != PIXELS)

    @property
    def _side(self) -> int:
        return self.head.spec.inputs[PIXELS][0]
