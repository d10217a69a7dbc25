"""The detector on real photographs, upright and rotated; figures of more of them are in docs/faces.md."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from real_files import pack_path

from pipeline.datasets.roots import open_root
from pipeline.faces.detector import load_detector
from pipeline.images.decode import decode_picture

pytestmark = pytest.mark.real_data

N_IMAGES, EVERY = 60, 211


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    with open_root(pack_path("muxspace.tar.gz")) as root:
        names = sorted(name for name in root.names() if name.endswith(".jpg"))[::EVERY][:N_IMAGES]
        return [decode_picture(root.read(name)) for name in names]


def test_nearly_every_face_is_found_upright_and_turned(photographs: list[Image.Image]) -> None:
    detector, angles = load_detector(), np.random.default_rng(0).uniform(-30, 30, N_IMAGES)
    upright = [detector.detect(picture) for picture in photographs]
    turned = [
        detector.detect(picture.rotate(angle, Image.Resampling.BICUBIC, expand=True))
        for picture, angle in zip(photographs, angles, strict=True)
    ]
    assert sum(map(bool, upright)) >= 0.98 * N_IMAGES
    assert sum(map(bool, turned)) >= 0.95 * N_IMAGES


def test_a_photograph_on_its_side_gives_the_landmarks_of_the_upright_one(photographs: list[Image.Image]) -> None:
    detector, same = load_detector(), 0
    for picture in photographs:
        upright = detector.detect(picture)
        sideways = detector.detect(picture.transpose(Image.Transpose.ROTATE_270))
        if upright and sideways:
            x, y = sideways[0].landmarks.T
            same += np.abs(np.stack([y, picture.height - x], axis=1) - upright[0].landmarks).max() < 1.0
    assert same >= 0.95 * N_IMAGES
