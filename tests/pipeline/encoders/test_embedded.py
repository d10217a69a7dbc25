"""The encoders that need neither network nor files: `mini`, which knows faces, and `untrained`, which knows nothing."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_models import BATCH_TOLERANCE, faces, load, pooled, run_python

from pipeline.datasets.drawn import draw_face, sample_specs
from pipeline.encoders import Encoder, EncoderSpec
from pipeline.encoders.families.embedded_family import MINI_FOLDER
from pipeline.encoders.families.mini_encoder import load_mini
from pipeline.encoders.families.open_clip_encoder import load_open_clip
from pipeline.errors import EncoderError
from pipeline.prompts import PROMPT_SETS, encode_prompts
from pipeline.tables.labels import expressions

ELSEWHERE = """
import json, sys, torch
torch.manual_seed(99); torch.rand(7)
from pipeline.encoders import EncoderSpec, load_encoder
print(json.dumps(load_encoder(EncoderSpec.parse(sys.argv[1]), "cpu").identity))
"""
SHAPES = {"untrained": (64, 256), "mini": (160, 512)}  # input size, width
MOST_BYTES = 20_000_000
STYLES = [f"sample-{letter}" for letter in "abcde"]


@pytest.fixture(scope="module", params=list(SHAPES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def encoder(name: str) -> Encoder:
    return load(name)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A copy of the folder that the package carries."""
    return Path(shutil.copytree(MINI_FOLDER, tmp_path / "mini"))


def test_is_the_same_in_every_process(name: str, encoder: Encoder) -> None:
    assert json.loads(run_python(ELSEWHERE, name)) == encoder.identity


def test_leaves_the_global_randomness_alone(name: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load(name)
    assert torch.equal(torch.rand(3), expected)


def test_says_that_it_is_not_clip(name: str, encoder: Encoder) -> None:
    assert encoder.note.startswith(f"{name}: ")
    assert encoder.note.endswith("its numbers say nothing about CLIP")
    assert encoder.identity["architecture"] == name


def test_gives_a_row_an_image(name: str, encoder: Encoder) -> None:
    size, width = SHAPES[name]
    features = pooled(encoder, faces(3, size))
    assert (features.shape, features.dtype) == ((3, width), np.float32)
    assert encoder.width == width
    assert encoder.preprocess.size == size


def test_features_are_raw(encoder: Encoder) -> None:
    lengths = np.linalg.norm(pooled(encoder, faces(4, encoder.preprocess.size)), axis=1)
    assert abs(lengths - 1).min() > 0.01
    assert lengths.std() > 0


def test_features_tell_images_apart(encoder: Encoder) -> None:
    size = encoder.preprocess.size
    features = pooled(encoder, np.stack([np.full((size, size, 3), v, np.uint8) for v in (0, 128, 255)]))
    assert min(np.abs(features[i] - features[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.01


def test_a_batch_changes_no_row_and_no_order(encoder: Encoder) -> None:
    pixels = faces(7, encoder.preprocess.size)
    together = pooled(encoder, pixels)
    alone = np.concatenate([pooled(encoder, pixels[i : i + 1]) for i in range(7)])
    padded = pooled(encoder, np.concatenate([pixels, np.repeat(pixels[-1:], 9, axis=0)]))[:7]
    backwards = pooled(encoder, np.ascontiguousarray(pixels[::-1]))[::-1]
    for other in (alone, padded, backwards):
        # Of the largest value: kernels, and how they round, depend on the size of a batch and on the processor.
        np.testing.assert_allclose(other, together, rtol=0, atol=BATCH_TOLERANCE * np.abs(together).max())


def test_the_same_batch_gives_the_same_bytes(encoder: Encoder) -> None:
    pixels = faces(4, encoder.preprocess.size)
    assert pooled(encoder, pixels).tobytes() == pooled(encoder, pixels).tobytes()


def test_text_gives_a_row_a_sentence(encoder: Encoder) -> None:
    vectors = encoder.encode_text(["a sad face", "an angry face", "a sad face"])
    assert (vectors.shape, vectors.dtype) == ((3, encoder.width), np.float32)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=BATCH_TOLERANCE)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01
    assert abs(np.linalg.norm(vectors, axis=1) - 1).min() > 0.01


class TestMini:
    def test_says_which_datasets_it_was_tuned_on(self) -> None:
        assert load("mini").trained_on == ("ferplus", "muxspace", "sample")
        assert load("untrained").trained_on == ()

    @pytest.mark.parametrize("style", STYLES)
    def test_names_the_expressions_of_drawn_people_it_never_saw(self, style: str) -> None:
        """Zero-shot with sentences that it was not tuned with; four faces in ten are happy or neutral at chance."""
        encoder, classes = load("mini"), expressions(7)
        specs = sample_specs(style, 140, seed=77)
        features = pooled(encoder, np.stack([encoder.preprocess(draw_face(spec, style)) for spec in specs]))
        text = encode_prompts(encoder, PROMPT_SETS["kefer"], classes)[-1]
        found = (features @ (text / np.linalg.norm(text, axis=1, keepdims=True)).T).argmax(1)
        assert np.mean([classes[i] == spec.label for i, spec in zip(found, specs, strict=True)]) > 0.6

    def test_its_weights_are_small_and_in_half_precision(self) -> None:
        weights = MINI_FOLDER / "open_clip_model.safetensors"
        header = weights.read_bytes()[8:200_000].decode("latin-1")
        assert weights.stat().st_size <= MOST_BYTES
        assert '"F32"' not in header
        assert '"F16"' in header

    def test_its_card_says_what_people_must_know(self) -> None:
        card = " ".join((MINI_FOLDER / "README.md").read_text("utf-8").split())
        for phrase in ("not CLIP", "Apache-2.0", "seen domains", "not for decisions about people", "majority"):
            assert phrase in card
        assert json.loads((MINI_FOLDER / "about.json").read_text())["sha256"][:12] in card

    def test_one_flipped_bit_is_told(self, elsewhere: Path) -> None:
        weights = elsewhere / "open_clip_model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1000] ^= 1
        weights.write_bytes(data)
        with pytest.raises(EncoderError, match=r"damaged or of another version\. Install fer-stage again"):
            load_mini(EncoderSpec.parse("mini"), torch.device("cpu"), folder=elsewhere)

    def test_weights_of_another_version_are_told(self, elsewhere: Path) -> None:
        about = elsewhere / "about.json"
        about.write_text(json.dumps(json.loads(about.read_text()) | {"version": 99, "sha256": "0" * 64}))
        with pytest.raises(EncoderError, match=r"weights of mini 99 \(sha256 000000000000\), found \d+ bytes"):
            load_mini(EncoderSpec.parse("mini"), torch.device("cpu"), folder=elsewhere)

    def test_missing_weights_are_told(self, elsewhere: Path) -> None:
        (elsewhere / "open_clip_model.safetensors").unlink()
        with pytest.raises(EncoderError, match=r"the embedded encoder mini: no file at .*Install fer-stage again"):
            load_mini(EncoderSpec.parse("mini"), torch.device("cpu"), folder=elsewhere)

    def test_weights_of_another_architecture_are_refused(self, elsewhere: Path) -> None:
        config = elsewhere / "open_clip_config.json"
        config.write_text(config.read_text().replace("tf_efficientnet_lite0", "resnet18"))
        with pytest.raises(EncoderError, match=r"expected vision_cfg .*found .*resnet18"):
            load_mini(EncoderSpec.parse("mini"), torch.device("cpu"), folder=elsewhere)


@pytest.fixture(scope="module")
def built() -> Any:
    """The folder of mini as open_clip and timm build it."""
    return load_open_clip(EncoderSpec("open_clip", "mini", path=MINI_FOLDER), torch.device("cpu"))


class TestMiniIsWhatOpenClipBuilds:
    @pytest.mark.parametrize("runtime", ["eager", "openvino"])
    def test_features_are_the_same_bytes(self, built: Any, runtime: str) -> None:
        if runtime == "openvino" and not find_spec("openvino"):
            pytest.skip("OpenVINO is not installed")
        mini, expected = load("mini").with_runtime(runtime), built.with_runtime(runtime)
        for n in (1, 9):
            features, outputs = faces(n, 160, seed=n), ("pooled", "tokens")
            ours, theirs = mini.encode_images(features, outputs), expected.encode_images(features, outputs)
            assert {name: ours[name].tobytes() for name in outputs} == {
                name: theirs[name].tobytes() for name in outputs
            }
        assert mini.runtime == expected.runtime

    def test_text_and_learned_prompts_are_the_same_bytes(self, built: Any) -> None:
        mini, sentences = load("mini"), ["a happy face", "an angry, angry person", "", "x" * 200]
        assert mini.encode_text(sentences).tobytes() == built.encode_text(sentences).tobytes()
        ours, theirs = mini.prompts, built.prompts
        assert (ours.context, ours.width, ours.truncates, ours.logit_scale) == (
            theirs.context,
            theirs.width,
            theirs.truncates,
            theirs.logit_scale,
        )
        ids = [*ours.start, *ours.words("a sad face"), ours.end]
        ends = torch.tensor([len(ids) - 1])
        vectors = [tower.encode(tower.embed(ids)[None], ends) for tower in (ours, theirs)]
        assert torch.equal(*vectors)
        assert ours.nearest_words(ours.embed(ids[1:2])) == theirs.nearest_words(theirs.embed(ids[1:2]))

    def test_identity_and_names_of_weights_are_the_same(self, built: Any) -> None:
        mini = load("mini")
        assert (mini.identity, mini.text_identity, mini.preprocess) == (
            built.identity,
            built.text_identity,
            built.preprocess,
        )
        assert list(mini.row_shapes.items()) == list(built.row_shapes.items())
        assert list(mini.tower.state_dict()) == list(built.tower.state_dict())

    def test_images_and_texts_are_encoded_without_the_libraries_that_it_was_made_with(self) -> None:
        program = """
import sys
import numpy as np
from pipeline.encoders import EncoderSpec, load_encoder
mini = load_encoder(EncoderSpec.parse("mini"), "cpu", "eager")
mini.encode_images(np.zeros((1, 160, 160, 3), np.uint8))
mini.encode_text(["a face"])
print([name for name in ("open_clip", "timm", "torchvision", "transformers", "torch._dynamo") if name in sys.modules])
"""
        assert run_python(program) == "[]\n"
