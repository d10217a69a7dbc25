"""Folds in a report: one cell of all folds, whose value is their mean; never in one mean with a run without a fold."""

from __future__ import annotations

from typing import Any

import pytest
from report_samples import Page, make_run, score_json

from pipeline.errors import InputError
from pipeline.records import Score
from pipeline.report import Report, ReportRun, build_report
from pipeline.report.folds import ScoreOfFolds, fold_notes
from pipeline.report.groups import Group, group_runs
from pipeline.report.matrices import matrices

# 4 and 8 images: accuracies 3/4 and 4/8, together 7/12.
COUNTS = {1: [[2, 1, 0], [0, 1, 0], [0, 0, 0]], 2: [[3, 1, 0], [3, 1, 0], [0, 0, 0]]}
ACCURACY = {1: 0.75, 2: 0.5}
UAR = {1: (2 / 3 + 1) / 2, 2: 0.5}


def fold_of(number: int, n: int = 2) -> dict[str, Any]:
    return {"number": number, "n": n, "source": "table"}


def own_score(number: int, n: int = 2, **changes: Any) -> dict[str, Any]:
    counts = COUNTS[number]
    support = dict(zip(("surprise", "fear", "disgust"), map(sum, counts), strict=True))
    fields: dict[str, Any] = {"confusion": counts, "support": support, "n": sum(support.values()), "seen": True}
    fields |= {"fold": fold_of(number, n), "rows": f"rows of fold {number}"}
    return score_json("a", ACCURACY[number], UAR[number], **fields, **changes)


def fold_run(number: int, seed: int = 0, n: int = 2, scores: Any = None, **changes: Any) -> ReportRun:
    fields = {"rows": f"train rows of fold {number}", "variant": f"fold-{number}-of-{n}", "fold": fold_of(number, n)}
    return make_run([own_score(number, n)] if scores is None else scores, seed=seed, **fields, **changes)


def only_group(*runs: ReportRun) -> Group:
    [group] = group_runs(runs)
    return group


def test_folds_are_one_cell_whose_value_is_their_mean() -> None:
    """Accuracy (3/4 + 4/8) / 2 = 0.625; n, counts and interval are of all 12 images."""
    group = only_group(fold_run(2), fold_run(1))
    [cell] = group.cells.values()
    assert (cell.train, cell.test, cell.is_within, group.method) == ("a (2 folds)", "a (2 folds)", True, "probe")
    assert (cell.first.n, cell.first.value("accuracy")) == (12, pytest.approx(0.625))
    assert cell.confusion() == [[5, 2, 0], [3, 2, 0], [0, 0, 0]]
    assert cell.first.bounds("accuracy") == pytest.approx((0.3195, 0.8067), abs=1e-4)  # Wilson's of 7 of 12


def test_each_seed_has_the_mean_over_its_folds() -> None:
    group = only_group(*(fold_run(number, seed) for number in (1, 2) for seed in (0, 1)))
    [cell] = group.cells.values()
    assert {seed: score.value("accuracy") for seed, score in cell.by_seed.items()} == {0: 0.625, 1: 0.625}


def test_a_run_without_a_fold_is_never_in_one_mean_with_folds() -> None:
    plain = make_run([score_json("a", 0.9, seen=True)])
    group = only_group(fold_run(1), fold_run(2), plain)
    assert sorted(group.cells) == [("a", "a"), ("a (2 folds)", "a (2 folds)")]
    assert group.cells["a", "a"].first.value("accuracy") == 0.9


def test_an_incomplete_set_of_folds_is_named_and_stays_apart() -> None:
    runs = [fold_run(1, 0, 5), fold_run(2, 0, 5), fold_run(1, 1, 5)]
    group = only_group(*runs)
    assert {train for train, _ in group.cells} == {"a (2 of 5 folds (1, 2))", "a (1 of 5 folds (1))"}
    assert any("seed 1: 1 of 5 folds (1) are there" in note for note in fold_notes(group.runs))


def test_on_another_dataset_all_folds_are_of_the_same_images() -> None:
    """Accuracies 0.4 and 0.6 on 20 images of b: 0.5 on 20 images, not on 40."""
    runs = [
        fold_run(number, scores=[score_json("b", accuracy)], method="cafe") for number, accuracy in ((1, 0.4), (2, 0.6))
    ]
    [cell] = only_group(*runs).cells.values()
    assert (cell.train, cell.test, cell.is_unseen) == ("a (2 folds)", "b", True)
    assert (cell.first.n, cell.first.value("accuracy")) == (20, 0.5)
    assert cell.first.bounds("accuracy") == (0.25, 0.75)  # those of each fold: the images are the same


def test_heads_of_folds_that_were_not_scored_on_another_dataset_are_counted() -> None:
    runs = [fold_run(1, scores=[score_json("b", 0.4)]), fold_run(2, scores=[])]
    assert fold_notes(only_group(*runs).runs)[1:] == [
        "probe on mini, trained on a (2 folds), seed 0: 1 of 2 heads were scored on b, and the mean is over these."
    ]


def test_one_fold_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"trained on a .*, fold 1, seed 0"):
        group_runs([fold_run(1), fold_run(1)])


def report_of(*runs: ReportRun) -> Report:
    return build_report(runs, [], "2026-01-01")


def test_tables_have_the_mean_and_each_fold_and_all_counts_together() -> None:
    report = report_of(fold_run(1), fold_run(2))
    [row] = report.tables["matrix"].to_dict("records")
    assert (row["accuracy"], row["n"], row["train"]) == (0.625, 12, "a (2 folds)")
    folds = report.tables["folds"]
    assert dict(zip(folds["fold"], folds["accuracy"], strict=True)) == {
        "1 of 2": 0.75,
        "2 of 2": 0.5,
        "pooled of 2 folds": pytest.approx(7 / 12, abs=1e-6),
    }
    assert report.metrics["mini"]["probe"]["a (2 folds)"]["within"]["accuracy"] == 0.625
    assert any("plain mean over folds" in note for note in report.notes)


def test_the_page_has_a_row_for_the_mean_the_pooled_score_and_each_fold() -> None:
    page = Page(report_of(fold_run(1), fold_run(2)).html)
    rows = [row for caption, table in page.tables.items() if "Every score" in caption for row in table[1:]]
    assert [(row[2], row[4], row[5]) for row in rows] == [
        ("test, mean of folds", "12", "62.5"),
        ("test, pooled", "12", "58.3"),
        ("test, fold 1", "4", "75.0"),
        ("test, fold 2", "8", "50.0"),
    ]


def test_a_cell_of_a_matrix_says_what_each_fold_has() -> None:
    group = only_group(fold_run(1), fold_run(2))
    [matrix, _] = matrices([group], ["a (2 folds)"])
    [(train, cells)] = matrix.rows
    assert (train, cells[0].text) == ("a (2 folds)", "62.5")
    assert (
        "seed 0, 2 folds: mean 62.5, pooled 58.3 (95 % interval 32.0 to 80.7)\nfold 1 75.0, fold 2 50.0"
        in cells[0].about
    )


def test_clips_are_called_clips() -> None:
    run = make_run([own_score(1, unit="clip")], rows="r", variant="fold-1-of-2", fold=fold_of(1), unit="clip")
    html = report_of(run).html
    assert "the test clips of every dataset" in html
    assert "clips, rows true, columns predicted" in html


def test_a_report_without_folds_has_no_table_of_them() -> None:
    report = report_of(make_run([score_json("a", 0.5, seen=True)]))
    assert "folds" not in report.tables
    assert not any("fold" in note for note in report.notes)


def test_a_score_of_folds_is_a_score() -> None:
    [cell] = only_group(fold_run(1), fold_run(2)).cells.values()
    assert isinstance(cell.first, ScoreOfFolds)
    assert isinstance(cell.first, Score)
