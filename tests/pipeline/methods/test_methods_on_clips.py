"""What every method promises of clips: it learns them, and what it makes of a clip is what its frames are together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from memory_source import MemorySource, separable_source, text_for
from overfit import OVERFIT
from tiny_encoder import tiny_encoder

from pipeline.learning.evaluation import evaluate
from pipeline.learning.method import FitResult, TrainingInputs
from pipeline.methods import config_class, load_method
from pipeline.sources import Clips

N_FRAMES = 2
OF_IMAGES = sorted(name for name in OVERFIT if "frames" not in config_class(name)().reads)


@dataclass
class ClipsOfImages(MemorySource):
    """Every image of a source is the clip of `N_FRAMES` frames that it is repeated as, frame after frame."""

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return np.array([f"clip-{i}" for i in range(len(self.labels(split)))], dtype=np.str_)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        return np.concatenate([super().features(split, output, view)] * N_FRAMES)

    def clips(self, split: str) -> Clips:
        n = len(self.labels(split))
        return Clips(np.arange(n * N_FRAMES).reshape(N_FRAMES, n).T.flatten(), np.arange(n + 1) * N_FRAMES)

    def rejected_frames(self, split: str) -> int:
        return 0


def clips() -> ClipsOfImages:
    return ClipsOfImages(**vars(separable_source()))


def fit(name: str, source: MemorySource) -> FitResult:
    text = text_for(source.classes, source.row_shape()[0])
    inputs = TrainingInputs(source, source.classes, text, tiny_encoder())
    config = config_class(name)(**OVERFIT[name], clip_frames=2)
    return load_method(name).fit(inputs, config, 0)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_overfits_16_separable_clips_and_scores_them_as_images(name: str) -> None:
    """The mean over equal frames is the frame: images and clips of the same pictures have the same predictions."""
    source = clips()
    fitted = fit(name, source)
    assert fitted.val.accuracy == 1.0
    assert fitted.head.spec.clip_frames == 2
    of_clips, of_images = (evaluate(fitted.head, each, "val").scores for each in (source, separable_source()))
    assert of_clips.n == of_images.n == 16
    assert of_clips.accuracy == of_images.accuracy == 1.0
    images = fitted.head.predict_units(separable_source(), "val")
    np.testing.assert_allclose(fitted.head.predict_units(source, "val"), images, rtol=1e-3, atol=1e-4)
