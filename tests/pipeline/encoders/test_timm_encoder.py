"""timm towers: the pooled feature before the classifier, with weights from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from encoder_models import BATCH_TOLERANCE, faces, load, own_transform, pooled, same_pictures
from safetensors.torch import save_file

from pipeline.errors import EncoderError
from pipeline.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

SAME_MODEL_TOLERANCE = 1e-5  # the same weights in another memory order: channels last


def write_timm(architecture: str, path: Path, **options: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model(architecture, **options).eval()
    if path.suffix == ".safetensors":
        save_file(model.state_dict(), path)
    else:
        torch.save({"state_dict": model.state_dict()}, path)
    return model


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize(
    ("architecture", "preprocess"),
    [
        ("test_resnet", Preprocess(160, interpolation="bilinear")),
        ("test_efficientnet", Preprocess(160, mean=IMAGENET_MEAN, std=IMAGENET_STD)),
        ("test_vit", Preprocess(160)),
    ],
)
def test_features_are_timms_own(architecture: str, preprocess: Preprocess, name: str, tmp_path: Path) -> None:
    own = write_timm(architecture, tmp_path / name)
    encoder = load(f"timm:{architecture}@{tmp_path / name}")
    pixels = faces(3, 160)
    with torch.inference_mode():
        images = same_pictures(pixels, own_transform(preprocess))
        expected = own.forward_head(own.forward_features(images), pre_logits=True).numpy()
    assert encoder.preprocess == preprocess
    np.testing.assert_allclose(pooled(encoder, pixels), expected, atol=SAME_MODEL_TOLERANCE)
    assert encoder.width == expected.shape[1]


def test_a_batch_changes_no_row(tmp_path: Path) -> None:
    write_timm("test_resnet", tmp_path / "w.pth")
    encoder, pixels = load(f"timm:test_resnet@{tmp_path / 'w.pth'}"), faces(4, 160)
    alone = np.concatenate([pooled(encoder, pixels[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(alone, pooled(encoder, pixels), atol=BATCH_TOLERANCE)


def test_there_is_no_text(tmp_path: Path) -> None:
    write_timm("test_resnet", tmp_path / "w.pth")
    encoder = load(f"timm:test_resnet@{tmp_path / 'w.pth'}")
    assert not encoder.has_text
    with pytest.raises(EncoderError, match="timm:test_resnet has no text tower"):
        encoder.encode_text(["a face"])


def test_identity_is_of_the_weights_and_not_of_their_path(tmp_path: Path) -> None:
    write_timm("test_resnet", tmp_path / "w.safetensors")
    (tmp_path / "copy.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes())
    data = bytearray((tmp_path / "w.safetensors").read_bytes())
    data[-1] ^= 1  # a bit of the last weight
    (tmp_path / "flipped.safetensors").write_bytes(data)
    one, copy, flipped = (
        load(f"timm:test_resnet@{tmp_path / name}.safetensors").identity for name in ("w", "copy", "flipped")
    )
    assert one == copy
    assert {name for name in one if one[name] != flipped[name]} == {"weights"}


class TestRefused:
    @pytest.mark.parametrize(
        ("architecture", "message"),
        [
            ("resnet81", r"timm has no architecture 'resnet81'\. Did you mean resnet18"),
            ("%%%", r"See timm\.list_models\(\)"),
        ],
    )
    def test_an_unknown_architecture(self, architecture: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=message):
            load(f"timm:{architecture}@{tmp_path / 'w.pth'}")

    @pytest.mark.parametrize("name", ["gone.pth", "."])
    def test_a_file_that_is_none(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"weights of timm:test_resnet@.*: no file at "):
            load(f"timm:test_resnet@{tmp_path / name}")

    def test_the_weights_of_another_architecture(self, tmp_path: Path) -> None:
        write_timm("test_vit", tmp_path / "w.safetensors")
        with pytest.raises(EncoderError, match=r"cannot be loaded as weights of this architecture .*Missing key"):
            load(f"timm:test_resnet@{tmp_path / 'w.safetensors'}")

    def test_weights_with_one_key_too_many_or_too_few(self, tmp_path: Path) -> None:
        state = write_timm("test_resnet", tmp_path / "w.pth").state_dict()
        first = next(iter(state))
        for name, wrong in {
            "more": state | {"extra.weight": torch.zeros(1)},
            "less": {key: values for key, values in state.items() if key != first},
        }.items():
            torch.save(wrong, tmp_path / f"{name}.pth")
            with pytest.raises(EncoderError, match=r"extra\.weight|Missing key"):
                load(f"timm:test_resnet@{tmp_path / name}.pth")
