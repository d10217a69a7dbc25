"""Records are checked once, at the door; a complaint names the file and the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from report_samples import history_json, make_run, run_json, score_json, store_json

from pipeline.errors import InputError
from pipeline.report import RunRecord, StoreRecord

RUN_FIELDS = sorted(run_json())
SCORE_FIELDS = sorted(score_json("a", 0.5))
STORE_FIELDS = sorted(store_json())


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


def test_a_record_survives_its_own_json_text() -> None:
    texts = [json.dumps(part) for part in (run_json(), history_json(), [score_json("b", 0.25)])]
    run = RunRecord.from_json(*map(json.loads, texts), "runs/x")
    assert (run.method, run.dataset, run.seed, run.val_accuracy, run.val_uar) == ("probe", "a", 0, 0.5, 0.4)
    (score,) = run.scores
    assert (score.accuracy, score.ci95["uar"], score.confusion[1]) == (0.25, (0.125, 0.875), (5, 2, 3))
    assert score.per_class["disgust"] is None
    assert run.history[1]["val_accuracy"] == 0.5


def test_records_of_before_have_no_marks_no_text_and_no_recipe() -> None:
    run = make_run([score_json("b", 0.25)])
    assert (run.encoder_saw, run.text_note, run.recipe, run.scores[0].encoder_saw) == ((), "", "", False)
    assert StoreRecord.from_json(store_json(), "features/x").encoder_saw is False


@pytest.mark.parametrize("name", ["encoder_saw", "text_note", "recipe"])
def test_what_a_run_may_lack_is_checked_where_it_is(name: str) -> None:
    with pytest.raises(InputError, match=rf"runs/x, run.*'{name}'"):
        make_run([], **{name: 3})


def test_a_mark_of_a_score_is_true_or_false() -> None:
    assert make_run([score_json("b", 0.5, encoder_saw=True)]).scores[0].encoder_saw
    with pytest.raises(InputError, match="'encoder_saw' to be true or false"):
        make_run([score_json("b", 0.5, encoder_saw="yes")])


def test_a_score_of_nothing_is_refused() -> None:
    nothing = {"n": 0, "support": {}, "confusion": [[0, 0, 0]] * 3}
    with pytest.raises(InputError, match="'n' to be 1 or more"):
        make_run([score_json("b", 0.5, **nothing)])


@pytest.mark.parametrize("name", RUN_FIELDS)
def test_an_incomplete_run_names_file_and_field(name: str) -> None:
    with pytest.raises(InputError, match=rf"runs/x, run.*'{name}'"):
        RunRecord.from_json(without(run_json(), name), [], [], "runs/x")


@pytest.mark.parametrize("name", SCORE_FIELDS)
def test_an_incomplete_score_names_file_and_field(name: str) -> None:
    with pytest.raises(InputError, match=rf"runs/x, scores.*'{name}'"):
        RunRecord.from_json(run_json(), [], [without(score_json("b", 0.5), name)], "runs/x")


@pytest.mark.parametrize("name", STORE_FIELDS)
def test_an_incomplete_store_names_file_and_field(name: str) -> None:
    with pytest.raises(InputError, match=rf"features/x.*'{name}'"):
        StoreRecord.from_json(without(store_json(), name), "features/x")


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_a_record_that_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(InputError, match="features/x: expected a JSON object"):
        StoreRecord.from_json(data, "features/x")


@pytest.mark.parametrize("accuracy", [88.4, -0.1, float("nan"), True, "0.5", None])
def test_only_fractions_pass_as_scores(accuracy: object) -> None:
    with pytest.raises(InputError, match="'accuracy' to be a fraction"):
        make_run([score_json("b", accuracy)])


@pytest.mark.parametrize("value", [-1, 1.5, True, "1"])
def test_only_whole_numbers_pass_as_counts(value: object) -> None:
    with pytest.raises(InputError, match="'seed' to be a whole number"):
        make_run([], seed=value)


@pytest.mark.parametrize("bounds", [[0.7, 0.2], [0.1], [0.1, 1.2], None])
def test_an_interval_is_two_fractions_in_order(bounds: object) -> None:
    with pytest.raises(InputError, match="'uar' to be two fractions"):
        make_run([score_json("b", 0.5, ci95={"accuracy": [0.1, 0.9], "uar": bounds})])


@pytest.mark.parametrize("confusion", [[[1, 2], [3, 4]], [[1, 2, 3]], [[1, 2, -3]] * 3, "no"])
def test_a_confusion_that_does_not_fit_the_classes_is_refused(confusion: object) -> None:
    with pytest.raises(InputError, match="'confusion' to be 3 lists of 3 counts"):
        make_run([score_json("b", 0.5, confusion=confusion)])


def test_confusion_rows_must_add_up_to_the_support() -> None:
    with pytest.raises(InputError, match="rows that add up to support"):
        make_run([score_json("b", 0.5, confusion=[[7, 2, 2], [5, 2, 3], [0, 0, 0]])])


def test_confusion_counts_must_add_up_to_n() -> None:
    with pytest.raises(InputError, match="'n' to be 20"):
        make_run([score_json("b", 0.5, n=21)])


def test_a_recall_of_an_unknown_expression_is_refused() -> None:
    with pytest.raises(InputError, match="'per_class' to be about surprise, fear, disgust only, found contempt"):
        make_run([score_json("b", 0.5, per_class={"contempt": 0.5})])


@pytest.mark.parametrize("classes", [["fear", "surprise"], ["joy"], []])
def test_classes_stand_in_canonical_order(classes: list[str]) -> None:
    with pytest.raises(InputError, match="canonical order"):
        make_run([], classes=classes)


def test_a_dataset_scored_twice_in_one_run_is_refused() -> None:
    with pytest.raises(InputError, match="'dataset' to be named once per run and split, found b, split test, 2 times"):
        make_run([score_json("b", 0.5), score_json("b", 0.6, rows="other")])


def test_one_file_has_scores_of_several_splits_and_with_overlapping_rows_left_out() -> None:
    run = make_run([score_json("b", 0.5), score_json("b", 0.6, split="val"), score_json("b", 0.4, excluded_overlap=3)])
    assert [score.accuracy for score in run.scores] == [0.5, 0.6, 0.4]


@pytest.mark.parametrize("changes", [{"run_key": "other"}, {"head_sha256": "other"}, {"evaluate_version": 0}])
def test_scores_of_another_head_or_evaluate_are_no_scores_of_the_run(changes: dict[str, Any]) -> None:
    run = make_run([score_json("b", 0.5, **changes), score_json("c", 0.5)])
    assert [score.dataset for score in run.scores] == ["c"]
    assert [score.dataset for score in run.stale] == ["b"]


def test_overlap_that_was_not_checked_is_null_and_nothing_else() -> None:
    assert make_run([score_json("b", 0.5, overlap=None)]).scores[0].overlap_share is None
    with pytest.raises(InputError, match="'overlap' to be an object of counts"):
        make_run([score_json("b", 0.5, overlap=3)])


def test_the_advice_of_a_bad_record_is_the_command_that_writes_it() -> None:
    with pytest.raises(InputError, match="Run `fer-stage train` again"):
        make_run([], rows=3)
    with pytest.raises(InputError, match="Run `fer-stage evaluate` again"):
        make_run([score_json("b", 0.5, rows=3)])


def test_the_train_dataset_cannot_be_unseen() -> None:
    with pytest.raises(InputError, match="'seen' to be true"):
        make_run([score_json("a", 0.5, seen=False)])


def test_a_history_may_have_gaps() -> None:
    run = make_run([], history=[{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "loss": None}])
    assert [row["loss"] for row in run.history] == [None, None]


@pytest.mark.parametrize("row", [{"epoch": 2}, {"epoch": 2, "loss": "low"}, 3])
def test_a_history_with_a_strange_row_is_refused(row: object) -> None:
    with pytest.raises(InputError, match="runs/x, history, item 1"):
        RunRecord.from_json(run_json(), [{"epoch": 1, "loss": 0.5}, row], [], "runs/x")
