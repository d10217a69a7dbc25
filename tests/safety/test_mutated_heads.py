"""Heads, histories and scores that may come from elsewhere.

Every reader ends in an error of ours that names the file, or gives what it gave before: no NaN, no traceback, and no
mixture of two runs.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutations import mutations

from cache.errors import CacheError
from pipeline.errors import MismatchError, PipelineError
from pipeline.learning.probabilities import softmax
from pipeline.predict.export.card import model_card
from pipeline.predict.head_folder import read_record
from pipeline.predict.saved import DEFAULT_HEAD, SavedHead, read_saved
from pipeline.records import read_regular
from stages.cli import run
from stages.errors import StageError
from stages.workflows.export_head import HeadExport
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.report import gather, make_report
from stages.workflows.scores_file import read_scores, score_source, write_scores
from stages.workspace import scores_path

RUN = Path("runs/untrained/linear-probe/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/linear-probe/sample-a/seed-0/scores.json")
PARAMS = """
datasets: {sample-a: {layout: sample, root: data/sample-a}}
encoders: {untrained: untrained}
extract: {dtype: float32}
run: {samples: [], datasets: [sample-a], encoders: [untrained], methods: [linear-probe], seeds: [0]}
"""
TRAIN = ["train", "--method", "linear-probe", "--dataset", "sample-a", "--quiet"]
EVALUATE = ["evaluate", "--run", str(RUN)]
PREDICT = ["predict", "data/sample-a/images/a00000.png", "--run", str(RUN), "--quiet"]
EVERY = 211  # commands are run with a part of the changes: they take longer than a reader
OURS = (PipelineError, CacheError, StageError)
# Fields whose other possible values give another head, or other numbers: which one was meant, nothing can tell.
MAY_DIFFER = ("calibration.temperature", "head.scale", "head.options")


@pytest.fixture(scope="module")
def finished(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn dataset, a head trained on it, and its scores."""
    folder = tmp_path_factory.mktemp("heads") / "project"
    shutil.copytree(finished_project, folder, ignore=shutil.ignore_patterns("runs", "sample-e*"))
    (folder / "params.yaml").write_text(PARAMS)
    with contextlib.chdir(folder):
        assert run(TRAIN) == 0
        assert run(EVALUATE) == 0
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    return folder


def attempt(action: Callable[[], Any]) -> tuple[Any, str]:
    """What an action gives, or the message of its error; an error that is not of ours is a failure."""
    try:
        return action(), ""
    except OURS as error:
        return None, str(error)


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


_KNOWN: dict[str, bytes] = {}  # what a description and a temperature gave before: to build a head takes longest


def probabilities(folder: Path) -> bytes:
    """Of drawn features, at the head's temperature."""
    saved = read_saved(folder)
    name = repr((saved.description, saved.temperature, saved.sha256))
    if name not in _KNOWN:
        head = saved.build()
        features = np.random.default_rng(0).standard_normal((4, head.spec.width)).astype(np.float32)
        _ = saved.preprocess, saved.alignment, saved.needs_encoder, saved.uses_encoder
        _KNOWN[name] = softmax(head.predict({"pooled": features}), saved.temperature).tobytes()
    return _KNOWN[name]


def card(folder: Path) -> str:
    return model_card(read_saved(folder).export([]))


def is_free(change: str) -> bool:
    return change.startswith(MAY_DIFFER)


def shorter(record: dict[str, Any]) -> dict[str, Any]:
    """Without most of what is only shown or compared as a whole: versions, and the architecture of the encoder."""
    short = copy.deepcopy(record) | {"versions": {"fer-stage": "0.1.0"}}
    for identity in (short["head"]["encoder"], short.get("encoder_identity", {})):
        identity.get("encoder", {}).pop("config", None)
    return short


def test_every_single_change_of_a_run_record_is_refused_by_name_or_changes_no_probability(project: Path) -> None:
    before, record = probabilities(RUN), shorter(record_of(RUN))
    for change, document in mutations(record):
        (RUN / "run.json").write_text(json.dumps(document))
        for use in (probabilities, card, scores_path):
            found, message = attempt(lambda use=use: use(RUN))  # type: ignore[misc]
            assert found is not None or message == "" or str(RUN) in message, f"{change}: {message}"
            if use is probabilities and found is not None and not is_free(change):
                assert found == before, change


def test_every_single_change_of_an_exported_record_is_refused_by_name_or_changes_no_probability(project: Path) -> None:
    assert run(["head", "export", "--run", str(RUN), "--out", "out"]) == 0
    before, out = probabilities(Path("out")), Path("out")
    record = shorter(json.loads((out / "head.json").read_text()))
    for change, document in mutations(record):
        (out / "head.json").write_text(json.dumps(document))
        found, message = attempt(lambda: probabilities(out))
        assert found is not None or "out" in message, f"{change}: {message}"
        if found is not None and not is_free(change):
            assert found == before, change
        export, message = attempt(lambda: HeadExport.of(out, Path("again"), onnx=False, encoder=""))
        assert export is None or model_card(export.record), change
        assert export is not None or "out" in message, f"{change}: {message}"


def test_every_kind_of_change_of_a_run_record_leaves_a_report_or_an_error_that_names_the_run(project: Path) -> None:
    """The whole report is made of a part of the changes: it takes longer than to read a head."""
    record = record_of(RUN)
    for change, document in list(mutations(record))[::97]:
        (RUN / "run.json").write_text(json.dumps(document))
        report, message = attempt(lambda: make_report(gather(Path("runs"), OpenedStores(Path("features")))))
        assert report or str(RUN) in message or str(SCORES) in message, f"{change}: {message}"


@pytest.mark.parametrize("command", [EVALUATE, PREDICT], ids=["evaluate", "predict"])
def test_every_kind_of_change_of_a_run_record_leaves_a_command_its_result_or_an_error_that_names_it(
    project: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    record = record_of(RUN)
    for change, document in list(mutations(record))[::EVERY]:
        (RUN / "run.json").write_text(json.dumps(document))
        capsys.readouterr()
        code = run(command)
        captured = capsys.readouterr()
        assert code in (0, 1), change
        assert "a bug of fer-stage" not in captured.err, f"{change}: {captured.err}"
        assert "nan" not in captured.out, change
        assert code == 0 or str(RUN) in captured.err, f"{change}: {captured.err}"


def test_every_single_change_of_scores_is_refused_by_name_or_is_no_other_number(project: Path) -> None:
    scores = json.loads(SCORES.read_text())
    numbers = ("n", "accuracy", "uar", "per_class", "confusion", "support")
    for change, document in mutations(scores):
        SCORES.write_text(json.dumps(document))
        found, message = attempt(lambda: read_scores(SCORES))
        assert found is not None or str(SCORES) in message, f"{change}: {message}"
        for score in found.as_json() if found else []:
            assert [score[name] for name in numbers] == [scores[0][name] for name in numbers], change


def test_every_kind_of_change_of_scores_leaves_a_report_or_an_error_that_names_the_file(project: Path) -> None:
    scores = json.loads(SCORES.read_text())
    for change, document in list(mutations(scores))[::41]:
        SCORES.write_text(json.dumps(document))
        report, message = attempt(lambda: make_report(gather(Path("runs"), OpenedStores(Path("features")))))
        assert report or str(SCORES) in message, f"{change}: {message}"


def headers(state: bytes) -> Iterator[tuple[str, bytes]]:
    """The weights with every single change of their header."""
    n = struct.unpack_from("<Q", state)[0]
    header = json.loads(state[8 : 8 + n])
    for change, document in mutations(header):
        text = json.dumps(document).encode()
        yield change, struct.pack("<Q", len(text)) + text + state[8 + n :]
    for length in (0, 1, n - 1, n + 1, len(state), 2**40, 2**64 - 1):
        yield f"a header of {length} bytes", struct.pack("<Q", length) + state[8:]


def test_every_single_change_of_the_weights_header_is_refused_by_name_or_changes_no_probability(project: Path) -> None:
    """Under a digest that is right: whoever changes the weights can compute it."""
    before, record, state = probabilities(RUN), record_of(RUN), (RUN / "head.safetensors").read_bytes()
    for change, changed in headers(state):
        write_weights(changed, record)
        found, message = attempt(lambda: probabilities(RUN))
        assert found == before or str(RUN) in message, f"{change}: {message}"


def write_weights(state: bytes, record: dict[str, Any]) -> None:
    (RUN / "head.safetensors").write_bytes(state)
    digest = hashlib.sha256(state).hexdigest()
    (RUN / "run.json").write_text(json.dumps(record | {"head_sha256": digest}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_by_every_reader_naming_file_and_tensor(
    project: Path, fer_stage: Callable[..., Any], value: float
) -> None:
    state = (RUN / "head.safetensors").read_bytes()
    write_weights(state[:-4] + struct.pack("<f", value), record_of(RUN))
    commands = (
        EVALUATE,
        PREDICT,
        ["head", "export", "--run", str(RUN), "--out", "out"],
        ["report"],
    )
    for command in commands:
        message = fer_stage(*command, code=1)
        assert f"{RUN / 'head.safetensors'}: expected finite weights, found 1 of" in message
        assert "of tensor 'classifier." in message
    assert not Path("out").exists()


def test_finite_weights_whose_logits_are_not_give_no_prediction(project: Path, fer_stage: Callable[..., Any]) -> None:
    state = (RUN / "head.safetensors").read_bytes()
    n = 8 + struct.unpack_from("<Q", state)[0]
    write_weights(state[:n] + struct.pack("<f", 3e38) * ((len(state) - n) // 4), record_of(RUN))
    for command in (PREDICT, EVALUATE):
        message = fer_stage(*command, code=1)
        assert str(RUN) in message
        assert "expected finite" in message


def test_the_weights_of_another_kind_of_number_are_refused(project: Path) -> None:
    """As many bytes, with whole numbers in the place of floats."""
    state, record = (RUN / "head.safetensors").read_bytes(), record_of(RUN)
    write_weights(state.replace(b'"F32"', b'"I32"'), record)
    with pytest.raises(MismatchError, match="head weights do not fit their description"):
        read_saved(RUN).build()


def test_a_file_of_weights_larger_than_its_description_allows_is_not_read(project: Path) -> None:
    """A file with holes: it takes no space on the disk."""
    with (RUN / "head.safetensors").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(PipelineError, match=r"head\.safetensors: expected at most [\d,]+ bytes, found 1,099,"):
        read_saved(RUN)


@pytest.mark.parametrize("name", ["run.json", "head.safetensors", "history.csv", "scores.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_only_regular_files_are_read(project: Path, fer_stage: Callable[..., Any], name: str, kind: str) -> None:
    """A pipe would be waited for without end."""
    path = SCORES if name == "scores.json" else RUN / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    message = fer_stage("report", code=1)
    assert f"{path}: expected a regular file, found a {kind}" in message
    assert "a bug of fer-stage" not in message
    if name != "history.csv":
        assert f"{path}: expected a regular file" in fer_stage(*EVALUATE, code=1)


def test_a_head_that_is_replaced_while_it_is_scored_is_not_written(project: Path) -> None:
    scores, before = read_scores(SCORES), SCORES.read_bytes()
    saved = read_saved(RUN)
    replace_head(bias=1.0)
    with pytest.raises(MismatchError, match="the head was replaced while this command used it"):
        write_scores(saved, SCORES, list(scores))
    assert SCORES.read_bytes() == before


def replace_head(bias: float) -> SavedHead:
    """Another head in the run's place, as a second `train` writes it."""
    state = (RUN / "head.safetensors").read_bytes()
    write_weights(state[:-4] + struct.pack("<f", bias), record_of(RUN))
    return read_saved(RUN)


def test_scores_of_a_replaced_head_are_in_no_report(project: Path, fer_stage: Callable[..., Any]) -> None:
    replace_head(bias=1.0)
    assert "Left out: 1 score" in _err(fer_stage)
    assert gather(Path("runs"), OpenedStores(Path("features"))).runs[0].scores == ()


def _err(fer_stage: Callable[..., Any]) -> str:
    records = gather(Path("runs"), OpenedStores(Path("features")))
    assert fer_stage("report", "--format", "json")
    return make_report(records).html


@pytest.mark.parametrize("n_written", [1, 2])
def test_what_a_kill_between_the_writes_of_a_run_leaves_is_no_run(
    project: Path, fer_stage: Callable[..., Any], n_written: int
) -> None:
    """train writes weights, history and record, in this order."""
    earlier = Path("earlier")
    shutil.copytree(RUN, earlier)
    assert run([*TRAIN, "--option", "feature_scale=l2"]) == 0
    for name in ("head.safetensors", "history.csv", "run.json")[n_written:]:
        shutil.copyfile(earlier / name, RUN / name)
    assert (RUN / "head.safetensors").read_bytes() != (earlier / "head.safetensors").read_bytes()
    assert "head.safetensors is not the head that run.json describes" in fer_stage(*EVALUATE, code=1)
    assert "head.safetensors is not the head that run.json describes" in fer_stage("report", code=1)
    assert run(TRAIN) == 0
    assert run(EVALUATE) == 0


def test_the_history_of_another_run_is_not_shown(project: Path, fer_stage: Callable[..., Any]) -> None:
    lines = (RUN / "history.csv").read_text().splitlines()
    (RUN / "history.csv").write_text("\n".join(lines[:-1]) + "\n")
    message = fer_stage("report", code=1)
    assert f"{RUN / 'history.csv'}: expected the table of epochs that train writes, found another" in message


def test_names_that_leave_the_runs_root_are_refused(project: Path) -> None:
    record = record_of(RUN)
    for name in ("encoder", "method", "dataset", "variant"):
        for value in ("../../outside", "/outside", "..", ".hidden", "a/b", "a\u001b[8m", "a\nb"):
            (RUN / "run.json").write_text(json.dumps(record | {name: value}))
            with pytest.raises(PipelineError, match=rf"run\.json: .*{name}: String should match pattern"):
                scores_path(RUN)


def test_a_record_of_lists_in_lists_is_damaged(project: Path) -> None:
    (RUN / "run.json").write_text("[" * 100_000)
    with pytest.raises(PipelineError, match=r"run\.json is damaged"):
        read_record(RUN)


def test_a_regular_file_larger_than_its_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(PipelineError, match=r"large: expected at most 10 bytes, found 11\. Delete it"):
        read_regular(tmp_path / "large", 10, "Delete it")


def test_the_carried_head_passes_every_check() -> None:
    saved = read_saved(DEFAULT_HEAD)
    assert saved.build().spec.classes == saved.classes
    assert saved.sha256 == saved.record.head_sha256


def test_an_identity_is_of_the_weights_that_were_read(project: Path) -> None:
    saved = read_saved(RUN)
    replace_head(bias=1.0)
    assert saved.sha256 == saved.record.head_sha256 == score_source(saved.record).head_sha256
