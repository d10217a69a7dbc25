"""timm towers: the pooled feature before the classifier, with weights from a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from encoder_models import BATCH_TOLERANCE, faces, load, own_transform, pooled, same_pictures
from safetensors.torch import save_file

from pipeline.encoders import encodes_text, require_text_encoder
from pipeline.errors import EncoderError
from pipeline.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

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
    assert not encodes_text(encoder)
    with pytest.raises(EncoderError, match="timm:test_resnet has no text tower"):
        require_text_encoder(encoder)


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


@pytest.mark.parametrize("architecture", ["test_resnet", "test_efficientnet", "test_vit"])
@pytest.mark.parametrize("n_classes", [8, 0])
def test_weights_of_another_classifier_or_of_none_give_the_same_features(
    architecture: str, n_classes: int, tmp_path: Path
) -> None:
    own = write_timm(architecture, tmp_path / "own.pth").state_dict()
    other = write_timm(architecture, tmp_path / "other.pth", num_classes=n_classes).state_dict()
    torch.save(
        other | {name: own[name] for name in other if name in own and own[name].shape == other[name].shape},
        tmp_path / "w.pth",
    )
    expected, found = (load(f"timm:{architecture}@{tmp_path / name}") for name in ("own.pth", "w.pth"))
    pixels = faces(2, 160)
    np.testing.assert_array_equal(pooled(found, pixels), pooled(expected, pixels))


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state", "model_state_dict", "state_dict_ema"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
def test_checkpoints_of_training_programs_are_read(wrapper: str, prefix: str, tmp_path: Path) -> None:
    state = write_timm("test_resnet", tmp_path / "w.pth").state_dict()
    wrapped = {wrapper: {prefix + name: values for name, values in state.items()}}
    torch.save(wrapped | {"args": Namespace(lr=0.1), "epoch": 3}, tmp_path / "c.pth")
    expected, found = (load(f"timm:test_resnet@{tmp_path / name}") for name in ("w.pth", "c.pth"))
    np.testing.assert_array_equal(pooled(found, faces(1, 160)), pooled(expected, faces(1, 160)))


class TestTags:
    def test_one_that_is_named_gives_its_own_preparation(self, tmp_path: Path) -> None:
        write_timm("resnet18", tmp_path / "w.pth")
        bicubic, bilinear = (load(f"timm:resnet18.{tag}@{tmp_path / 'w.pth'}") for tag in ("a1_in1k", "tv_in1k"))
        assert bicubic.preprocess == Preprocess(224, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        assert bilinear.preprocess == Preprocess(224, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD)
        assert bicubic.identity == bilinear.identity  # the preparation is no part of it
        assert bicubic.identity["architecture"] == "resnet18"  # as in heads and stores that were made without a tag

    def test_one_is_asked_for_where_published_weights_are_prepared_differently(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"Name it.*: timm:resnet18\.a1_in1k@.*There are: .*resnet18\.tv_in1k"):
            load(f"timm:resnet18@{tmp_path / 'w.pth'}")

    def test_one_that_is_not_published_is_refused_with_those_that_are(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"timm:resnet18 has no weights tagged 'openai'\. There are: a1_in1k"):
            load(f"timm:resnet18.openai@{tmp_path / 'w.pth'}")

    def test_one_that_was_trained_with_quick_gelu_is_refused_with_the_architecture_that_has_it(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "gone.pth"
        with pytest.raises(EncoderError, match="trained with QuickGELU") as refused:
            load(f"timm:vit_base_patch32_clip_224.openai@{path}")
        right = f"timm:vit_base_patch32_clip_quickgelu_224.openai@{path}"
        assert str(refused.value).endswith(f"Use {right}")
        with pytest.raises(EncoderError, match="no file at"):
            load(right)

    def test_one_is_asked_for_where_some_were_trained_with_quick_gelu(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"There are: .*vit_base_patch32_clip_quickgelu_224\.openai"):
            load(f"timm:vit_base_patch32_clip_224@{tmp_path / 'w.pth'}")

    @pytest.mark.parametrize("name", [n for n in timm.list_pretrained() if "clip" in n])
    def test_every_published_clip_tower_is_understood_or_refused_with_one_that_is(self, name: str) -> None:
        with pytest.raises(EncoderError) as refused:
            load(f"timm:{name}@nowhere.pth")
        if "no file at" not in str(refused.value):
            with pytest.raises(EncoderError, match="no file at"):
                load(str(refused.value).rpartition("Use ")[2])


class TestRefused:
    def test_a_checkpoint_of_several_models(self, tmp_path: Path) -> None:
        state = write_timm("test_resnet", tmp_path / "w.pth").state_dict()
        torch.save({"state_dict": state, "state_dict_ema": state}, tmp_path / "two.pth")
        with pytest.raises(EncoderError, match="several models: state_dict, state_dict_ema"):
            load(f"timm:test_resnet@{tmp_path / 'two.pth'}")

    @pytest.mark.parametrize(
        ("architecture", "message"),
        [
            ("resnet81", r"timm has no architecture 'resnet81'\. Did you mean 'resnet18' or"),
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
