"""Text for a head: the features' own encoder's by default, another's if it is named; prompts of one's own."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from transformers_models import write_model

from cache import Store
from cache.errors import StoreMissingError
from cache.features_root import find_store
from cache.places import as_path
from cache.texts import TextStore, text_path
from pipeline.encoders import EncoderSpec
from pipeline.tables.labels import EXPRESSIONS
from stages.cli import run
from stages.errors import StageError
from stages.remedies import as_commands
from stages.workflows.text_vectors import text_for

FerStage = Callable[..., Any]
FEATURES = as_path("features")


@pytest.fixture
def store(project: Path) -> Store:
    return find_store(FEATURES, "untrained", "sample-a")


def _write(encoder: str, width: int, templates: tuple[str, ...] = ("a [CLS]",)) -> None:
    vectors = np.ones((len(templates), len(EXPRESSIONS), width), np.float32)
    path = text_path(FEATURES, encoder, "kefer")
    path.parent.mkdir(parents=True, exist_ok=True)
    TextStore(vectors, templates, EXPRESSIONS, {"family": "transformers"}, {}).write(path)


def test_the_features_own_encoder_is_the_default(store: Store) -> None:
    text = text_for(FEATURES, "untrained", "kefer", store)
    assert dict(text.encoder) == store.encoder["encoder"]
    assert (text.vectors.shape, text.classes) == ((9, 8, 256), EXPRESSIONS)


def test_text_of_another_encoder_is_read_by_its_name_whatever_its_width(store: Store) -> None:
    _write("blip", width=12)
    text = text_for(FEATURES, "blip", "kefer", store)
    assert (text.width, text.encoder["family"]) == (12, "transformers")


def test_text_of_another_encoder_under_the_name_of_the_features_encoder_is_refused(store: Store) -> None:
    _write("untrained", width=256)
    with pytest.raises(StageError, match=r"comes from another encoder ") as error:
        text_for(FEATURES, "untrained", "kefer", store)
    assert as_commands(error.value).endswith(
        "Run `fer-stage encode-text --encoder untrained --prompts kefer` to make it again"
    )


def test_an_encoder_without_text_is_refused_with_what_to_name(store: Store) -> None:
    _write("lite0", width=0, templates=())
    with pytest.raises(StageError, match=r"`lite0` has no text tower.*--text mini$") as error:
        text_for(FEATURES, "lite0", "kefer", store)
    assert as_commands(error.value).endswith("Run `fer-stage encode-text --encoder mini --prompts kefer` to make it")


@pytest.mark.parametrize("method", ["kefer", "zero-shot"])
def test_the_advice_for_an_encoder_without_text_works_when_it_is_followed(
    method: str, project: Path, fer_stage: FerStage
) -> None:
    torch.save(timm.create_model("test_efficientnet").state_dict(), "w.pth")
    params = Path("params.yaml").read_text().replace("encoders: [untrained]", "encoders: [words]")
    encoders = "encoders: {lite0: 'timm:test_efficientnet@w.pth', words: untrained}"
    Path("params.yaml").write_text(params.replace("encoders: {untrained: untrained}", encoders))
    fer_stage("extract", "--dataset", "sample-a", "--encoder", "lite0", "--decoders", "1")
    train = ("train", "--method", method, "--dataset", "sample-a")
    message = fer_stage(*train, "--encoder", "lite0", code=1)
    assert "the encoder `lite0` has no text tower" in message
    commands = [shlex.split(command) for command in re.findall("`fer-stage ([^`]+)`", message)]
    assert [command[0] for command in commands] == (
        ["encode-text"] if method == "kefer" else ["extract", "encode-text"]
    )
    for command in commands:
        fer_stage(*command)
    option, name = re.findall(r"such as (--text|--encoder) (\w+)\. Run `", message)[0]
    fer_stage(*train, *(("--encoder", "lite0") if option == "--text" else ()), option, name)


def test_text_that_was_never_encoded_names_the_command(store: Store) -> None:
    with pytest.raises(StoreMissingError, match="no text vectors") as missing:
        text_for(FEATURES, "blip", "kefer", store)
    assert "Run `fer-stage encode-text --encoder blip --prompts kefer` to make them" in as_commands(missing.value)
    written = "transformers:blip/Salesforce/blip-itm-base-coco"
    folder = EncoderSpec.parse(written).slug
    with pytest.raises(StoreMissingError, match="no text vectors") as missing:
        text_for(FEATURES, folder, "kefer", store, written=written)
    assert f"Run `fer-stage encode-text --encoder {written} --prompts kefer` to make them" in as_commands(missing.value)


def test_prompts_of_ones_own_are_encoded_and_encoded_again_when_they_change(empty: Path, fer_stage: FerStage) -> None:
    Path("params.yaml").write_text("prompt_sets: {mine: ['a [CLS]', 'so [ADJ]']}\nprompts: mine")
    first = fer_stage("encode-text", "--format", "json")
    assert TextStore.read(Path(first["path"])).templates == ("a [CLS]", "so [ADJ]")
    Path("params.yaml").write_text("prompt_sets: {mine: ['the [CLS]']}\nprompts: mine")
    assert fer_stage("encode-text", "--format", "json")["key"] != first["key"]
    assert TextStore.read(Path(first["path"])).templates == ("the [CLS]",)
    assert "expected one of" in fer_stage("encode-text", "--prompts", "yours", code=1)


def test_a_model_of_transformers_is_encoded_like_any_other(empty: Path, fer_stage: FerStage) -> None:
    write_model("blip", Path("blip"))
    Path("params.yaml").write_text("encoders: {blip: 'transformers:blip@blip'}\nrun: {encoders: [blip]}")
    path = Path(fer_stage("encode-text", "--prompts", "clip-faces", "--format", "json")["path"])
    texts, written = TextStore.read(path), path.stat().st_mtime_ns
    assert texts.vectors.shape == (6, 8, 12)
    assert texts.encoder["architecture"] == "blip"
    fer_stage("encode-text", "--prompts", "clip-faces")
    assert path.stat().st_mtime_ns == written, "a second run finds it up to date"
    assert "reads sentences only" in fer_stage("extract", "--dataset", "sample-a", code=1)


def test_text_of_an_earlier_version_is_refused_and_the_command_that_is_named_encodes_it_again(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("features/untrained/text/kefer.npz")
    with np.load(path) as archive:
        vectors, about = archive["vectors"], json.loads(str(archive["about"]))
    del about["content"]
    np.savez(path, vectors=vectors, about=np.array(json.dumps(about)))
    train = ("train", "--method", "zero-shot", "--dataset", "sample-a")
    message = fer_stage(*train, code=1)
    assert f"{path}: expected a digest of its vectors, found none" in message
    command = re.search(r"Run `fer-stage ([^`]+)` to make them again", message)
    assert command
    capsys.readouterr()
    assert run(shlex.split(command[1])) == 0
    assert "without a digest of its vectors: it is encoded again" in capsys.readouterr().err
    assert TextStore.read(path).key == about["key"]
    fer_stage(*train)


def test_the_sentences_of_the_eight_expressions_are_those_that_they_always_were(project: Path) -> None:
    """Their digest is part of the key of text vectors: another one would make every text head again."""
    text = TextStore.read(text_path(FEATURES, "untrained", "kefer")).text
    assert text["sentences"] == "f7b22de6dac48d31f45f6b79e0d0886a0317242ac3fe8a5fdc3fbfc2b84f7ede"
