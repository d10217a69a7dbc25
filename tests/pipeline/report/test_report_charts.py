"""What the charts draw: places, order, gaps and marks, and names that stay names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_samples import Page, crossed_runs, make_run, score_json

from pipeline.report import build_report
from pipeline.report.charts.confusion import confusions
from pipeline.report.charts.curves import CurvePanel, Curves, Line, curves
from pipeline.report.charts.reliability import reliability_panels, reliability_table
from pipeline.report.charts.scales import Scale, fitted, line_points, steps_scale
from pipeline.report.charts.scores import Ranking, rankings
from pipeline.report.column_notes import column_notes
from pipeline.report.comparison import comparison_sets
from pipeline.report.groups import dataset_columns, group_runs
from pipeline.report.histories import selected_value
from pipeline.report.reliability import Reliability
from pipeline.report.runs import ReportRun

SEARCH = [{"C": c, "val_accuracy": a, "val_uar": u} for c, a, u in ((100, 0.5, 0.3), (0.01, 0.5, 0.4), (1e6, 0.1, 0.1))]


def curves_of(*runs: ReportRun) -> Curves:
    (view,) = curves(group_runs(runs)[0])
    return view


def panel_of(run: ReportRun) -> CurvePanel:
    (panel,) = curves_of(run).panels
    return panel


def ranked(*runs: ReportRun) -> list[Ranking]:
    groups = group_runs(runs)
    return rankings(comparison_sets(groups), column_notes(groups, dataset_columns(groups)))


def test_a_place_is_a_share_of_the_axis_and_never_outside_of_it() -> None:
    scale = Scale(20, 60)
    assert [scale.place(value) for value in (20, 30, 60, 10, 99)] == [0, 25, 100, 0, 100]
    assert Scale(0.01, 100, is_log=True).place(1) == 50


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(18.3, 84.0), ["20", "40", "60", "80"]),
        (Scale(-6.4, 2.4), ["-6", "-4", "-2", "0", "2"]),
        (Scale(0.2, 1.4), ["0.5", "1"]),
        (Scale(0, 100), ["0", "20", "40", "60", "80", "100"]),
        (Scale(0.5, 2e6, is_log=True), ["1", "100", "10000", "1e+06"]),
    ],
)
def test_ticks_are_at_round_numbers(scale: Scale, expected: list[str]) -> None:
    assert [tick.text for tick in scale.ticks()] == expected


def test_words_at_the_ends_of_an_axis_stay_inside() -> None:
    assert [tick.anchor for tick in Scale(0, 100).ticks()] == ["start", *["middle"] * 4, "end"]


def test_an_axis_fits_its_values_but_does_not_enlarge_small_differences() -> None:
    """Half the range of 10 around 50, and 4 % of it on both sides."""
    scale = fitted([49, 51], least=10)
    assert (scale.low, scale.high) == pytest.approx((44.6, 55.4))
    assert fitted([2, 99], limits=(0, 100)).high == 100


def test_equal_values_have_an_axis_too() -> None:
    assert fitted([3.0, 3.0]).place(3.0) == 50


def test_gaps_in_a_line_stay_gaps() -> None:
    assert line_points([(1, 1.0), (2, None), (3, 3.0), (4, 4.0)]) == [[(1, 1.0)], [(3, 3.0), (4, 4.0)]]


def test_methods_are_in_order_of_their_unseen_means_not_of_those_within() -> None:
    """Over the pairs a on b and a on c: probe (0.62 + 0.48) / 2, other 0.7 though it is lower within."""
    other = [score_json("a", 0.7, seen=True), score_json("b", 0.8), score_json("c", 0.6)]
    accuracy, _ = ranked(*crossed_runs(), make_run(other, method="other"))
    assert [(row.method, row.unseen, row.within) for row in accuracy.rows] == [
        ("other", "70.0", "70.0"),
        ("probe", "55.0 ± 0.0 (2 of 4 pairs)", "91.0 ± 1.4 (1 of 2 pairs)"),
    ]
    assert [row.drop for row in accuracy.rows] == ["+0.0", "-36.0"]
    assert accuracy.answer.startswith("Highest mean accuracy on unseen test sets: other on mini, 70.0 % (95 % interval")


def test_a_best_that_its_interval_does_not_tell_from_others_is_not_called_best() -> None:
    """Both intervals are 0.25 to 0.75."""
    first, _ = ranked(make_run([score_json("b", 0.6)]), make_run([score_json("b", 0.5)], method="other"))
    assert [row.standing for row in first.rows] == ["highest mean, tied", "tied"]
    assert first.answer.endswith("Not distinguishable from it by intervals and seeds: 2 other.")


def test_a_best_that_no_interval_reaches_is_called_best() -> None:
    narrow = {"ci95": {"accuracy": [0.55, 0.65], "uar": [0.55, 0.65]}}
    far = {"ci95": {"accuracy": [0.2, 0.3], "uar": [0.2, 0.3]}}
    runs = [make_run([score_json("b", 0.6, **narrow)]), make_run([score_json("b", 0.25, **far)], method="other")]
    first, _ = ranked(*runs)
    assert [row.standing for row in first.rows] == ["best", ""]
    assert first.answer.endswith("No other interval overlaps with its own, that of seeds included.")


def test_panels_are_of_one_test_set_each_with_the_same_axis_and_order() -> None:
    """On b: probe within 0.82, unseen 0.62 of the head of a; on c unseen alone, (0.48 + 0.30) / 2."""
    accuracy, _ = ranked(*crossed_runs())
    assert [panel.note.name for panel in accuracy.panels] == ["a", "b", "c"]
    rows = {row[0]: row[3:8:2] for row in accuracy.numbers.rows}
    assert rows["b"] == ("82.0 ± 2.8", "62.0 ± 2.8", "-20.0")
    assert rows["c"] == ("—", "39.0 ± 1.4", "—")
    lane = accuracy.panels[2].lanes[0]
    assert lane.within is None
    assert lane.about.startswith("probe on mini: unseen 39.0 ± 1.4 (95 %: ")


def test_without_unseen_scores_methods_are_ranked_within() -> None:
    first, _ = ranked(make_run([score_json("a", 0.5, seen=True)]))
    assert not first.by_unseen
    assert first.answer.startswith("Highest mean accuracy within the train dataset: probe on mini, 50.0 %")


def test_what_marks_a_score_marks_its_mean_everywhere() -> None:
    """The encoder saw b, and 2 of the 20 images of b are train images of the head."""
    score = score_json("b", 0.5, encoder_saw=True, overlap={"train": 2})
    first, _ = ranked(make_run([score]))
    assert first.rows[0].unseen == "50.0 † ≡ 10 %"
    assert first.rows[0].lane.about == "probe on mini: unseen 50.0 † ≡ 10 % (95 %: 25.0 to 75.0)"
    assert first.panels[0].lanes[0].about == first.rows[0].lane.about
    assert first.numbers.rows[0][5] == "50.0 † ≡ 10 %"
    assert "50.0 % † ≡ 10 % (95 % interval" in first.answer


def test_a_stand_in_is_named_in_the_answer() -> None:
    first, _ = ranked(make_run([score_json("b", 0.5)], encoder_note="no encoder"))
    assert "probe on mini (stand-in), 50.0 %" in first.answer
    assert first.rows[0].is_stand_in


def test_confusion_is_in_percent_of_the_true_expression_over_all_pairs() -> None:
    """Row surprise: 7, 2, 1 of 10 on each of two datasets; what does not occur has no share."""
    (view,) = confusions(group_runs([make_run([score_json("b", 0.5), score_json("c", 0.5)])])[0])
    assert view.caption == "probe on mini, on unseen datasets: 2 pairs of train and test dataset"
    name, n, cells = view.rows[0]
    assert (name, n, [cell.percent for cell in cells]) == ("surprise", "20", [70, 20, 10])
    assert cells[1].about == "4 of 20"
    assert [cell.percent for cell in view.rows[2][2]] == [None] * 3


def test_curves_split_losses_from_validation_scores_on_axes_that_all_runs_share() -> None:
    """Losses 2, 1, 0.5: the first at the top; scores 30, 50, 45: the first at the bottom."""
    view = curves_of(make_run([]), make_run([], seed=1))
    assert [name for _, name in view.legend] == ["loss", "val_accuracy", "val_uar"]  # the learning rate is neither
    assert [panel.title for panel in (*view.panels, *view.other_seeds)] == ["a, seed 0", "a, seed 1"]
    loss, validation = view.panels[0].plots
    ((first, second, third),) = loss.lines[0].stretches
    assert (first[1], third[1]) == pytest.approx((3.7, 96.3))
    assert first[0] < second[0] < third[0]
    assert len(validation.lines) == 2


def test_the_steps_of_a_line_are_relative_and_do_not_drift() -> None:
    """In a box of 400 x 200; thirds are rounded at each point, not at each step."""
    line = Line(0, (((0.0, 0.0), (100 / 3, 50.0), (200 / 3, 25.0), (100.0, 100.0)),))
    assert line.paths == ["M0,0l133,100 134,-50 133,150"]


def test_the_selected_epoch_is_marked() -> None:
    panel = panel_of(make_run([], selected_epoch=2))
    assert (panel.selected, panel.selected_text) == (50, "selected: epoch 2")


def test_a_search_is_drawn_in_order_on_a_logarithmic_axis() -> None:
    panel = panel_of(make_run([], history=SEARCH))
    (validation,) = panel.plots  # no loss, no plot for it
    xs = [x for stretch in validation.lines[0].stretches for x, _ in stretch]
    assert xs == sorted(xs)
    assert steps_scale([0.01, 100, 1e6]).is_log


def test_a_search_selected_the_row_with_the_validation_scores_of_the_run() -> None:
    assert selected_value(make_run([], history=SEARCH, val={"accuracy": 0.5, "uar": 0.4})) == 0.01
    assert selected_value(make_run([], history=SEARCH, val={"accuracy": 0.9, "uar": 0.9})) is None


def test_a_search_with_numbered_steps_is_drawn_over_what_it_searched() -> None:
    rows = [{"epoch": i, "log10_c": c, "loss": 1.0, "val_uar": 0.4} for i, c in ((1, 2.0), (2, -3.0))]
    run = make_run([], history=rows, selected_epoch=2)
    assert curves_of(run).steps == "log10_c"
    assert selected_value(run) == -3.0


def test_a_point_between_gaps_is_a_dot() -> None:
    rows = [{"epoch": 1, "loss": None, "val_uar": None}, {"epoch": 2, "loss": 1.0, "val_uar": 0.5}]
    (line,) = panel_of(make_run([], history=rows)).plots[0].lines
    assert line.paths == []
    assert line.dots == [(96.3, 50)]


@pytest.mark.parametrize("rows", [0, 1])
def test_runs_without_a_history_of_two_steps_have_no_curves(rows: int) -> None:
    history = [{"epoch": 1, "loss": 1.0, "val_uar": 0.5}][:rows]
    assert curves(group_runs([make_run([], history=history)])[0]) == []


def test_reliability_counts_units_by_confidence() -> None:
    """Fifteen bins (low, high]: 0.05 is in the first, 0.5 in the eighth, 0.9 in the 14th, 0.95 in the last."""
    bins = Reliability.of(np.array([0.05, 0.5, 0.9, 0.95]), np.array([False, True, True, False]))
    assert [i for i, n in enumerate(bins.counts) if n] == [0, 7, 13, 14]
    assert bins.right == tuple(int(i in (7, 13)) for i in range(15))
    both = Reliability.together([bins, bins])
    assert both.counts[7] == 2
    assert both.confidences[7] == 1.0


def test_a_reliability_diagram_has_the_mean_error_and_its_floor() -> None:
    """ECE and floor are those of the records, the dots at confidence 80 %, where 3 of 4 are right."""
    bins = Reliability.of(np.full(4, 0.8), np.array([True, True, True, False]))
    run = make_run([score_json("b", 0.5, ece=0.1, ece_expected=0.04), score_json("c", 0.5, ece=0.2, ece_expected=0.06)])
    run = replace(run, scores=tuple(score.model_copy(update={"reliability": bins}) for score in run.scores))
    (group,) = group_runs([run])
    (panel,) = reliability_panels(group)
    assert (panel.ece, panel.floor_text, panel.n) == ("15.0", "5.0", "2 scores, N 20")
    assert panel.floor == pytest.approx(5)
    assert [(one.x, one.y, one.about) for one in panel.bins] == [(80, 25, "confidence 80.0 %, 75.0 % right: 6 of 8")]


def test_scores_without_predictions_have_no_diagram_but_their_errors() -> None:
    (group,) = group_runs([make_run([score_json("b", 0.5)])])
    assert reliability_panels(group) == []
    assert reliability_table([group]).rows[0][:5] == ("probe", "mini", "unseen", "1", "20")
    assert "There is no diagram" in build_report([make_run([score_json("b", 0.5)])], [], "today").html


def test_names_are_text_in_every_chart() -> None:
    runs = [make_run([score_json("<b>", 0.5), score_json("<a>", 0.9, seen=True)], dataset="<a>", method="<m>")]
    read = Page(build_report(runs, [], "today").html)
    assert not {"a>", "b>", "m>", "m"} & {tag for tag, _ in read.tags}
    assert "<m> on mini: unseen 50.0" in read.text
