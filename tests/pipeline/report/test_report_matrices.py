"""The matrices: one per method and metric, same columns and colours, missing cells empty."""

from __future__ import annotations

from report_samples import crossed_runs, make_run, score_json

from pipeline.report.groups import dataset_columns, group_runs
from pipeline.report.matrices import matrices
from pipeline.report.views import MatrixView, background


def views(*runs: object) -> list[MatrixView]:
    groups = group_runs(runs)  # type: ignore[arg-type]  # what make_run gives
    return matrices(groups, dataset_columns(groups))


def test_every_scored_method_has_one_matrix_per_metric_with_the_same_columns() -> None:
    zero_shot = make_run([score_json("c", 0.5)], method="zero-shot")
    matrices = views(*crossed_runs(), zero_shot, make_run([], method="unscored"))
    assert [(view.caption, view.metric) for view in matrices] == [
        ("Accuracy of probe on mini", "accuracy"),
        ("UAR of probe on mini", "uar"),
        ("Accuracy of zero-shot on mini", "accuracy"),
        ("UAR of zero-shot on mini", "uar"),
    ]
    assert {view.columns for view in matrices} == {("a", "b", "c", "mean unseen")}
    assert [name for name, _ in matrices[2].rows] == ["no training"]
    assert matrices[2].means == "within — · unseen 50.0"


def test_equal_scores_have_equal_colours_in_every_matrix() -> None:
    matrices = views(*crossed_runs(), make_run([score_json("b", 0.62)], method="other"))
    cells = {cell.background for view in matrices for _, row in view.rows for cell in row if cell.text == "62.0"}
    assert cells == {background(0.62)}


def test_a_cell_without_a_score_has_no_colour_and_no_deviation() -> None:
    (view, _) = views(make_run([score_json("a", 0.5, seen=True)]), make_run([score_json("a", 0.25)], dataset="b"))
    (_, (cell, mean)), _ = view.rows
    assert (cell.text, cell.deviation, cell.is_seen) == ("50.0", "", True)
    assert (mean.text, mean.background) == ("—", "")


def test_a_cell_tells_its_images_seeds_and_intervals() -> None:
    about = views(*crossed_runs())[0].rows[1][1][0].about.splitlines()
    assert about[0] == "trained on b, tested on a"
    assert about[2] == "seed 1: 50.0 (95 % interval 25.0 to 75.0)"
    assert about[3] == "split test, n 20, rejected 4"


def test_the_mean_of_a_reference_is_over_the_pairs_of_the_method() -> None:
    """Train a meets b, where 15 of 20 are surprise, and c, where 10 are: (0.75 + 0.5) / 2."""
    lopsided = {"support": {"surprise": 15, "fear": 5}, "confusion": [[15, 0, 0], [5, 0, 0], [0, 0, 0]]}
    (view, uar) = views(make_run([score_json("b", 0.5, **lopsided), score_json("c", 0.5)]))
    assert view.references == (("most frequent", ("75.0", "50.0", "62.5")), ("guessing", ("33.3", "33.3", "33.3")))
    assert uar.references[0] == ("most frequent", ("50.0", "50.0", "50.0"))
