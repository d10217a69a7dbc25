"""BLIP's and ALIGN's text towers: their vectors are those of transformers itself, and nothing is guessed."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_models import BATCH_TOLERANCE, SOON_S, load, put_into_cache
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer
from transformers_models import WIDTHS, reference_vectors, write_model, write_tokenizer

from pipeline.encoders import EncoderSpec, load_image_encoder, require_text_encoder
from pipeline.errors import EncoderError

SENTENCES = ["a sad face .", "a face", "a photo of a very happy person ."]
SAME_MODEL_TOLERANCE = 1e-5  # values of order 10
WEIGHTS, CONFIG = "model.safetensors", "config.json"

both = pytest.mark.parametrize("architecture", ["blip", "align"])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    root = tmp_path_factory.mktemp("transformers")
    return {name: (root / name, write_model(name, root / name)) for name in WIDTHS}


@pytest.fixture
def folder(models: dict[str, tuple[Path, Any]], tmp_path: Path) -> Path:
    """A BLIP model that a test may spoil."""
    return Path(shutil.copytree(models["blip"][0], tmp_path / "blip"))


@both
def test_vectors_are_those_of_transformers(architecture: str, models: dict[str, tuple[Path, Any]]) -> None:
    path, model = models[architecture]
    encoder = load(f"transformers:{architecture}@{path}")
    expected = reference_vectors(model, AutoTokenizer.from_pretrained(path), SENTENCES).numpy()
    found = encoder.encode_text(SENTENCES)
    assert found.dtype == np.float32
    assert found.shape == (3, WIDTHS[architecture])
    np.testing.assert_allclose(found, expected, atol=SAME_MODEL_TOLERANCE)
    assert np.abs(found[0] - found[1]).max() > 1000 * SAME_MODEL_TOLERANCE


def test_blips_own_score_of_an_image_and_a_text_is_had_from_the_vector(models: dict[str, tuple[Path, Any]]) -> None:
    """score[i, p] = <unit image vector i, unit text vector p>: the model's own, where the text is its own affair."""
    path, model = models["blip"]
    tokens = AutoTokenizer.from_pretrained(path)(SENTENCES[:1], return_tensors="pt")
    pixels = torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32)
    with torch.inference_mode():
        own = model(tokens["input_ids"], pixels, use_itm_head=False, attention_mask=tokens["attention_mask"])
        image = model.vision_proj(model.vision_model(pixels).last_hidden_state[:, 0])
    text = torch.from_numpy(load(f"transformers:blip@{path}").encode_text(SENTENCES[:1]))
    score = torch.nn.functional.cosine_similarity(image, text)
    torch.testing.assert_close(own.itm_score[0], score, atol=1e-5, rtol=0)


@both
def test_a_batch_and_its_padding_change_no_row(architecture: str, models: dict[str, tuple[Path, Any]]) -> None:
    encoder = load(f"transformers:{architecture}@{models[architecture][0]}")
    alone = np.concatenate([encoder.encode_text([sentence]) for sentence in SENTENCES])
    np.testing.assert_allclose(alone, encoder.encode_text(SENTENCES), atol=10 * BATCH_TOLERANCE)


def test_weights_may_be_a_checkpoint_of_tensors(folder: Path) -> None:
    before = load(f"transformers:blip@{folder}").encode_text(SENTENCES)
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    np.testing.assert_array_equal(load(f"transformers:blip@{folder}").encode_text(SENTENCES), before)


def test_weights_stored_as_float16_are_computed_in_float32(folder: Path) -> None:
    before = load(f"transformers:blip@{folder}").encode_text(SENTENCES)
    save_file({name: values.half() for name, values in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)
    after = load(f"transformers:blip@{folder}").encode_text(SENTENCES)
    assert after.dtype == np.float32
    np.testing.assert_allclose(after, before, atol=0.5)


def test_a_vocabulary_alone_is_a_tokenizer(folder: Path, models: dict[str, tuple[Path, Any]]) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    write_tokenizer(folder)
    expected = load(f"transformers:blip@{models['blip'][0]}").encode_text(SENTENCES)
    np.testing.assert_allclose(load(f"transformers:blip@{folder}").encode_text(SENTENCES), expected, atol=1e-5)


def test_images_are_refused_with_what_to_do(models: dict[str, tuple[Path, Any]]) -> None:
    spec = EncoderSpec.parse(f"transformers:align@{models['align'][0]}")
    assert require_text_encoder(load(str(spec))).encode_text(["a face"]).dtype == np.float32
    with pytest.raises(
        EncoderError, match=r"transformers:align reads sentences only.*open_clip or timm.*with it as `text`"
    ):
        load_image_encoder(spec, "cpu")


class TestIdentity:
    def test_is_plain_json_and_does_not_change_with_the_path(
        self, folder: Path, models: dict[str, tuple[Path, Any]]
    ) -> None:
        identity = load(f"transformers:blip@{folder}").identity
        assert json.loads(json.dumps(identity)) == identity == load(f"transformers:blip@{models['blip'][0]}").identity
        assert identity["config"]["width"] == 12
        assert identity["activation"] == "gelu"

    @pytest.mark.parametrize("file", [WEIGHTS, "tokenizer.json", CONFIG])
    def test_changes_with_weights_tokenizer_and_config(self, folder: Path, file: str) -> None:
        before = load(f"transformers:blip@{folder}").identity
        if file == WEIGHTS:
            state = load_file(folder / file)
            save_file({name: values + 1 for name, values in state.items()}, folder / file)
        else:
            data = json.loads((folder / file).read_text())
            changed = {"text_config": {"layer_norm_eps": 0.001}, "normalizer": {"lowercase": False}}
            part = "text_config" if file == CONFIG else "normalizer"
            (folder / file).write_text(json.dumps(data | {part: data[part] | changed[part]}))
        after = load(f"transformers:blip@{folder}").identity
        field = {WEIGHTS: "weights", "tokenizer.json": "tokenizer", CONFIG: "config"}[file]
        assert {name for name in before if before[name] != after[name]} == {field}


class TestRefusals:
    def test_of_an_unknown_architecture_suggest_the_nearest(self) -> None:
        with pytest.raises(EncoderError, match=r"transformers:blipp: .*Did you mean 'blip'\?"):
            load("transformers:blipp@somewhere")

    def test_of_another_models_folder_say_what_it_is(self, models: dict[str, tuple[Path, Any]]) -> None:
        with pytest.raises(EncoderError, match="expected the config of a blip model, found one of align"):
            load(f"transformers:blip@{models['align'][0]}")

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "blip", "text_config": {"hidden_size": "wide"}}'])
    def test_of_a_config_that_is_none(self, folder: Path, text: str) -> None:
        (folder / CONFIG).write_text(text)
        with pytest.raises(EncoderError, match=r"config\.json: expected the config of a blip model"):
            load(f"transformers:blip@{folder}")

    def test_of_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"transformers:blip: no file at .*config\.json"):
            load(f"transformers:blip@{tmp_path / 'gone'}")

    def test_of_a_folder_without_weights(self, folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        with pytest.raises(EncoderError, match=r"no weights there\. Expected one of model\.safetensors, pytorch_model"):
            load(f"transformers:blip@{folder}")

    def test_of_weights_that_lack_the_projection(self, folder: Path) -> None:
        """A BLIP for captions has no such layer: transformers alone would start one at random and go on."""
        state = {name: values for name, values in load_file(folder / WEIGHTS).items() if "proj" not in name}
        save_file(state, folder / WEIGHTS)
        message = r"lacks 2, first text_proj\.bias\. .*such as Salesforce/blip-itm-base-coco"
        with pytest.raises(EncoderError, match=message):
            load(f"transformers:blip@{folder}")

    def test_of_weights_of_another_size(self, folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        save_file(state | {"text_proj.weight": torch.zeros(5, 16)}, folder / WEIGHTS)
        with pytest.raises(EncoderError, match=r"cannot be loaded as weights .*size mismatch"):
            load(f"transformers:blip@{folder}")

    def test_of_weights_that_would_run_code(self, folder: Path, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return (Path.touch, (tmp_path / "ran",))

        torch.save({"text_proj.weight": Evil()}, folder / "pytorch_model.bin")
        (folder / WEIGHTS).unlink()
        with pytest.raises(EncoderError, match=r"pytorch_model\.bin cannot be loaded as weights"):
            load(f"transformers:blip@{folder}")
        assert not (tmp_path / "ran").exists()

    def test_of_a_folder_without_a_tokenizer(self, folder: Path) -> None:
        """transformers alone would make one of five words, and every sentence the same."""
        for path in [*folder.glob("*token*"), *folder.glob("vocab*")]:
            path.unlink()
        with pytest.raises(EncoderError, match=r"expected tokenizer\.json or vocab\.txt .*, found neither in"):
            load(f"transformers:blip@{folder}")

    @pytest.mark.parametrize("text", ["", "{", "[1]"])
    def test_of_a_tokenizer_that_is_none(self, folder: Path, text: str) -> None:
        (folder / "tokenizer.json").write_text(text)
        with pytest.raises(EncoderError, match=r"expected tokenizer\.json or vocab\.txt .*, found a file that is none"):
            load(f"transformers:blip@{folder}")

    def test_of_another_models_tokenizer(self, folder: Path) -> None:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        (folder / "vocab.txt").write_text(
            "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(99))])
        )
        with pytest.raises(EncoderError, match="with at most 32 words, found 104: another model's"):
            load(f"transformers:blip@{folder}")

    def test_of_a_sentence_that_is_too_long_instead_of_cutting_it(self, folder: Path) -> None:
        with pytest.raises(EncoderError, match=r"a sentence has 32 tokens, the model reads 24\. Shorten it"):
            load(f"transformers:blip@{folder}").encode_text(["a face " * 15])


class TestHub:
    SPEC = EncoderSpec.parse("transformers:blip/Salesforce/blip-itm-base-coco")

    def test_without_a_network_is_an_error_at_once_that_says_what_to_do(self, no_network: Path) -> None:
        start = time.monotonic()
        with pytest.raises(EncoderError, match=r"not on this machine .*name a local copy: transformers:blip@DIR"):
            load(str(self.SPEC))
        assert time.monotonic() - start < SOON_S

    def test_a_cached_repository_is_read_without_a_network(self, no_network: Path, folder: Path) -> None:
        names = {path.name: path.name for path in folder.iterdir()}
        made = put_into_cache(no_network, self.SPEC.tag, **names)
        for name, path in made.items():
            shutil.copy(folder / name, path)
        found = load(str(self.SPEC)).encode_text(SENTENCES)
        np.testing.assert_array_equal(found, load(f"transformers:blip@{folder}").encode_text(SENTENCES))


def test_without_transformers_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.encoders.load.find_spec", lambda _name: None)
    with pytest.raises(EncoderError, match=r"pip install 'fer-stage\[vlm\]'"):
        load("transformers:blip@somewhere")
