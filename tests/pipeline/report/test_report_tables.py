"""The data of a report: DVC's metrics and the long tables."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from report_samples import STAND_IN, crossed_runs, digest, make_run, score_json

from pipeline.errors import InputError
from pipeline.report import build_report
from pipeline.report.groups import group_runs
from pipeline.report.tables import long_tables, metrics


def test_metrics_hold_within_and_unseen() -> None:
    """Numbers as in test_report_groups; UAR is half the accuracy in these records. Six digits."""
    tree = metrics(group_runs(crossed_runs()))
    assert tree["mini"]["probe"]["b"] == {
        "within": {"accuracy": 0.82, "accuracy_sd": 0.028284, "uar": 0.41, "uar_sd": 0.014142},
        "unseen": {"accuracy": 0.375, "accuracy_sd": 0.035355, "uar": 0.1875, "uar_sd": 0.017678, "datasets": 2},
    }


def test_metrics_leave_out_what_was_not_scored() -> None:
    tree = metrics(group_runs([make_run([score_json("a", 0.5, seen=True)]), make_run([], dataset="b")]))
    assert tree["mini"]["probe"] == {
        "a": {"within": {"accuracy": 0.5, "uar": 0.5}},
        "b": {},
    }


def test_metrics_of_a_stand_in_say_so() -> None:
    tree = metrics(group_runs([make_run([], encoder_note=STAND_IN), make_run([], encoder="real")]))
    assert tree["mini"]["note"] == STAND_IN
    assert "note" not in tree["real"]


def test_metrics_are_plain_json_in_a_stable_order() -> None:
    runs = crossed_runs()
    texts = {json.dumps(metrics(group_runs(order)), allow_nan=False) for order in (runs, runs[::-1])}
    assert len(texts) == 1


def test_the_matrix_has_one_row_per_run_and_test_dataset() -> None:
    table = long_tables(group_runs(crossed_runs()))["matrix"]
    assert len(table) == 12
    row = table.query("train == 'b' and test == 'a' and seed == 1").iloc[0].to_dict()
    assert row.pop("ece_uncalibrated") == 0.25
    assert row.pop("ece_expected") is None
    assert row == {
        "encoder": "mini", "encoder_note": "", "method": "probe", "train": "b", "test": "a", "seed": 1,
        "split": "test", "seen": False, "encoder_saw": False, "n": 20, "accuracy": 0.5, "uar": 0.25,
        "accuracy_low": 0.25, "accuracy_high": 0.75, "uar_low": 0.125, "uar_high": 0.875, "ece": 0.125,
        "rejected": 4, "dropped": 6, "rows": digest("rows of a")[:12], "options": "", "overlap_train": 0,
        "overlap_val": 0, "near_overlap": None, "excluded_overlap": 0, "audit": "",
    }  # fmt: skip


def test_the_calibration_error_is_beside_that_without_a_temperature_and_that_of_a_perfect_head() -> None:
    scores = [score_json("b", 0.5, ece_uncalibrated=0.25, ece_expected=0.0625)]
    (row,) = long_tables(group_runs([make_run(scores)]))["matrix"].to_dict("records")
    assert (row["ece"], row["ece_uncalibrated"], row["ece_expected"]) == (0.125, 0.25, 0.0625)


def test_the_cells_are_means_over_seeds_with_what_guessing_scores() -> None:
    """Train b, test a: 0.40 and 0.50, sd = 0.1 / sqrt(2); half of the images are of one of two expressions of three."""
    table = long_tables(group_runs(crossed_runs()))["cells"]
    assert len(table) == 6
    row = table.query("train == 'b' and test == 'a'").iloc[0].to_dict()
    assert row == {
        "encoder": "mini", "encoder_note": "", "method": "probe", "train": "b", "test": "a", "seeds": 2,
        "split": "test", "seen": False, "encoder_saw": False, "n": 20, "accuracy": 0.45, "accuracy_sd": 0.070711,
        "uar": 0.225, "uar_sd": 0.035355, "accuracy_most_frequent": 0.5, "uar_most_frequent": 0.5,
        "guessing": 0.333333, "rows": digest("rows of a")[:12], "options": "", "overlap_train": 0, "overlap_val": 0,
        "near_overlap": None, "excluded_overlap": 0, "audit": "",
    }  # fmt: skip


def test_the_summary_has_the_means_of_the_page_and_no_gain_without_a_baseline() -> None:
    """Numbers as in test_report_groups."""
    (row,) = long_tables(group_runs(crossed_runs()))["summary"].to_dict("records")
    assert (row["trains"], row["seeds"], row["unseen_pairs"], row["encoder_saw"]) == (2, 2, 4, False)
    assert (row["within_accuracy"], row["within_accuracy_sd"]) == (0.865, 0.021213)
    assert (row["unseen_accuracy"], row["unseen_uar"]) == (0.4625, 0.23125)
    assert pd.isna(row["accuracy_against_baseline"])


def test_the_summary_counts_gains_over_the_baseline_on_unseen_datasets() -> None:
    """Baseline a on b: 0.25, one seed; probe: 0.60 and 0.64, so 0.62 - 0.25; nothing else is shared and unseen."""
    runs = [*crossed_runs(), make_run([score_json("b", 0.25, 0.25)], method="baseline")]
    rows = long_tables(group_runs(runs))["summary"].set_index("method")
    assert rows.loc["probe", "accuracy_against_baseline"] == pytest.approx(0.37)
    assert rows.loc["probe", "uar_against_baseline"] == pytest.approx(0.06)
    assert pd.isna(rows.loc["baseline", "accuracy_against_baseline"])


def test_metrics_name_what_the_encoder_itself_saw() -> None:
    runs = [*crossed_runs(encoder_saw=["muxspace", "sample"]), make_run([], encoder="other")]
    tree = metrics(group_runs(runs))
    assert tree["mini"]["saw"] == "muxspace, sample"
    assert "saw" not in tree["other"]


def test_per_class_leaves_the_recall_of_an_absent_expression_empty() -> None:
    table = long_tables(group_runs([make_run([score_json("b", 0.5)])]))["per_class"].set_index("expression")
    assert table["recall"].to_dict() == pytest.approx(
        {"surprise": 0.7, "fear": 0.2, "disgust": float("nan")}, nan_ok=True
    )
    assert table["support"].to_dict() == {"surprise": 10, "fear": 10, "disgust": 0}


def test_confusion_rows_name_actual_and_predicted() -> None:
    table = long_tables(group_runs([make_run([score_json("b", 0.5)])]))["confusion"]
    counts = table.set_index(["actual", "predicted"])["count"]
    assert counts["fear", "surprise"] == 5
    assert counts["surprise", "fear"] == 2
    assert counts.sum() == 20


def test_tables_keep_their_columns_without_any_score() -> None:
    tables = build_report([make_run([])], [], "today").tables
    assert {name: len(table) for name, table in tables.items()} == {
        "summary": 1, "cells": 0, "matrix": 0, "per_class": 0, "confusion": 0
    }  # fmt: skip
    assert "accuracy" in tables["matrix"].columns
    assert isinstance(tables["matrix"], pd.DataFrame)


def test_a_report_on_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least one run"):
        build_report([], [], "today")
