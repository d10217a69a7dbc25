"""The stand-in encoder: knows nothing, but knows it everywhere in the same way."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from encoder_models import BATCH_TOLERANCE, faces, load, pooled, run_python

from pipeline.encoders import Encoder

ELSEWHERE = """
import json, torch
torch.manual_seed(99); torch.rand(7)
from pipeline.encoders import EncoderSpec, load_encoder
print(json.dumps(load_encoder(EncoderSpec.parse("untrained"), "cpu").identity))
"""
SIZE, WIDTH = 64, 256


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("untrained")


def test_is_the_same_in_every_process(encoder: Encoder) -> None:
    assert json.loads(run_python(ELSEWHERE)) == encoder.identity


def test_leaves_the_global_randomness_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load("untrained")
    assert torch.equal(torch.rand(3), expected)


def test_says_that_it_knows_nothing(encoder: Encoder) -> None:
    assert "untrained" in encoder.note
    assert encoder.identity["architecture"] == "untrained"


def test_gives_a_row_an_image(encoder: Encoder) -> None:
    features = pooled(encoder, faces(3, SIZE))
    assert (features.shape, features.dtype) == ((3, WIDTH), np.float32)
    assert encoder.width == WIDTH
    assert encoder.preprocess.size == SIZE


def test_features_are_raw(encoder: Encoder) -> None:
    lengths = np.linalg.norm(pooled(encoder, faces(4, SIZE)), axis=1)
    assert abs(lengths - 1).min() > 0.01
    assert lengths.std() > 0


def test_features_tell_images_apart(encoder: Encoder) -> None:
    features = pooled(encoder, np.stack([np.full((SIZE, SIZE, 3), v, np.uint8) for v in (0, 128, 255)]))
    assert min(np.abs(features[i] - features[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.01


def test_a_batch_changes_no_row_and_no_order(encoder: Encoder) -> None:
    pixels = faces(7, SIZE)
    together = pooled(encoder, pixels)
    alone = np.concatenate([pooled(encoder, pixels[i : i + 1]) for i in range(7)])
    padded = pooled(encoder, np.concatenate([pixels, np.repeat(pixels[-1:], 9, axis=0)]))[:7]
    backwards = pooled(encoder, np.ascontiguousarray(pixels[::-1]))[::-1]
    for other in (alone, padded, backwards):
        np.testing.assert_allclose(other, together, atol=BATCH_TOLERANCE)


def test_the_same_batch_gives_the_same_bytes(encoder: Encoder) -> None:
    pixels = faces(4, SIZE)
    assert pooled(encoder, pixels).tobytes() == pooled(encoder, pixels).tobytes()


def test_text_gives_a_row_a_sentence(encoder: Encoder) -> None:
    vectors = encoder.encode_text(["a sad face", "an angry face", "a sad face"])
    assert (vectors.shape, vectors.dtype) == ((3, WIDTH), np.float32)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=BATCH_TOLERANCE)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01
    assert abs(np.linalg.norm(vectors, axis=1) - 1).min() > 0.01
