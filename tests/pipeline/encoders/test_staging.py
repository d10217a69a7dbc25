"""A batch that is on its way to a device arrives there unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.encoders.staging import staging

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)


def test_on_the_cpu_a_batch_is_there_already() -> None:
    assert staging("cpu")(PIXELS)() is PIXELS


def test_an_encoder_takes_a_tensor_as_it_takes_an_array() -> None:
    encoder = load_encoder(EncoderSpec.parse("untrained"), "cpu", "eager")
    expected, found = (encoder.encode_images(p)["pooled"] for p in (PIXELS, torch.from_numpy(PIXELS)))  # type: ignore[arg-type]  # what arrives on CUDA
    np.testing.assert_array_equal(found, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
class TestOnCuda:
    def test_batches_arrive_whole_while_others_are_under_way(self) -> None:
        stage = staging("cuda:0")
        batches = [np.full((64, 224, 224, 3), value, np.uint8) for value in range(20)]
        coming = stage(batches[0])
        for batch, following in zip(batches, [*batches[1:], batches[0]], strict=True):
            arrived, coming = coming(), stage(following)
            assert arrived.device == torch.device("cuda:0")
            np.testing.assert_array_equal(arrived.cpu().numpy(), batch)

    def test_features_are_those_of_pixels_that_were_not_staged(self) -> None:
        encoder = load_encoder(EncoderSpec.parse("untrained"), "cuda:0")
        staged = encoder.encode_images(staging(encoder.device)(PIXELS)())["pooled"]
        np.testing.assert_array_equal(staged, encoder.encode_images(PIXELS)["pooled"])
