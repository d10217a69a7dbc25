"""A folder with open_clip's own config: features, text and preparation are those of open_clip itself."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from encoder_models import BATCH_TOLERANCE, MODEL, faces, load, pooled, same_pictures, write_clip_folder

from pipeline.encoders import encodes_images, encodes_text
from pipeline.errors import EncoderError

SENTENCES = ["a sad face", "a face", "somebody who is very angry indeed"]
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
SAME_MODEL_TOLERANCE = 1e-6


def test_features_are_open_clips_own(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 40, 50, 3), np.uint8)
    features = {}
    for quick_gelu in (False, True):
        folder, _ = write_clip_folder(tmp_path / str(quick_gelu), quick_gelu=quick_gelu)
        encoder = load(f"open_clip:small@{folder}")
        own, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
        features[quick_gelu] = pooled(encoder, np.stack([encoder.preprocess(picture) for picture in pictures]))
        with torch.inference_mode():
            expected = own.eval().encode_image(same_pictures(pictures, transform)).numpy()
        np.testing.assert_allclose(features[quick_gelu], expected, atol=SAME_MODEL_TOLERANCE)
        assert encoder.identity["activation"] == ("quick_gelu" if quick_gelu else "gelu")
        assert encoder.width == MODEL["embed_dim"]
    assert np.abs(features[True] - features[False]).max() > 1e-3


def test_text_is_open_clips_own(tmp_path: Path) -> None:
    folder, own = write_clip_folder(tmp_path / "clip")
    encoder = load(f"open_clip:small@{folder}")
    assert encodes_images(encoder)
    assert encodes_text(encoder)
    with torch.inference_mode():
        expected = own.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(SENTENCES)).numpy()
    np.testing.assert_allclose(encoder.encode_text(SENTENCES), expected, atol=SAME_MODEL_TOLERANCE)


def test_a_batch_changes_no_row(tmp_path: Path) -> None:
    folder, _ = write_clip_folder(tmp_path / "clip")
    encoder, pixels = load(f"open_clip:small@{folder}"), faces(5, 32)
    alone = np.concatenate([pooled(encoder, pixels[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, pooled(encoder, pixels), atol=BATCH_TOLERANCE)


def test_weights_may_be_a_checkpoint_of_tensors(tmp_path: Path) -> None:
    pixels = faces(2, 32)
    names = (WEIGHTS, "open_clip_pytorch_model.bin")
    folders = [write_clip_folder(tmp_path / str(i), name=name)[0] for i, name in enumerate(names)]
    first, second = (pooled(load(f"open_clip:small@{folder}"), pixels) for folder in folders)
    np.testing.assert_array_equal(first, second)


def test_loading_says_nothing_and_silences_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, _ = write_clip_folder(tmp_path / "clip")
    load(f"open_clip:small@{folder}")
    assert caplog.records == []
    logging.getLogger("somebody").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]


class TestIdentity:
    def test_is_plain_json_and_holds_config_and_digest(self, tmp_path: Path) -> None:
        folder, _ = write_clip_folder(tmp_path / "clip")
        identity = load(f"open_clip:small@{folder}").identity
        assert json.loads(json.dumps(identity)) == identity
        assert identity["config"] == MODEL
        assert len(identity["weights"]) == 64

    def test_does_not_change_with_the_path(self, tmp_path: Path) -> None:
        folder, _ = write_clip_folder(tmp_path / "clip")
        other = shutil.copytree(folder, tmp_path / "moved" / "elsewhere")
        assert load(f"open_clip:small@{other}").identity == load(f"open_clip:small@{folder}").identity

    def test_changes_with_weights_activation_and_config(self, tmp_path: Path) -> None:
        plain, other_weights, quick, other_config = (
            load(f"open_clip:small@{write_clip_folder(tmp_path / str(i), **how)[0]}").identity  # type: ignore[arg-type]
            for i, how in enumerate([{}, {"seed": 1}, {"quick_gelu": True}, {"embed_dim": 16}])
        )
        changed = [
            {name for name in plain if plain[name] != other[name]} for other in (other_weights, quick, other_config)
        ]
        assert changed == [{"weights"}, {"activation", "config"}, {"config", "weights"}]


class TestBrokenFolders:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return write_clip_folder(tmp_path / "clip")[0]

    def test_without_config(self, folder: Path) -> None:
        (folder / CONFIG).unlink()
        with pytest.raises(EncoderError, match=rf"a local open_clip folder: no file at .*{CONFIG}"):
            load(f"open_clip:small@{folder}")

    def test_without_weights(self, folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        with pytest.raises(EncoderError, match=rf"no weights there\. Expected one of {WEIGHTS}, "):
            load(f"open_clip:small@{folder}")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "3",
            "{}",
            '{"model_cfg": 3}',
            '{"model_cfg": {"embed_dim": 8}}',
            '{"model_cfg": {"vision_cfg": {}}, "preprocess_cfg": {"mean": 0.5}}',
            '{"model_cfg": {"vision_cfg": {}}, "preprocess_cfg": []}',
        ],
    )
    def test_with_a_config_that_is_none(self, folder: Path, text: str) -> None:
        (folder / CONFIG).write_text(text)
        with pytest.raises(EncoderError, match=rf"{CONFIG}: expected "):
            load(f"open_clip:small@{folder}")

    def test_with_a_config_that_open_clip_cannot_build(self, folder: Path) -> None:
        data = json.loads((folder / CONFIG).read_text())
        data["model_cfg"]["flux_capacitor"] = True
        (folder / CONFIG).write_text(json.dumps(data))
        with pytest.raises(EncoderError, match="flux_capacitor"):
            load(f"open_clip:small@{folder}")

    @pytest.mark.parametrize(
        ("vision", "preprocess", "message"),
        [
            ({"image_size": [32, 16]}, {}, "image size 32x16: only square inputs are supported"),
            ({}, {"resize_mode": "longest"}, r"resize mode `longest` \(padding\) is not supported"),
        ],
    )
    def test_with_a_preparation_that_we_do_not_have(
        self, folder: Path, vision: dict[str, object], preprocess: dict[str, str], message: str
    ) -> None:
        data = json.loads((folder / CONFIG).read_text())
        data["model_cfg"]["vision_cfg"] |= vision
        data["preprocess_cfg"] |= preprocess
        (folder / CONFIG).write_text(json.dumps(data))
        with pytest.raises(EncoderError, match=message):
            load(f"open_clip:small@{folder}")

    def test_with_the_weights_of_another_architecture(self, folder: Path, tmp_path: Path) -> None:
        wider, _ = write_clip_folder(tmp_path / "wider", embed_dim=48)
        shutil.copy(wider / WEIGHTS, folder / WEIGHTS)
        with pytest.raises(EncoderError, match=r"cannot be loaded as weights of this architecture .*size mismatch"):
            load(f"open_clip:small@{folder}")

    @pytest.mark.parametrize(
        ("tower", "change"), [("vision_cfg", {"image_size": 64}), ("text_cfg", {"context_length": 24})]
    )
    def test_with_the_weights_of_another_input_size(
        self, folder: Path, tower: str, change: dict[str, int], tmp_path: Path
    ) -> None:
        """open_clip alone would stretch the positions until they fit: features of a model that was never trained."""
        larger, _ = write_clip_folder(tmp_path / "larger", **{tower: MODEL[tower] | change})
        shutil.copy(larger / WEIGHTS, folder / WEIGHTS)
        with pytest.raises(EncoderError, match=r"expected .*positional_embedding of shape .*another input size"):
            load(f"open_clip:small@{folder}")

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:-1],
            lambda data: data[: len(data) // 2],
            lambda data: data[:20],
            lambda data: b"\xff" * 8 + data[8:],
            lambda data: b"not weights at all",
        ],
    )
    @pytest.mark.parametrize("name", [WEIGHTS, "open_clip_pytorch_model.bin"])
    def test_with_damaged_weights(self, name: str, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
        folder, _ = write_clip_folder(tmp_path / "clip", name=name)
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
        with pytest.raises(EncoderError, match=rf"{name} cannot be loaded as weights"):
            load(f"open_clip:small@{folder}")

    def test_with_a_tokenizer_that_is_not_there(self, tmp_path: Path) -> None:
        text = MODEL["text_cfg"] | {"hf_tokenizer_name": "nobody/nothing"}
        folder, _ = write_clip_folder(tmp_path / "clip", text_cfg=text)
        encoder = load(f"open_clip:small@{folder}")
        assert pooled(encoder, faces(1, 32)).shape == (1, MODEL["embed_dim"])
        with pytest.raises(EncoderError, match=r"its tokenizer cannot be made .* needs the package transformers"):
            encoder.encode_text(SENTENCES)
