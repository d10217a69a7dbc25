"""A name in params.yaml that means another encoder than the one that made features, texts or heads."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import yaml
from encoder_models import MODEL, write_clip_folder
from transformers import BertTokenizer

from cache.store import open_store
from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.encoders.families import current_identity
from stages.cli import run

FerStage = Callable[..., Any]


@pytest.fixture
def mine(project: Path, fer_stage: FerStage) -> Path:
    """A project with an encoder `own` in a folder, and features of one dataset under it."""
    _write_weights(0)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["encoders"]["own"] = "open_clip:tiny@weights"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    fer_stage("extract", "--dataset", "sample-a", "--encoder", "own")
    return project


def _write_weights(seed: int) -> None:
    shutil.rmtree("weights", ignore_errors=True)
    write_clip_folder(Path("weights"), seed=seed)


TRAIN = ("train", "--method", "linear-probe", "--dataset", "sample-a", "--encoder", "own")


def _advice(message: str) -> list[str]:
    return shlex.split(message.split("`fer-stage ")[1].split("`")[0])


def test_train_refuses_features_of_weights_that_were_replaced_and_its_advice_works(
    mine: Path, fer_stage: FerStage
) -> None:
    _write_weights(1)
    message = fer_stage(*TRAIN, code=1)
    assert "weights: expected '" in message
    assert _advice(message) == ["extract", "--dataset", "sample-a", "--encoder", "own"]
    fer_stage(*_advice(message))
    fer_stage(*TRAIN)


def test_train_refuses_features_whose_images_were_prepared_otherwise(mine: Path, fer_stage: FerStage) -> None:
    path = Path("weights/open_clip_config.json")
    path.write_text(json.dumps({"model_cfg": MODEL, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3]}}))
    assert "mean: expected [0.1, 0.2, 0.3]" in fer_stage(*TRAIN, code=1)


def test_evaluate_refuses_a_store_of_weights_that_were_replaced(mine: Path, fer_stage: FerStage) -> None:
    fer_stage(*TRAIN)
    _write_weights(1)
    run = "runs/own/linear-probe/sample-a/seed-0"
    message = fer_stage("evaluate", "--run", run, "--dataset", "sample-a", code=1)
    assert "weights: expected '" in message
    assert "fer-stage extract --dataset sample-a --encoder own" in message


def test_the_advice_makes_a_store_with_the_options_it_had(mine: Path, fer_stage: FerStage) -> None:
    given = ("--outputs", "pooled,tokens", "--views", "2", "--dtype", "float16", "--backend", "hdf5")
    shutil.rmtree("features/own")
    fer_stage("extract", "--dataset", "sample-a", "--encoder", "own", *given)
    before = open_store("features/own/sample-a.h5").manifest.key_fields
    _write_weights(1)
    fer_stage(*_advice(fer_stage(*TRAIN, code=1)))
    after = open_store("features/own/sample-a.h5").manifest.key_fields
    assert {name for name in before if before[name] != after[name]} == {"encoder"}


def test_features_from_a_machine_with_the_weights_are_trained_on_without_them(
    mine: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("weights")
    assert run(list(TRAIN)) == 0
    assert "weights is not on this machine: whether the features are of these weights was not checked" in (
        capsys.readouterr().err
    )
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["encoders"]["own"] = "open_clip:tiny@others"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert "spec: expected 'open_clip:tiny@others', found 'open_clip:tiny@weights'" in fer_stage(*TRAIN, code=1)


def test_text_of_weights_that_were_replaced_is_refused_and_the_features_are_named_first(
    mine: Path, fer_stage: FerStage
) -> None:
    zero_shot = ("train", "--method", "zero-shot", "--dataset", "sample-a", "--encoder", "own")
    fer_stage("encode-text", "--encoder", "own")
    _write_weights(1)
    fer_stage("encode-text", "--encoder", "own")
    assert _advice(fer_stage(*zero_shot, code=1))[0] == "extract"
    fer_stage("extract", "--dataset", "sample-a", "--encoder", "own")
    fer_stage(*zero_shot)
    _write_weights(2)
    fer_stage("extract", "--dataset", "sample-a", "--encoder", "own")
    assert _advice(fer_stage(*zero_shot, code=1))[0] == "encode-text"


def test_text_of_earlier_prompts_is_refused(project: Path, fer_stage: FerStage) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params |= {"prompts": "mine", "prompt_sets": {"mine": ["a [CLS] face"]}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    fer_stage("encode-text")
    params["prompt_sets"]["mine"] = ["an [ADJ] face"]
    Path("params.yaml").write_text(yaml.safe_dump(params))
    zero_shot = ("train", "--method", "zero-shot", "--dataset", "sample-a")
    message = fer_stage(*zero_shot, code=1)
    assert "templates: expected ['an [ADJ] face'], found ['a [CLS] face']" in message
    fer_stage(*_advice(message))
    fer_stage(*zero_shot)


def test_predict_does_not_recommend_the_file_that_was_replaced(mine: Path, fer_stage: FerStage) -> None:
    fer_stage(*TRAIN)
    _write_weights(1)
    run = "runs/own/linear-probe/sample-a/seed-0"
    picture = str(next(Path("data/sample-a").rglob("*.png"), None) or next(Path("data/sample-a").rglob("*.jpg")))
    message = fer_stage("predict", picture, "--run", run, code=1)
    assert "open_clip:tiny@weights means other weights now" in message


def test_head_export_says_that_the_encoder_was_replaced(
    mine: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage(*TRAIN)
    export = ["head", "export", "--run", "runs/own/linear-probe/sample-a/seed-0", "--out"]
    assert run([*export, "first"]) == 0
    assert "means another encoder" not in capsys.readouterr().err
    _write_weights(1)
    assert run([*export, "second"]) == 0
    assert "open_clip:tiny@weights means another encoder on this machine now" in capsys.readouterr().err


@pytest.mark.parametrize("spec", ["mini", "untrained", "open_clip:tiny@weights"])
def test_files_say_what_the_loaded_encoder_is(spec: str, empty: Path) -> None:
    """What is compared without the model is a part of what the model says of itself."""
    _write_weights(0)
    encoder, found = load_encoder(EncoderSpec.parse(spec), "cpu", "eager"), current_identity(EncoderSpec.parse(spec))
    assert found.unknown == ""
    assert dict(found.fields).items() <= dict(encoder.identity).items()
    assert set(found.fields) >= {"family", "architecture", "config", "activation"}
    assert found.preprocess == encoder.preprocess
    assert ("weights" in found.fields) == (spec != "untrained")


def test_the_config_of_a_known_architecture_is_open_clips(empty: Path) -> None:
    Path("w.pt").write_bytes(b"weights")
    fields = current_identity(EncoderSpec.parse("open_clip:RN50@w.pt")).fields
    assert fields["config"] == open_clip.get_model_config("RN50")
    assert fields["weights"] == hashlib.sha256(b"weights").hexdigest()


def _write_weights_with_tokenizer() -> None:
    """A folder of weights whose text tower reads the tokenizer beside them."""
    _write_weights(0)
    path = Path("weights/open_clip_config.json")
    described = json.loads(path.read_text())
    described["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "x/y"
    path.write_text(json.dumps(described))
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a face of person photo is sad happy angry"
    Path("v.txt").write_text("\n".join(words.split()))
    BertTokenizer(vocab="v.txt").save_pretrained("weights")


def test_another_tokenizer_is_other_text_and_the_same_features(project: Path, fer_stage: FerStage) -> None:
    _write_weights_with_tokenizer()
    own = ("--encoder", "open_clip:tiny@weights")
    before = fer_stage("extract", "--dataset", "sample-a", *own, "--format", "json")
    fer_stage("encode-text", *own)
    tokenizer = Path("weights/tokenizer.json")
    tokenizer.write_text(tokenizer.read_text().replace('"face"', '"fac_"').replace('"photo"', '"face"'))
    assert fer_stage("extract", "--dataset", "sample-a", *own, "--format", "json")["key"] == before["key"]
    zero_shot = ("train", "--method", "zero-shot", "--dataset", "sample-a", *own)
    message = fer_stage(*zero_shot, code=1)
    assert "tokenizer_files: expected" in message
    fer_stage(*_advice(message))
    fer_stage(*zero_shot)


def test_a_store_that_is_made_again_with_another_encoder_of_its_folder_is_named(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files of one name in two folders are one folder of features: the second extract replaces the first."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    write_clip_folder(Path("others"), seed=1)
    params["encoders"]["own"] = "open_clip:tiny@others"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    capsys.readouterr()
    assert run(["extract", "--dataset", "sample-a", "--encoder", "own"]) == 0
    message = capsys.readouterr().err
    assert "features/own/sample-a.zarr is replaced, as it differs in encoder.weights" in message
    assert "of open_clip:tiny@weights, and will be of open_clip:tiny@others" in message


def test_text_is_encoded_again_when_an_option_of_the_tokenizer_changes(project: Path, fer_stage: FerStage) -> None:
    _write_weights_with_tokenizer()
    encode = ("encode-text", "--encoder", "open_clip:tiny@weights", "--format", "json")
    key = fer_stage(*encode)["key"]
    assert fer_stage(*encode)["key"] == key
    options = Path("weights/tokenizer_config.json")
    options.write_text(json.dumps(json.loads(options.read_text()) | {"unk_token": "[MASK]"}))
    assert fer_stage(*encode)["key"] != key
