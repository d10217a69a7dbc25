"""The shared half of every encoder: normalisation, types, devices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from encoder_models import faces, load, own_transform, pooled, same_pictures

from pipeline.encoders.protocols import require_text_encoder
from pipeline.encoders.torch_encoder import TorchEncoder, resolve_device
from pipeline.encoders.towers import ImageTower
from pipeline.errors import EncoderError
from pipeline.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

GPU_TOLERANCE = 5e-2  # float16 activations through a few layers, features of order 1
FLOAT32_TOLERANCE = 1e-4
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device that torch can use")


def seeing(preprocess: Preprocess) -> TorchEncoder:
    """An encoder whose feature is the normalised image itself."""
    tower = ImageTower(torch.nn.Flatten())
    return TorchEncoder({"family": "f", "architecture": "a"}, preprocess, tower, resolve_device("cpu"))


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(24),
        Preprocess(24, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        Preprocess(24, "squash", "bilinear", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ],
)
@pytest.mark.parametrize(("width", "height"), [(24, 24), (61, 40), (13, 50)])
def test_an_encoder_sees_exactly_what_open_clip_would_show_it(width: int, height: int, preprocess: Preprocess) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), np.uint8)
    seen = pooled(seeing(preprocess), np.stack([preprocess(picture) for picture in pictures]))
    np.testing.assert_array_equal(seen, same_pictures(pictures, own_transform(preprocess)).flatten(1).numpy())


def test_pixels_are_left_alone() -> None:
    pixels = faces(2, 8)
    before = pixels.copy()
    pooled(seeing(Preprocess(8)), pixels)
    np.testing.assert_array_equal(pixels, before)


def test_features_are_plain_float32_without_gradients() -> None:
    tower = ImageTower(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4)))
    half = TorchEncoder({}, Preprocess(8), tower, resolve_device("cpu"))
    features = pooled(half, faces(2, 8))
    assert (features.dtype, features.shape, type(features)) == (np.float32, (2, 4), np.ndarray)


def test_text_without_a_text_tower_names_the_encoder() -> None:
    encoder = seeing(Preprocess(8))
    with pytest.raises(EncoderError, match=r"f:a has no text tower\. Heads that need text work with an open_clip"):
        require_text_encoder(encoder)


class TestDevice:
    def test_cpu_is_the_cpu(self) -> None:
        encoder = load("untrained", "cpu")
        assert (encoder.device, encoder.precision) == ("cpu", "float32")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA is present")
    def test_auto_is_the_cpu_where_there_is_nothing_else(self) -> None:
        assert resolve_device("auto") == torch.device("cpu")

    @pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:99"])
    def test_cuda_by_name_is_never_replaced_by_the_cpu(self, name: str) -> None:
        if torch.cuda.is_available() and name != "cuda:99":
            pytest.skip("here CUDA is present")
        with pytest.raises(EncoderError, match=rf"--device {name}: torch can use \d+ CUDA devices .*--device cpu"):
            load("untrained", name)

    @pytest.mark.parametrize("name", ["", "gpu", "cpu:x", "cuda:", "cuda:-1", "mps", "CUDA"])
    def test_other_names_are_refused(self, name: str) -> None:
        with pytest.raises(EncoderError, match=f"--device {name}: expected auto, cpu, cuda or cuda:N"):
            resolve_device(name)


@pytest.mark.gpu
@needs_gpu
class TestOnGpu:
    def test_features_are_those_of_the_cpu_but_for_autocast(self) -> None:
        pixels = faces(4, 64)
        on_cpu, on_gpu = (load("untrained", device) for device in ("cpu", "cuda"))
        assert (on_gpu.precision, on_gpu.device.partition(":")[0]) == ("amp-float16", "cuda")
        assert on_gpu.identity == on_cpu.identity
        features = pooled(on_gpu, pixels)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, pooled(on_cpu, pixels), atol=GPU_TOLERANCE)

    def test_the_reference_computes_in_float32_there(self) -> None:
        pixels = faces(4, 64)
        reference = load("untrained", "cuda").reference()
        assert (reference.precision, reference.device.partition(":")[0]) == ("float32", "cuda")
        np.testing.assert_allclose(pooled(reference, pixels), pooled(load("untrained"), pixels), atol=FLOAT32_TOLERANCE)

    def test_a_compiled_tower_gives_what_eager_gives_or_is_given_up(self) -> None:
        pixels = faces(4, 64)
        eager, fast = (load("untrained", "cuda", runtime) for runtime in ("eager", "compile"))
        np.testing.assert_allclose(pooled(fast, pixels), pooled(eager, pixels), atol=GPU_TOLERANCE)

    def test_text_goes_the_same_way(self) -> None:
        vectors = load("untrained", "cuda").encode_text(["a face"])
        assert vectors.dtype == np.float32
        assert math.isfinite(float(np.linalg.norm(vectors)))
