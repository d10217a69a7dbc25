"""Records are checked once, where they are read; an error names the file and the field."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from run_records import export_record, run_record, score_record

from pipeline.errors import InputError, MismatchError
from pipeline.learning.metrics import METRICS, Metric
from pipeline.learning.statistics import wilson_interval
from pipeline.records import Export, Run, Scores, read_export, read_history, read_run, read_scores
from pipeline.records.fields import json_bytes
from pipeline.records.files import Advice
from pipeline.records.store_summary import summary_of
from pipeline.report import ReportRun

RUN_FIELDS, SCORE_FIELDS = sorted(run_record()), sorted(score_record("a"))
STORE = {
    "dataset": "a", "encoder": "mini", "encoder_note": "", "encoder_saw": False, "rows": 153, "usable": 150,
    "rejected": {"truncated": 3}, "splits": {"train": 150}, "labels": {"fear": 150}, "width": 16,
    "outputs": ["pooled"], "views": 1, "dtype": "float16", "key": "cd" * 32, "precision": "float32",
    "preprocess": {"size": 224},
}  # fmt: skip
EVALUATE = [("evaluate", {"runs": ("runs/x",)})]


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.json"


def run_of(path: Path, **changes: Any) -> Run:
    path.write_bytes(json_bytes(run_record(**changes)))
    return read_run(path)


def scores_of(path: Path, *entries: dict[str, Any]) -> Scores:
    path.write_bytes(json_bytes(list(entries)))
    return read_scores(path, EVALUATE)


def test_a_run_is_written_as_it_was_read(path: Path) -> None:
    run = run_of(path, findings={"no_train_rows": ["fear"], "more": [1.5, None]}, config={"lr": 1e-5, "views": "all"})
    assert run.as_bytes() == path.read_bytes()
    assert run.classes_without_train_rows == ("fear",)


def test_scores_are_written_as_they_were_read(path: Path) -> None:
    scores = scores_of(path, score_record("b"), score_record("b", split="val"), score_record("c", overlap=None))
    assert scores.as_bytes() == path.read_bytes()


@pytest.mark.parametrize("onnx", [{}, {"onnx": {"sha256": "ab" * 32, "opset": 18, "inputs": ["pooled"],
                                                "outputs": ["logits"], "difference": 1e-7}}])  # fmt: skip
def test_an_export_is_written_as_it_was_read(path: Path, onnx: dict[str, Any]) -> None:
    ordered = {name: export_record(**onnx)[name] for name in Export.model_fields if name in export_record(**onnx)}
    path.write_bytes(json_bytes(ordered))
    assert read_export(path).as_bytes() == path.read_bytes()


def test_a_field_of_a_newer_version_is_ignored(path: Path) -> None:
    assert run_of(path, mood="good") == run_of(path)


@pytest.mark.parametrize("name", RUN_FIELDS)
def test_an_incomplete_run_names_file_and_field(path: Path, name: str) -> None:
    path.write_text(json.dumps(without(run_record(), name)))
    with pytest.raises(InputError, match=rf"record\.json: expected the record of a trained head, .*{name}: Field req"):
        read_run(path)


@pytest.mark.parametrize("name", SCORE_FIELDS)
def test_an_incomplete_score_names_file_and_field(path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"record\.json: .*0\.{name}: Field required") as error:
        scores_of(path, without(score_record("b"), name))
    assert error.value.remedy == EVALUATE


@pytest.mark.parametrize("name", sorted(without(export_record(), "format")))
def test_an_incomplete_export_names_file_and_field(path: Path, name: str) -> None:
    path.write_text(json.dumps(without(export_record(), name)))
    with pytest.raises(InputError, match=rf"record\.json: .*{name}: Field required"):
        read_export(path)


@pytest.mark.parametrize("name", sorted(STORE))
def test_an_incomplete_store_names_file_and_field(name: str) -> None:
    with pytest.raises(InputError, match=rf"features/x.*{name}: Field required"):
        summary_of(without(STORE, name), "features/x")


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_a_record_that_is_no_object_is_refused(path: Path, data: object) -> None:
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"record\.json is damaged: expected a JSON object"):
        read_run(path)
    with pytest.raises(InputError, match="features/x: expected the summary of a store, found 1 problem"):
        summary_of(data, "features/x")


def test_a_run_that_is_incomplete_is_trained_again_by_a_command(path: Path) -> None:
    with pytest.raises(InputError) as error:
        run_of(path, rows=3)
    named = {"method": "linear-probe", "dataset": "a", "encoder": "mini", "seeds": (0,)}
    assert error.value.remedy == [("train", named)]
    assert error.value.purpose == "with the options of the run"


@pytest.mark.parametrize("accuracy", [88.4, -0.1, float("nan"), True, "0.5", None])
def test_only_fractions_pass_as_scores(path: Path, accuracy: object) -> None:
    with pytest.raises(InputError, match=r"0\.accuracy: Input should be"):
        scores_of(path, score_record("b", accuracy))


@pytest.mark.parametrize("value", [-1, 1.5, True, "1"])
def test_only_whole_numbers_pass_as_counts(path: Path, value: object) -> None:
    with pytest.raises(InputError, match="seed: Input should be"):
        run_of(path, seed=value)


@pytest.mark.parametrize("bounds", [[0.7, 0.2], [0.1], [0.1, 1.2], None])
def test_an_interval_is_two_fractions_in_order(path: Path, bounds: object) -> None:
    with pytest.raises(InputError, match=r"0\.ci95\.uar"):
        scores_of(path, score_record("b", ci95={"accuracy": [0.1, 0.9], "uar": bounds}))


@pytest.mark.parametrize("value", [3, "yes", None])
def test_a_flag_is_true_or_false(path: Path, value: object) -> None:
    with pytest.raises(InputError, match=r"0\.encoder_saw: Input should be a valid boolean"):
        scores_of(path, score_record("b", encoder_saw=value))


@pytest.mark.parametrize("confusion", [[[1, 2], [3, 4]], [[1, 2, 3]], [[1, 2, -3]] * 3, "no"])
def test_a_confusion_that_does_not_fit_the_classes_is_refused(path: Path, confusion: object) -> None:
    with pytest.raises(InputError, match="confusion"):
        scores_of(path, score_record("b", confusion=confusion))


def test_a_score_of_nothing_is_refused(path: Path) -> None:
    nothing = {"n": 0, "support": {"surprise": 0, "fear": 0, "disgust": 0}, "confusion": [[0, 0, 0]] * 3}
    with pytest.raises(InputError, match=r"0\.n: Input should be greater than or equal to 1"):
        scores_of(path, score_record("b", **nothing))


def test_confusion_rows_must_add_up_to_the_support(path: Path) -> None:
    with pytest.raises(InputError, match="rows that add up to support"):
        scores_of(path, score_record("b", confusion=[[7, 2, 2], [5, 2, 3], [0, 0, 0]]))


def test_confusion_counts_must_add_up_to_n(path: Path) -> None:
    with pytest.raises(InputError, match="n: expected 20, the sum of the confusion counts, found 21"):
        scores_of(path, score_record("b", n=21))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"accuracy": 0.5}, r"accuracy: expected 0\.450000, by the confusion counts, found 0\.5"),
        ({"uar": 0.5}, r"uar: expected 0\.450000"),
        ({"per_class": {"surprise": 0.7, "fear": 0.3, "disgust": None}}, r"per_class: expected 0\.2 for fear"),
        ({"per_class": {"surprise": 0.7, "fear": 0.2, "disgust": 0.0}}, r"per_class: expected None for disgust"),
        ({"overlap": {"train": 21, "val": 0}}, "overlap: expected at most n, 20, found 21"),
    ],
)
def test_rates_must_be_those_of_the_counts(path: Path, changes: dict[str, Any], problem: str) -> None:
    """(7 + 2) / 20 = 0.45; (0.7 + 0.2) / 2 = 0.45."""
    with pytest.raises(InputError, match=rf"record\.json: 1\.{problem}"):
        scores_of(path, score_record("a", seen=True), score_record("b", **changes))


@pytest.mark.parametrize("classes", [["fear", "surprise"], ["joy"], []])
def test_classes_are_in_canonical_order(path: Path, classes: list[str]) -> None:
    with pytest.raises(InputError, match="canonical order"):
        run_of(path, classes=classes)
    with pytest.raises(InputError, match=r"0: per_class: expected expressions in canonical order"):
        scores_of(path, score_record("b", per_class=dict.fromkeys(classes, 0.5)))


def test_classes_of_record_and_head_are_one(path: Path) -> None:
    head = run_record()["head"]
    with pytest.raises(MismatchError, match="expected one order of classes"):
        run_of(path, head=head | {"classes": ["fear", "disgust"]}, classes=["surprise", "fear", "disgust"])


def test_a_dataset_scored_twice_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match="dataset: expected once per split, found b, split test, 2 times"):
        scores_of(path, score_record("b"), score_record("b", rows="cd" * 32))


def test_one_file_has_scores_of_several_splits_and_with_overlapping_rows_left_out(path: Path) -> None:
    scores = scores_of(path, score_record("b"), score_record("b", split="val"), score_record("b", excluded_overlap=3))
    assert [score.key for score in scores] == [("b", "test", False), ("b", "val", False), ("b", "test", True)]


def test_later_scores_replace_earlier_ones_of_their_place(path: Path) -> None:
    old, other = scores_of(path, score_record("b"), score_record("a", seen=True))
    (new,) = scores_of(path, score_record("b", rejected=9))
    assert list(Scores((old, other)).updated([new])) == [other, new]


def test_overlap_that_was_not_checked_is_null_and_nothing_else(path: Path) -> None:
    (score,) = scores_of(path, score_record("b", overlap=None))
    assert score.overlap_share is None
    with pytest.raises(InputError, match=r"0\.overlap: Input should be a valid dictionary"):
        scores_of(path, score_record("b", overlap=3))


def test_without_a_file_there_are_no_scores(path: Path) -> None:
    assert len(read_scores(path)) == 0


@pytest.mark.parametrize(
    "changes",
    [{"run_key": "0" * 64}, {"head_sha256": "0" * 64}, {"evaluate_version": 0}],
    ids=lambda one: str(*one),
)
def test_scores_of_another_head_or_evaluate_are_no_scores_of_the_run(path: Path, changes: dict[str, Any]) -> None:
    scores = scores_of(path, score_record("b", **changes), score_record("c"))
    run = ReportRun.of(run_of(path), (), scores, "runs/x")
    assert [score.dataset for score in run.scores] == ["c"]
    assert [score.dataset for score in run.stale] == ["b"]


@pytest.mark.parametrize(
    ("score", "words"),
    [(score_record("a", seen=False), "0.seen: expected true"), (score_record("b"), "0.per_class: expected recalls of")],
)
def test_scores_that_cannot_be_of_a_run_are_refused(path: Path, score: dict[str, Any], words: str) -> None:
    scores = scores_of(path, score)
    run = run_of(path, classes=["surprise", "fear"]) if score["dataset"] == "b" else run_of(path)
    with pytest.raises(InputError, match=rf"runs/scores/x: {words}") as error:
        ReportRun.of(run, (), scores, "runs/x", "runs/scores/x")
    assert error.value.remedy == EVALUATE


def history_of(path: Path, text: str) -> Any:
    path.write_text(text)
    return read_history(path, hashlib.sha256(text.encode()).hexdigest(), Advice("Train the run again"))


def test_a_history_may_have_gaps(path: Path) -> None:
    rows = history_of(path, "epoch,loss,val_uar\n1,nan,0.5\n2,inf,\n3,1.5,0.25\n")
    assert [row["loss"] for row in rows] == [None, None, 1.5]
    assert [row["val_uar"] for row in rows] == [0.5, None, 0.25]


@pytest.mark.parametrize("row", ["2", "2,low", "2,1.0,3"], ids=["short", "text", "long"])
def test_a_history_with_a_row_that_does_not_fit_is_refused(path: Path, row: str) -> None:
    with pytest.raises(InputError, match=r"record\.json: expected the table of epochs .* Train the run again"):
        history_of(path, f"epoch,loss\n1,0.5\n{row}\n")


def test_the_history_of_another_run_is_refused(path: Path) -> None:
    path.write_text("epoch,loss\n1,0.5\n")
    with pytest.raises(InputError, match=r"found another than the one that run\.json next to it describes"):
        read_history(path, "0" * 64, Advice("Train the run again"))


def test_a_score_has_the_scores_of_answers_that_ignore_the_image(path: Path) -> None:
    """Ten of surprise, six of fear, no disgust: always surprise is right in 10 of 16 rows, in 1 of 2 classes with rows.
    Every expression equally often is right in one of three."""
    counts = {"n": 16, "support": {"surprise": 10, "fear": 6, "disgust": 0}, "accuracy": 0.5625, "uar": 0.516667}
    confusion, recalls = [[7, 2, 1], [2, 2, 2], [0, 0, 0]], {"surprise": 0.7, "fear": 0.333333, "disgust": None}
    [score] = scores_of(path, score_record("b", **counts, confusion=confusion, per_class=recalls))
    assert [score.majority_baseline(metric) for metric in ("accuracy", "uar")] == [0.625, 0.5]
    assert [score.chance_level(metric) for metric in ("accuracy", "uar")] == pytest.approx([1 / 3, 1 / 3])


def test_a_metric_that_the_file_does_not_have_follows_from_its_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recall of the first class: 7 of 10. Its interval is that of seven of ten: Wilson's, 0.3968 to 0.8922."""
    first = Metric(
        "first recall",
        lambda confusion: float(confusion[0, 0] / confusion[0].sum()),
        "",
        lambda confusion: wilson_interval(int(confusion[0, 0]), int(confusion[0].sum())),
    )
    monkeypatch.setitem(METRICS, "first", first)
    scores = scores_of(path, score_record("b"))
    [score] = scores
    assert score.by_metric() == {"accuracy": 0.45, "uar": 0.45, "first": 0.7}
    assert score.bounds("first") == pytest.approx((0.3968, 0.8922), abs=1e-4)
    assert scores.as_bytes() == path.read_bytes()
