"""Architectures and tags: what cannot work is reported before anything is downloaded, and with what would."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from encoder_models import NOWHERE, SOON_S, load, pooled, put_into_cache, same_pictures
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from safetensors.torch import load_file, save_file

from pipeline.encoders import EncoderSpec
from pipeline.encoders.families.open_clip_config import CLIP_MEAN, CLIP_STD
from pipeline.encoders.families.open_clip_encoder import check_names
from pipeline.encoders.hub import fetch
from pipeline.encoders.weight_names import published_files
from pipeline.errors import EncoderError

SMALLEST = "ViT-S-32-alt"
SAME_MODEL_TOLERANCE = 1e-6
SPEC = EncoderSpec.parse("open_clip:ViT-B-32/laion2b_s34b_b79k")


@pytest.mark.parametrize(
    ("hub", "names"),
    [
        ("owner/name/", [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]),
        ("owner/name/own.bin", ["own.safetensors", "own.bin"]),
        ("owner/name/own.safetensors", ["own.safetensors"]),
        ("owner/name/own.pt", ["own.pt"]),
    ],
)
def test_published_weights_are_looked_for_where_open_clip_has_them(hub: str, names: list[str]) -> None:
    assert published_files(hub) == ("owner/name", names)


def test_images_are_normalised_as_open_clip_does_unless_a_config_says_otherwise() -> None:
    assert (CLIP_MEAN, CLIP_STD) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


class TestUnknownNames:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("open_clip:ViT-B-23/openai", r"no architecture 'ViT-B-23'\. Did you mean .*ViT-B-32"),
            ("open_clip:ViT-B-32-quickgleu/openai", r"Did you mean .*ViT-B-32-quickgelu"),
            ("open_clip:%%%/openai", r"no architecture '%%%'\. See open_clip\.list_models\(\)"),
            ("open_clip:ViT-B-32/opnai", r"no weights tagged 'opnai'\. There are: openai, laion400m_e31"),
            (f"open_clip:{SMALLEST}/openai", "There are: none: name a weights file with @FILE"),
            # open_clip itself would go to the network, or to a folder, for these
            ("open_clip:hf-hub:somebody/something", "no architecture 'hf-hub:somebody'"),
            ("open_clip:local-dir:x/something", "no architecture 'local-dir:x'"),
        ],
    )
    def test_are_answered_with_near_ones(self, name: str, message: str, no_network: Path) -> None:
        start = time.monotonic()
        with pytest.raises(EncoderError, match=message):
            load(name)
        assert time.monotonic() - start < SOON_S

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=rf"weights of open_clip:{SMALLEST}@.*gone\.pt: no file at .*gone\.pt"):
            load(f"open_clip:{SMALLEST}@{tmp_path / 'gone.pt'}")


class TestActivation:
    @pytest.mark.parametrize(
        ("name", "right"),
        [
            ("open_clip:ViT-B-32/openai", "open_clip:ViT-B-32-quickgelu/openai"),
            ("open_clip:ViT-L-14/dfn2b", "open_clip:ViT-L-14-quickgelu/dfn2b"),
            ("open_clip:RN50/openai", "open_clip:RN50-quickgelu/openai"),
        ],
    )
    def test_that_does_not_fit_is_an_error_before_any_download(self, name: str, right: str, no_network: Path) -> None:
        with pytest.raises(EncoderError, match=rf"trained with QuickGELU, .*Use {right}$"):
            load(name)

    def test_of_the_only_architecture_of_a_tag_is_its_own(self, no_network: Path) -> None:
        """Its config says QuickGELU, as its weights were trained; open_clip's registry of weights leaves that out."""
        with pytest.raises(EncoderError, match="not on this machine and cannot be downloaded"):
            load("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k")


@pytest.mark.parametrize(("architecture", "tag"), open_clip.list_pretrained(), ids="/".join)
def test_every_published_pair_is_understood_or_refused_with_one_that_is(architecture: str, tag: str) -> None:
    name = f"open_clip:{architecture}/{tag}"
    spec = EncoderSpec.parse(name)
    assert str(spec) == name
    try:
        check_names(spec)
    except EncoderError as error:
        check_names(EncoderSpec.parse(str(error).rpartition("Use ")[2]))


class TestPreparation:
    def test_of_a_bare_file_is_refused_where_published_weights_differ(self, tmp_path: Path) -> None:
        (tmp_path / "w.safetensors").write_bytes(b"whatever")
        with pytest.raises(EncoderError, match=r"2 different preprocessings.*Put it into a folder with its open_clip_"):
            load(f"open_clip:ViT-L-14@{tmp_path / 'w.safetensors'}")

    def test_of_a_bare_file_is_refused_where_published_weights_have_either_activation(self, tmp_path: Path) -> None:
        (tmp_path / "w.safetensors").write_bytes(b"whatever")
        with pytest.raises(
            EncoderError, match=r"For QuickGELU name (open_clip:ViT-B-32-quickgelu@.*safetensors);"
        ) as e:
            load(f"open_clip:ViT-B-32@{tmp_path / 'w.safetensors'}")
        with pytest.raises(EncoderError, match="cannot be loaded as weights"):
            load(str(e.value).partition("QuickGELU name ")[2].partition(";")[0])


class TestWithoutNetwork:
    def test_a_tag_is_an_error_at_once_that_says_what_to_do(self, no_network: Path) -> None:
        start = time.monotonic()
        message = r"not on this machine and cannot be downloaded .*no network.*open_clip:ViT-B-32@FILE"
        with pytest.raises(EncoderError, match=message):
            load(str(SPEC))
        assert time.monotonic() - start < SOON_S

    def test_cached_weights_are_found_safetensors_first(self, no_network: Path) -> None:
        made = put_into_cache(no_network, "o/m", safe="open_clip_model.safetensors", old="open_clip_pytorch_model.bin")
        assert fetch(SPEC, {"hf_hub": "o/m/"}) == made["safe"]

    def test_cached_weights_of_the_old_kind_are_found(self, no_network: Path) -> None:
        made = put_into_cache(no_network, "o/m", old="open_clip_pytorch_model.bin")
        assert fetch(SPEC, {"hf_hub": "o/m/", "url": f"{NOWHERE}/m.pt"}) == made["old"]

    def test_cached_weights_with_a_name_of_their_own_are_found(self, no_network: Path) -> None:
        made = put_into_cache(no_network, "o/m", old="m.pt", other="open_clip_model.safetensors")
        assert fetch(SPEC, {"hf_hub": "o/m/m.pt"}) == made["old"]

    def test_another_repository_does_not_do(self, no_network: Path) -> None:
        put_into_cache(no_network, "o/m", safe="open_clip_model.safetensors")
        with pytest.raises(EncoderError, match="o/other is not in"):
            fetch(SPEC, {"hf_hub": "o/other/"})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = open_clip.CLIP(**open_clip.get_model_config(SMALLEST)).half().state_dict()
    folder = tmp_path_factory.mktemp("bare")
    files = {suffix: folder / f"weights.{suffix}" for suffix in ("safetensors", "pt")}
    save_file(state, files["safetensors"])
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": values for name, values in state.items()}}, files["pt"])
    yield files
    for path in files.values():
        path.unlink()  # pytest keeps folders for a while, and these are large


class TestBareFile:
    """A built-in architecture with weights of the test's own: the smallest there is has 43 million."""

    def test_features_are_open_clips_own(self, files: dict[str, Path]) -> None:
        pictures = np.random.default_rng(0).integers(0, 256, (2, 100, 130, 3), np.uint8)
        own, _, transform = open_clip.create_model_and_transforms(SMALLEST, pretrained=str(files["safetensors"]))
        with torch.inference_mode():
            expected = own.eval().encode_image(same_pictures(pictures, transform)).numpy()
        digests = set()
        for path in files.values():
            encoder = load(f"open_clip:{SMALLEST}@{path}")
            found = pooled(encoder, np.stack([encoder.preprocess(picture) for picture in pictures]))
            np.testing.assert_allclose(found, expected, atol=SAME_MODEL_TOLERANCE)
            digests.add(encoder.identity["weights"])
        assert len(digests) == 2

    @pytest.mark.parametrize(("wrapper", "prefix"), [("model", ""), ("model_state", "module._orig_mod.")])
    def test_checkpoints_of_other_training_programs_are_read(
        self, wrapper: str, prefix: str, files: dict[str, Path], tmp_path: Path
    ) -> None:
        state = load_file(files["safetensors"])
        torch.save({wrapper: {prefix + name: v for name, v in state.items()}, "args": Namespace()}, tmp_path / "w.pth")
        picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
        found, expected = (load(f"open_clip:{SMALLEST}@{path}") for path in (tmp_path / "w.pth", files["safetensors"]))
        np.testing.assert_array_equal(pooled(found, picture), pooled(expected, picture))
        (tmp_path / "w.pth").unlink()

    def test_safetensors_of_a_compiled_model_are_read(self, files: dict[str, Path], tmp_path: Path) -> None:
        state = load_file(files["safetensors"])
        save_file({f"_orig_mod.{name}": values for name, values in state.items()}, path := tmp_path / "w.safetensors")
        picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
        found, expected = (load(f"open_clip:{SMALLEST}@{name}") for name in (path, files["safetensors"]))
        np.testing.assert_array_equal(pooled(found, picture), pooled(expected, picture))
        path.unlink()

    @pytest.mark.parametrize("suffix", ["safetensors", "pt"])
    def test_weights_of_another_architecture_are_refused(self, suffix: str, files: dict[str, Path]) -> None:
        with pytest.raises(EncoderError, match=rf"weights\.{suffix}.* another input size"):
            load(f"open_clip:ViT-S-16-alt@{files[suffix]}")
