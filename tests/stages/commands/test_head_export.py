"""fer-stage head export: what is in the folder, that it works elsewhere, and what it refuses to write over."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stages
from pipeline.errors import InputError, MismatchError
from pipeline.predict.saved import read_saved
from stages.commands.head.export import command

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")
EXPORT = ("head", "export", "--run", str(RUN), "--out", "out/head")
FILES = ["README.md", "head.json", "head.safetensors"]
ROWS = {"pooled": np.random.default_rng(0).standard_normal((5, 256)).astype(np.float16)}


def _change(path: Path, **changes: Any) -> None:
    """Change fields of a record; None takes one away."""
    record = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in record.items() if value is not None}))


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_exported_head_gives_the_same_logits_elsewhere(
    project: Path, fer_stage: FerStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = fer_stage(*EXPORT, "--format", "json")
    assert (summary["status"], summary["scores"], sorted(summary["files"])) == ("written", 2, FILES)
    run = read_saved(RUN)
    expected, temperature = run.build().predict(ROWS), run.temperature
    shutil.move(project / "out/head", tmp_path / "elsewhere")
    shutil.rmtree(project)
    monkeypatch.chdir(tmp_path)
    saved = read_saved(Path("elsewhere"))
    np.testing.assert_array_equal(saved.build().predict(ROWS), expected)
    assert (saved.temperature, saved.classes, saved.encoder_spec) == (temperature, run.classes, "untrained")
    assert saved.note == run.note
    assert saved.load_encoder(device="cpu", runtime="eager").width == 256


def test_a_run_records_how_it_was_calibrated_and_scores_use_it(project: Path, fer_stage: FerStage) -> None:
    calibration = json.loads((RUN / "run.json").read_text())["calibration"]
    score = fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-a", "--split", "val", "--format", "json")[0]
    assert (calibration["n"], calibration["bins"], calibration["split"]) == (score["n"], 15, "val")
    assert calibration["ece_before"] == pytest.approx(score["ece_uncalibrated"])
    assert calibration["ece_after"] == pytest.approx(score["ece"])
    assert calibration["temperature"] == read_saved(RUN).temperature != 1


def test_the_folder_names_no_path_of_the_machine(project: Path, fer_stage: FerStage) -> None:
    record = json.loads((RUN / "run.json").read_text())
    config = record["config"] | {"pretrained": "/home/me/faces.pth"}
    _change(RUN / "run.json", encoder_spec="timm:resnet18@/home/me/weights.safetensors", config=config)
    fer_stage(*EXPORT)
    texts = [path.read_text() for path in (Path("out/head/head.json"), Path("out/head/README.md"))]
    assert [text for text in texts if "/home/me" in text or str(project) in text] == []
    assert read_saved(Path("out/head")).encoder_spec == "timm:resnet18@weights.safetensors"
    assert "predict PICTURE... --run THIS_FOLDER --encoder timm:resnet18@weights.safetensors" in texts[1]


def test_the_card_has_what_must_be_known(project: Path, fer_stage: FerStage) -> None:
    scores = json.loads(SCORES.read_text())
    SCORES.write_text(json.dumps([scores[0], scores[1] | {"encoder_saw": True}]))
    fer_stage(*EXPORT)
    card = Path("out/head/README.md").read_text()
    saved = read_saved(RUN)
    for words in (
        "**untrained: seeded random weights",
        "not for decisions about people",
        "surprise, fear, disgust, happiness, sadness, anger, neutral",
        saved.record.head.encoder.encoder["weights"],
        saved.record.head_sha256,
        f"| sample-a (trained on) | test | {scores[0]['n']} | {100 * scores[0]['accuracy']:.1f} |",
        f"| sample-e † | test | {scores[1]['n']} | {100 * scores[1]['accuracy']:.1f} |",
        "† seen domain: the encoder itself was trained on the train split",
        f"softmax(logits / {saved.temperature:.4f})",
        "| `lambda_sep` | 1.5 |",
    ):
        assert words in card
    assert json.loads(Path("out/head/head.json").read_text())["scores"][1]["encoder_saw"] is True


def test_the_card_of_a_head_without_scores_states_that(project: Path, fer_stage: FerStage) -> None:
    SCORES.unlink()
    fer_stage(*EXPORT)
    assert "The head was not tested" in Path("out/head/README.md").read_text()


@pytest.mark.parametrize("name", ["calibration", "encoder_spec", "encoder_saw", "text_note", "head_sha256"])
def test_a_run_without_a_field_is_not_exported_and_trained_again_by_a_command(
    project: Path, fer_stage: FerStage, name: str
) -> None:
    _change(RUN / "run.json", **{name: None})
    message = fer_stage(*EXPORT, code=1)
    assert f"{name}: Field required. Run `fer-stage train --method feature-mask --dataset sample-a" in message
    assert "--encoder untrained --seed 0` with the options of the run" in message
    assert not Path("out").exists()


def test_a_validation_split_without_errors_calibrates_nothing(project: Path, fer_stage: FerStage) -> None:
    calibration = json.loads((RUN / "run.json").read_text())["calibration"]
    _change(RUN / "run.json", calibration=calibration | {"temperature": 1.0})
    fer_stage(*EXPORT)
    card = " ".join(Path("out/head/README.md").read_text().split())
    n = calibration["n"]
    assert f"it cannot be fitted, since all {n} validation images are classified correctly" in card


def test_a_temperature_that_is_not_used_is_reported_with_the_reason(project: Path, fer_stage: FerStage) -> None:
    record = json.loads((RUN / "run.json").read_text())
    held_back = {"folds": 5, "nll_before": 0.8, "nll_after": 0.79, "ece_before": 0.036, "ece_after": 0.044}
    calibration = {"temperature": 1.0, "fitted_temperature": 1.1038, "kept": False, "held_back": held_back}
    _change(
        RUN / "run.json",
        calibration=record["calibration"] | calibration,
        findings=record["findings"] | {"no_train_rows": ["contempt"]},
    )
    fer_stage(*EXPORT)
    card = Path("out/head/README.md").read_text()
    assert "| without training images | contempt |" in card
    card = " ".join(card.split())
    assert "validation images, 1.1038, is not used: in cross-validation on these images (5 folds)" in card
    assert "negative log likelihood from 0.8000 to 0.7900" in card
    assert "expected calibration error (15 bins) from 3.6 % to 4.4 %." in card


def test_the_same_export_again_writes_nothing(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXPORT)
    with Path("out/head/README.md").open("a") as card:
        card.write("Licence: mine\n")
    before = _content(Path("out/head"))
    assert fer_stage(*EXPORT, "--format", "json")["status"] == "up to date"
    assert _content(Path("out/head")) == before


def test_an_exported_head_can_be_exported_again(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXPORT)
    fer_stage("head", "export", "--run", "out/head", "--out", "out/again")
    assert _content(Path("out/again")) == _content(Path("out/head"))


def test_the_function_returns_what_the_command_prints(project: Path, fer_stage: FerStage) -> None:
    result = stages.export_head(RUN, Path("out/head"))
    assert (result.status, result.path, result.run) == ("written", Path("out/head"), RUN)
    assert sorted(path.name for path in Path("out/head").iterdir()) == sorted(result.files) == FILES
    assert result.notes == (read_saved(RUN).note,)
    printed = fer_stage(*EXPORT, "--format", "json")
    again = stages.export_head(RUN, Path("out/head"))
    assert printed == again.summary() == result.summary() | {"status": "up to date"}
    assert again.frame.loc[0, "status"] == "up to date"


def test_the_function_has_the_names_and_defaults_of_the_options() -> None:
    fields = inspect.signature(stages.export_head).parameters
    options = {parameter.name: parameter for parameter in command.params if parameter.name != "output_format"}
    assert set(fields) == set(options)
    assert [name for name, field in fields.items() if field.default is field.empty] == ["run", "out"]
    for name, option in options.items():
        assert option.required or str(option.to_info_dict()["default"]) == str(fields[name or ""].default)


def test_a_dry_run_writes_nothing(project: Path, fer_stage: FerStage) -> None:
    before = sorted(Path().rglob("*"))
    assert fer_stage(*EXPORT, "--dry-run", "--format", "json")["status"] == "planned"
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("name", ["notes.txt", "head.json"])
def test_other_files_are_never_overwritten(project: Path, fer_stage: FerStage, name: str) -> None:
    Path("out/head").mkdir(parents=True)
    Path("out/head", name).write_text("{}")
    assert "Nothing is overwritten: remove it, or name another --out" in fer_stage(*EXPORT, code=1)
    assert _content(Path("out/head")) == {name: b"{}"}
    assert "Nothing is overwritten" in fer_stage(*EXPORT[:-1], "params.yaml", code=1)


@pytest.mark.parametrize("there", [True, False])
def test_an_export_is_not_written_through_a_link(
    project: Path, fer_stage: FerStage, tmp_path_factory: pytest.TempPathFactory, there: bool
) -> None:
    """A project from elsewhere may hold one; an empty folder behind it took the files, and a missing one was made."""
    outside = tmp_path_factory.mktemp("outside") / "folder"
    if there:
        outside.mkdir()
    (project / "out").symlink_to(outside)
    message = fer_stage("head", "export", "--run", str(RUN), "--out", "out", code=1)
    assert "out is a link to" in message
    assert "--follow-links" in message
    assert outside.exists() == there
    assert not there or not any(outside.iterdir())


def test_a_head_that_was_trained_again_does_not_replace_its_export(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXPORT)
    fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a", "--option", "epochs=1")
    assert "found another export" in fer_stage(*EXPORT, code=1)


def test_an_empty_folder_and_what_a_killed_export_left_are_no_hindrance(project: Path, fer_stage: FerStage) -> None:
    Path("out/head").mkdir(parents=True)
    Path("out/.head.building").mkdir()
    Path("out/.head.building/head.safetensors").write_text("half")
    fer_stage(*EXPORT)
    assert sorted(_content(Path("out/head"))) == FILES
    assert [path.name for path in Path("out").iterdir()] == ["head"]


@pytest.mark.parametrize(
    ("name", "damage", "error", "words"),
    [
        ("head.safetensors", lambda data: data[:-1] + b"!", MismatchError, "is not the head that head.json describes"),
        ("head.json", lambda data: data[:100], InputError, "head.json is damaged .* Copy the whole folder again"),
        ("head.safetensors", None, InputError, "head.safetensors is missing. Copy the whole folder again"),
    ],
    ids=["a flipped byte", "cut off", "missing"],
)
def test_a_damaged_export_is_refused(
    project: Path, fer_stage: FerStage, name: str, damage: Any, error: type[Exception], words: str
) -> None:
    fer_stage(*EXPORT)
    path = Path("out/head", name)
    data = path.read_bytes()
    path.unlink()
    if damage:
        path.write_bytes(damage(data))
    with pytest.raises(error, match=words):
        read_saved(Path("out/head"))


def test_a_run_or_scores_that_cannot_be_read_are_named(project: Path, fer_stage: FerStage) -> None:
    SCORES.write_text("[")
    assert f"{SCORES} is damaged" in fer_stage(*EXPORT, code=1)
    shutil.rmtree(RUN)
    assert f"no trained run at {RUN}" in fer_stage(*EXPORT, code=1)
    assert not Path("out").exists()


def test_onnx_is_written_checked_and_described(project: Path, fer_stage: FerStage) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'fer-stage[onnx]'")
    fer_stage(*EXPORT, "--onnx")
    made = json.loads(Path("out/head/head.json").read_text())["onnx"]
    assert (made["inputs"], made["outputs"]) == (["pooled"], ["logits", "probabilities"])
    assert 0 <= made["difference"] <= 1e-5
    assert made["sha256"] in Path("out/head/README.md").read_text()
    session = onnxruntime.InferenceSession(Path("out/head/head.onnx"))
    (logits,) = session.run(["logits"], {"pooled": ROWS["pooled"].astype(np.float32)})
    np.testing.assert_allclose(logits, read_saved(RUN).build().predict(ROWS), rtol=1e-5, atol=1e-5)
    for more in ((), ("--onnx",)):
        assert fer_stage(*EXPORT, *more, "--format", "json")["status"] == "up to date"
    Path("out/head/head.onnx").unlink()
    assert "found another export" in fer_stage(*EXPORT, "--onnx", code=1)


def test_a_head_that_holds_its_encoder_is_built_with_it(project: Path, fer_stage: FerStage) -> None:
    pytest.importorskip("onnxruntime", reason="needs pip install 'fer-stage[onnx]'")
    fer_stage("extract", "--dataset", "sample-a", "--outputs", "pooled,block-3", "--decoders", "1")
    args = ("--method", "fine-tune", "--dataset", "sample-a", "--option", "input=block-3", "--option", "epochs=1")
    run = fer_stage("train", *args, "--format", "json")["path"]
    _change(Path(run, "run.json"), encoder_spec="timm:resnet18@of-another-machine.pth")
    export = ("head", "export", "--run", run, "--out", "tuned", "--onnx")
    assert "If it is elsewhere on this machine, name it with --encoder" in fer_stage(*export, code=1)
    fer_stage(*export, "--encoder", "untrained")
    assert json.loads(Path("tuned/head.json").read_text())["onnx"]["inputs"] == ["block-3"]


def test_onnx_without_its_packages_says_what_to_install(
    project: Path, fer_stage: FerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    message = fer_stage(*EXPORT, "--onnx", code=1)
    assert "found no onnxscript. Run: pip install 'fer-stage[onnx]'" in message
    assert not Path("out").exists()
