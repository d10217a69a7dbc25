"""Golden features of a real pretrained encoder: another value here means that every stored feature has changed."""

from __future__ import annotations

import numpy as np
import pytest
from encoder_models import load, pooled
from real_files import weights_path

from pipeline.encoders import Encoder
from pipeline.images.preprocess import Preprocess

pytestmark = pytest.mark.weights

NAME = "tf_efficientnet_lite0"
SHA256 = "dc6975a3a24b5293fba134c2727ca15b19355dd34acc0bf62fb1bd81fe9cffc2"
ACROSS_MACHINES = 1e-3
CHANNELS = [2, 113, 689, 897, 930, 1006]
PLAIN = [0.2707, 4.9416, 3.0456, 4.0276, 4.9469, 3.9497]
INVERTED = [0.2398, 4.7984, 3.055, 4.8669, 4.6717, 2.0294]
MEANS = [0.0817, 0.0868]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load(f"timm:{NAME}@{weights_path(f'{NAME}.safetensors')}")


def gradient() -> np.ndarray:
    """Red grows to the right, green downwards, blue is flat: uint8 (224, 224, 3)."""
    ramp = np.tile(np.arange(224, dtype=np.uint8), (224, 1))
    return np.stack([ramp, ramp.T, np.full_like(ramp, 128)], axis=-1)


def test_weights_are_the_published_ones(encoder: Encoder) -> None:
    assert encoder.identity["weights"] == SHA256
    assert (encoder.width, encoder.preprocess) == (1280, Preprocess(224))


def test_features_are_the_golden_ones(encoder: Encoder) -> None:
    features = pooled(encoder, np.stack([gradient(), 255 - gradient()]))
    np.testing.assert_allclose(features[:, CHANNELS], [PLAIN, INVERTED], atol=ACROSS_MACHINES)
    np.testing.assert_allclose(features.mean(axis=1), MEANS, atol=ACROSS_MACHINES)
