"""Figures for a paper: what they show, as numbers; vectors, in the width of a column, equal bytes for equal data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_samples import STAND_IN, crossed_runs, make_run, score_json

from pipeline.progress import Progress
from pipeline.report import ReportRun
from pipeline.report.groups import group_runs
from pipeline.report.paper.confusion import confusion_figures
from pipeline.report.paper.figures import FIGURES, grid_variants, paper_figures
from pipeline.report.paper.projection import FeaturePair, feature_figures, projected
from pipeline.report.paper.ranking import ranking_figures
from pipeline.report.paper.reliability import reliability_bins, reliability_figures, without_reliability
from pipeline.report.paper.sensitivity import sensitivity_figures, sweeps_of
from pipeline.report.paper.style import PaperFigure, color_of, marker_of, wrapped
from pipeline.report.reliability import Reliability
from stages import names


def of_method(method: str, accuracies: Sequence[float], **changes: Any) -> ReportRun:
    """Trained on a; scored on a, b and c, as far as there are accuracies."""
    scores = [score_json(test, value, seen=test == "a") for test, value in zip("abc", accuracies, strict=False)]
    return make_run(scores, method=method, **changes)


def by_name(figures: Iterator[PaperFigure]) -> dict[str, PaperFigure]:
    return {figure.name: figure for figure in figures}


@pytest.fixture(scope="module")
def ranking() -> PaperFigure:
    runs = [*crossed_runs(encoder_note=STAND_IN), of_method("cafe", (0.5, 0.9, 0.9), encoder_note=STAND_IN)]
    return by_name(ranking_figures(group_runs(runs)))["ranking-mini-a-accuracy"]


def test_methods_are_in_the_order_of_their_unseen_means(ranking: PaperFigure) -> None:
    """probe on b and c: (0.62 + 0.48) / 2 = 0.55; cafe: 0.9, though it is worse where it was trained."""
    assert list(dict.fromkeys(ranking.data["method"])) == ["cafe", "probe"]
    probe = ranking.data.query("method == 'probe' and test == 'b'").iloc[0]
    assert (probe["mean"], probe["low"], probe["high"]) == (pytest.approx(0.62), 0.25, 0.75)
    assert probe["by_seed"] == "0.600000 0.640000"
    assert not probe["seen"]


def test_a_figure_is_a_vector_in_true_type_letters(ranking: PaperFigure) -> None:
    confusion = next(confusion_figures(group_runs(crossed_runs())))
    for figure in (ranking, confusion):
        assert figure.pdf.startswith(b"%PDF")
        assert b"/Subtype /Image" not in figure.pdf
        assert b"/Type3" not in figure.pdf
        assert b"<image" not in figure.svg
        assert b"<text" in figure.svg


def test_a_figure_is_as_wide_as_a_column_or_the_page(ranking: PaperFigure) -> None:
    """72 points an inch: 3.3 and 6.9 inches."""
    confusion = next(confusion_figures(group_runs(crossed_runs())))
    widths = [re.search(rb'width="([\d.]+)pt"', figure.svg) for figure in (confusion, ranking)]
    assert [float(width[1]) for width in widths if width] == [pytest.approx(237.6), pytest.approx(496.8)]
    assert (confusion.is_wide, ranking.is_wide) == (False, True)


def test_a_stand_in_is_named_in_the_figure_and_in_its_caption(ranking: PaperFigure) -> None:
    assert ranking.svg.count(b"stand-in encoder") == 1
    assert ranking.caption.count("STAND-IN") == 1
    assert b"stand-in" not in next(confusion_figures(group_runs(crossed_runs()))).svg


def test_equal_data_gives_equal_bytes_whatever_the_users_settings() -> None:
    import matplotlib as mpl

    groups = group_runs([of_method("cafe", (0.5,))])
    first = next(confusion_figures(groups))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "pdf.fonttype": 3}):
        second = next(confusion_figures(groups))
    assert (first.pdf, first.svg) == (second.pdf, second.svg)


def test_confusions_are_shares_of_each_true_expression() -> None:
    """Rows (7 2 1), (5 2 3) and none: of an expression that does not occur there is no share."""
    figure = next(confusion_figures(group_runs([of_method("cafe", (0.5,))])))
    shares = figure.data.pivot_table("share", "actual", "predicted", dropna=False).reindex(
        ["surprise", "fear", "disgust"]
    )
    assert shares[["surprise", "fear", "disgust"]].fillna(-1).to_numpy().tolist() == [
        [0.7, 0.2, 0.1],
        [0.5, 0.2, 0.3],
        [-1, -1, -1],
    ]
    assert figure.svg.count(b">70<") == 1


def grid() -> list[ReportRun]:
    """cafe with lambda 0.5, 1.5 and beta 5, and with lambda 1.5 and beta 1, 5, 10."""
    points = {(0.5, 5.0): 0.5, (1.5, 1.0): 0.6, (1.5, 5.0): 0.7, (1.5, 10.0): 0.8}
    return [
        of_method(
            "cafe",
            (accuracy, accuracy / 2),
            variant=f"lambda_sep={sep},beta_div={div}",
            config={"lambda_sep": sep, "beta_div": div, "sigmoid": True},
        )
        for (sep, div), accuracy in points.items()
    ]


def test_a_sweep_varies_one_option_at_fixed_others() -> None:
    sweeps = {sweep.option: sweep for sweep in sweeps_of("cafe", group_runs(grid()))}
    assert list(sweeps["lambda_sep"].points) == [0.5, 1.5]
    assert sweeps["lambda_sep"].fixed == {"beta_div": 5.0}
    assert list(sweeps["beta_div"].points) == [1.0, 5.0, 10.0]
    assert sweeps["beta_div"].fixed == {"lambda_sep": 1.5}


def test_sensitivity_is_the_score_at_each_value_on_each_test_set() -> None:
    figure = by_name(sensitivity_figures(group_runs(grid())))["sensitivity-mini-cafe-a-accuracy"]
    of_beta = figure.data.query("option == 'beta_div'")
    assert of_beta[["value", "test", "mean"]].to_numpy().tolist() == [
        [1.0, "a", 0.6],
        [5.0, "a", 0.7],
        [10.0, "a", 0.8],
        [1.0, "b", 0.3],
        [5.0, "b", 0.35],
        [10.0, "b", 0.4],
    ]
    assert "beta_div: lambda_sep=1.5" in figure.caption


def test_a_method_without_a_grid_of_numbers_has_no_sensitivity() -> None:
    words = [of_method("cafe", (0.5,), variant=f"x={x}", config={"x": x, "y": True}) for x in ("a", "b")]
    assert list(sensitivity_figures(group_runs([*words, of_method("probe", (0.5,))]))) == []


def test_bins_of_reliability_are_those_of_the_calibration_error() -> None:
    """Of four bins (0, 1/4], ...: 0.25 is in the first, 0.26 in the second; 0.9 and 1.0, one of them right, are in the
    last.
    """
    bins = reliability_bins(Reliability.of(np.array([0.25, 0.26, 0.9, 1.0]), np.array([True, False, True, False]), 4))
    assert [(each.low, each.high, each.n, each.accuracy) for each in bins] == [
        (0.0, 0.25, 1, 1.0),
        (0.25, 0.5, 1, 0.0),
        (0.75, 1.0, 2, 0.5),
    ]
    assert bins[2].confidence == pytest.approx(0.95)
    assert (bins[2].accuracy_low, bins[2].accuracy_high) == (
        pytest.approx(0.0945, abs=1e-4),
        pytest.approx(0.9055, abs=1e-4),
    )


def test_reliability_is_of_the_lowest_seed_of_each_train_dataset() -> None:
    bins = Reliability.of(np.array([0.5, 0.9]), np.array([True, True]))
    runs = [make_run([score_json("c", 0.5)], dataset=train, seed=seed) for train in "ab" for seed in (4, 3)]
    groups = group_runs([with_reliability(run, bins) for run in runs])
    figures = list(reliability_figures(groups))
    assert [figure.name for figure in figures] == ["reliability-mini-probe-a-c", "reliability-mini-probe-b-c"]
    assert "seed 3" in figures[0].caption
    assert list(figures[0].data["n"]) == [1, 1]
    assert without_reliability(groups) == []


def test_a_score_whose_predictions_are_not_here_has_no_figure_of_reliability_and_is_named() -> None:
    bins = Reliability.of(np.array([0.5]), np.array([True]))
    first, second = (make_run([score_json("c", 0.5)], dataset=train) for train in "ab")
    groups = group_runs([with_reliability(first, bins), second])
    assert [figure.name for figure in reliability_figures(groups)] == ["reliability-mini-probe-a-c"]
    assert without_reliability(groups) == ["probe of b on c"]


def with_reliability(run: ReportRun, bins: Reliability) -> ReportRun:
    return replace(run, scores=tuple(score.model_copy(update={"reliability": bins}) for score in run.scores))


def test_the_caption_of_a_single_head_is_of_its_own_train_dataset() -> None:
    """The head that was trained on b knows 3 of the 20 images; that of a knows none."""
    runs = [
        make_run([score_json("c", 0.5, overlap={"train": n, "val": 0})], dataset=train)
        for train, n in (("a", 0), ("b", 3))
    ]
    bins = Reliability.of(np.array([0.5, 0.9]), np.array([True, True]))
    groups = group_runs([with_reliability(run, bins) for run in runs])
    for figures in (
        reliability_figures(groups),
        feature_figures(groups, lambda run, score, most: clusters()),
    ):
        assert ["≡" in figure.caption for figure in figures] == [False, True]


def clusters() -> FeaturePair:
    """Two classes that the head separates."""
    rng = np.random.default_rng(0)
    labels = np.array(["fear", "surprise"] * 15)
    stored = rng.normal(size=(30, 8))
    return FeaturePair(np.arange(30).astype(str), labels, stored, stored + 50 * (labels == "fear")[:, None])


def test_features_before_and_after_a_head_are_points_with_their_labels() -> None:
    groups = group_runs([of_method("cafe", (0.5,))])
    (figure,) = feature_figures(groups, lambda run, score, most: clusters())
    assert list(figure.data.columns) == ["id", "label", "stored_x", "stored_y", "head_x", "head_y"]
    centres = figure.data.groupby("label")[["head_x", "head_y"]].mean()
    spread = figure.data.groupby("label")[["head_x", "head_y"]].std().max().max()
    assert np.linalg.norm(centres.loc["fear"] - centres.loc["surprise"]) > spread
    assert "perplexity 10" in figure.caption


def test_a_head_without_features_of_its_own_has_no_figure() -> None:
    assert list(feature_figures(group_runs([of_method("probe", (0.5,))]), lambda run, score, most: None)) == []


def test_projections_are_repeatable_and_take_few_points() -> None:
    features = clusters().stored
    assert np.array_equal(projected(features), projected(features))
    assert projected(features[:2]).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert projected(features[:5]).shape == (5, 2)


def test_single_heads_of_a_grid_are_left_out_where_the_method_has_others() -> None:
    groups = group_runs([*grid(), of_method("cafe", (0.5,)), of_method("scn", (0.5,), variant="lr=1")])
    assert [group.runs[0].record.variant for group in grid_variants(groups)] == [
        "lambda_sep=0.5,beta_div=5.0",
        "lambda_sep=1.5,beta_div=1.0",
        "lambda_sep=1.5,beta_div=5.0",
        "lambda_sep=1.5,beta_div=10.0",
    ]
    steps: list[Progress] = []
    figures = paper_figures(groups, ["confusion"], lambda run, score, most: None, steps.append)
    assert [figure.name for figure in figures] == ["confusion-mini-scn-lr-1-a-a", "confusion-mini-cafe-a-a"]
    assert [(step.what, step.done, step.note) for step in steps] == [
        ("figures", done, figure.name) for done, figure in enumerate(figures, 1)
    ]


def test_the_names_that_a_request_takes_are_those_of_the_figures() -> None:
    assert tuple(FIGURES) == names.FIGURES


def test_no_two_series_look_the_same() -> None:
    """The compound sets have 11 and 14 expressions, more than there are colours."""
    styles = {(color_of(i), marker_of(i)) for i in range(64)}
    assert len(styles) == 64


def test_long_names_are_broken_where_they_have_a_place() -> None:
    assert wrapped("feature-mask lambda_sep=0.5,beta_div=10", 20) == "feature-mask\nlambda_sep=0.5,\nbeta_div=10"
    assert wrapped("x" * 40, 20) == "x" * 40


def test_data_frames_hold_a_row_for_each_mark(ranking: PaperFigure) -> None:
    assert isinstance(ranking.data, pd.DataFrame)
    assert len(ranking.data) == 6
