"""What the figures draw: values, frames and marks, and names that stay names."""

from __future__ import annotations

import json

import pytest
from report_samples import crossed_runs, make_run, score_json

from pipeline.report.comparison import ComparisonSet
from pipeline.report.curves import curves_figure, selected_value
from pipeline.report.figures import confusion_figure, overview_figure
from pipeline.report.groups import group_runs
from pipeline.tables.labels import CLASS_SETS, ClassSet

SEARCH = [{"C": c, "val_accuracy": a, "val_uar": u} for c, a, u in ((100, 0.5, 0.3), (0.01, 0.5, 0.4), (1e6, 0.1, 0.1))]


def test_confusion_rows_are_shares_of_the_true_expression() -> None:
    """Row surprise: 7, 2, 1 of 10. An expression that does not occur has no shares."""
    (variant,) = confusion_figure(group_runs([make_run([score_json("b", 0.5)])])[0], "c").variants
    assert variant.name == "a → b"
    assert variant.data[0]["z"] == [[70.0, 20.0, 10.0], [50.0, 20.0, 30.0], [None, None, None]]
    assert variant.data[0]["customdata"][0][1] == "2 of 10"


@pytest.mark.parametrize(("name", "height"), [(7, 400), (8, 400), ("raf-compound", 520), ("raf-ce", 640)])
def test_a_confusion_matrix_of_more_than_eight_classes_is_higher(name: ClassSet, height: int) -> None:
    classes = CLASS_SETS[name]
    counts = [[0] * len(classes) for _ in classes]
    counts[0][0] = 20
    of_classes = {
        "per_class": dict.fromkeys(classes) | {classes[0]: 1.0},
        "support": dict.fromkeys(classes, 0) | {classes[0]: 20},
        "confusion": counts,
    }
    group = group_runs([make_run([{**score_json("b", 1.0), **of_classes}], classes=list(classes))])[0]
    figure = confusion_figure(group, "c")
    assert figure.layout["height"] == height
    assert figure.variants[0].data[0]["x"] == list(classes)


def test_a_seen_domain_is_marked_in_the_figures() -> None:
    groups = group_runs([make_run([score_json("b", 0.5, encoder_saw=True), score_json("c", 0.5)])])
    assert [variant.name for variant in confusion_figure(groups[0], "c").variants] == ["a → b †", "a → c"]
    assert overview_figure(ComparisonSet(tuple(groups)), "o").variants[0].data[1]["y"] == ["probe · mini †"]


def test_the_overview_has_a_mark_per_method_and_bars_over_seeds_only() -> None:
    """Both have a on b alone: 0.60 and 0.64 of probe, 0.25 of single; sd = 0.04 / sqrt(2)."""
    groups = group_runs([*crossed_runs(), make_run([score_json("b", 0.25)], method="single")])
    within, unseen = overview_figure(ComparisonSet(tuple(groups)), "o").variants[0].data
    assert within["x"] == [86.5]  # `single` was not scored on its own dataset
    assert unseen["x"] == [62.0, 25.0]
    assert unseen["error_x"]["array"] == [2.83, None]


def test_names_are_text_in_every_figure() -> None:
    runs = [make_run([score_json("<b>", 0.5), score_json("<a>", 0.9, seen=True)], dataset="<a>", method="<m>")]
    (group,) = groups = group_runs(runs)
    figures = [
        confusion_figure(group, "m"),
        overview_figure(ComparisonSet(tuple(groups)), "o"),
        curves_figure(group, "c"),
    ]
    texts = json.dumps([figure.as_json() for figure in figures if figure])
    for name in ("<a>", "<b>", "<m>"):
        assert name not in texts
    assert "&lt;m&gt;" in texts


def test_curves_split_losses_from_validation_scores() -> None:
    figure = curves_figure(group_runs([make_run([])])[0], "c")
    assert figure is not None
    lines = {line["name"]: line for line in figure.variants[0].data}
    assert set(lines) == {"loss", "val_accuracy", "val_uar"}  # the learning rate is neither
    assert (lines["loss"]["yaxis"], lines["val_uar"]["yaxis"]) == ("y", "y2")
    assert lines["loss"]["y"] == [2.0, 1.0, 0.5]
    assert lines["val_accuracy"]["y"] == [30.0, 50.0, 45.0]


def test_the_selected_epoch_is_marked() -> None:
    figure = curves_figure(group_runs([make_run([], selected_epoch=2)])[0], "c")
    assert figure is not None
    layout = figure.variants[0].layout
    assert layout["annotations"][0]["xanchor"] == "center"
    assert (layout["shapes"][0]["x0"], layout["annotations"][0]["text"]) == (2, "selected: epoch 2")


@pytest.mark.parametrize(("selected", "side"), [(1, "left"), (10, "right")])
def test_the_words_of_the_mark_stay_inside_the_figure(selected: int, side: str) -> None:
    rows = [{"epoch": i, "loss": 1.0, "val_uar": 0.4} for i in range(1, 11)]
    figure = curves_figure(group_runs([make_run([], history=rows, selected_epoch=selected, epochs=10)])[0], "c")
    assert figure is not None
    assert figure.variants[0].layout["annotations"][0]["xanchor"] == side


def test_a_search_is_drawn_in_order_on_a_logarithmic_axis() -> None:
    run = make_run([], history=SEARCH)
    figure = curves_figure(group_runs([run])[0], "c")
    assert figure is not None
    (variant,) = figure.variants
    assert variant.data[0]["x"] == [0.01, 100, 1e6]
    assert variant.layout["xaxis"]["type"] == "log"
    assert "yaxis" not in variant.layout  # no loss, no panel for it
    assert variant.layout["annotations"][0]["x"] == pytest.approx(-2)


def test_a_search_selected_the_row_with_the_validation_scores_of_the_run() -> None:
    assert selected_value(make_run([], history=SEARCH, val={"accuracy": 0.5, "uar": 0.4})) == 0.01
    assert selected_value(make_run([], history=SEARCH, val={"accuracy": 0.9, "uar": 0.9})) is None


def test_a_search_with_numbered_steps_is_drawn_over_what_it_searched() -> None:
    rows = [{"epoch": i, "log10_c": c, "loss": 1.0, "val_uar": 0.4} for i, c in ((1, 2.0), (2, -3.0))]
    run = make_run([], history=rows, selected_epoch=2)
    figure = curves_figure(group_runs([run])[0], "c")
    assert figure is not None
    (variant,) = figure.variants
    assert [line["name"] for line in variant.data] == ["loss", "val_uar"]
    assert variant.data[0]["x"] == [-3.0, 2.0]
    assert selected_value(run) == -3.0


def test_gaps_in_a_history_stay_gaps() -> None:
    rows = [{"epoch": 1, "loss": None, "val_uar": None}, {"epoch": 2, "loss": 1.0, "val_uar": 0.5}]
    figure = curves_figure(group_runs([make_run([], history=rows)])[0], "c")
    assert figure is not None
    assert [line["y"] for line in figure.variants[0].data] == [[None, 1.0], [None, 50.0]]


def test_runs_without_a_history_have_no_curves() -> None:
    assert curves_figure(group_runs([make_run([], history=[])])[0], "c") is None
