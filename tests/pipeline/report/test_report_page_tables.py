"""The headline: how far methods are from the image baseline, over the same pairs, by hand."""

from __future__ import annotations

import pytest
from report_samples import STAND_IN, crossed_runs, make_run, score_json

from pipeline.report import ReportRun
from pipeline.report.comparison import ComparisonSet, baseline_of, gain
from pipeline.report.groups import Group, group_runs
from pipeline.report.page_tables import headlines, summary_tables

EXACT = 1e-12


def baseline_runs(**changes: object) -> list[ReportRun]:
    """Within: 0.7 and 0.5. Unseen: a on b 0.2, a on c 0.4, b on a 0.3; b on c was not scored."""
    a = [score_json("a", 0.7, seen=True), score_json("b", 0.2), score_json("c", 0.4)]
    b = [score_json("a", 0.3), score_json("b", 0.5, seen=True)]
    return [make_run(a, method="baseline", **changes), make_run(b, method="baseline", dataset="b", **changes)]


def zero_shot() -> ReportRun:
    return make_run([score_json("a", 0.6, seen=True), score_json("b", 0.1), score_json("c", 0.1)], method="zero-shot")


def groups_of(*runs: ReportRun) -> dict[str, Group]:
    return {group.method: group for group in group_runs([*baseline_runs(), *runs])}


def gain_of(group: Group, baseline: Group) -> float | None:
    return gain(group, baseline, "accuracy", ComparisonSet((baseline, group)))


def test_the_gain_is_over_pairs_that_both_were_scored_on() -> None:
    """Probe: a on b 0.62, a on c 0.48, b on a 0.45. ((0.62-0.2) + (0.48-0.4) + (0.45-0.3)) / 3 = 0.65 / 3."""
    groups = groups_of(*crossed_runs())
    assert gain_of(groups["probe"], groups["baseline"]) == pytest.approx(0.65 / 3, abs=EXACT)


def test_a_method_that_trains_nothing_meets_every_pair_with_the_score_of_its_test_dataset() -> None:
    """a on b: 0.1 - 0.2; a on c: 0.1 - 0.4; b on a: 0.6 - 0.3. The mean is -0.1 / 3."""
    groups = groups_of(zero_shot())
    assert gain_of(groups["zero-shot"], groups["baseline"]) == pytest.approx(-0.1 / 3, abs=EXACT)


def test_without_a_common_pair_there_is_no_gain() -> None:
    groups = groups_of(make_run([score_json("c", 0.5)], dataset="b", method="probe"))
    assert gain_of(groups["probe"], groups["baseline"]) is None


def test_a_baseline_counts_for_its_own_encoder_and_once_it_is_scored() -> None:
    groups = group_runs([*baseline_runs(), make_run([], method="baseline", encoder="other")])
    baseline = baseline_of(groups, "mini")
    assert baseline is not None
    assert baseline.method == "baseline"
    assert baseline_of(groups, "other") is None


def test_the_summary_shows_gains_in_points_only_with_a_baseline() -> None:
    (table,) = summary_tables(group_runs([*baseline_runs(), *crossed_runs(), zero_shot()]))
    column = table.columns.index("Accuracy, against baseline")
    assert [(row[0], row[column]) for row in table.rows] == [
        ("baseline", "—"),
        ("probe", "+21.7"),
        ("zero-shot", "-3.3"),
    ]
    (alone,) = summary_tables(group_runs(crossed_runs()))
    assert not [name for name in alone.columns if "baseline" in name]


def test_the_headline_names_both_ends_by_both_metrics_and_a_stand_in() -> None:
    """Accuracy of the baseline: within (0.7 + 0.5) / 2 = 60 %; unseen (0.2 + 0.4 + 0.3) / 3 = 30 %.

    Its UAR is 0.5 everywhere, that of probe half its accuracy: (0.31 + 0.24 + 0.225) / 3 - 0.5 = -0.2417.
    """
    runs = [*baseline_runs(), *crossed_runs(encoder_note=STAND_IN)]
    (text,) = headlines(group_runs(runs))
    assert text.endswith("what uses mini (stand-in) differs by +21.7 (probe) points, and by UAR -24.2 (probe).")
    assert "60.0 % within its train dataset, 30.0 % on unseen ones" in text
    (text,) = headlines(group_runs([*baseline_runs(), *crossed_runs(), zero_shot()]))
    assert "what uses mini differs by -3.3 (zero-shot) to +21.7 (probe) points" in text
    assert text.endswith("points, and by UAR -24.2 (probe) to +0.0 (zero-shot).")


def test_the_headline_marks_an_encoder_that_saw_the_domain() -> None:
    seen = make_run([score_json(test, 0.5, encoder_saw=True) for test in "bc"], method="probe")
    other = make_run([score_json("a", 0.5)], dataset="b", method="probe")
    (text,) = headlines(group_runs([*baseline_runs(), seen, other]))
    assert "what uses mini † differs by" in text


def test_the_headline_leaves_out_methods_that_were_scored_on_easier_pairs_only() -> None:
    """Partial has a on b alone, 0.9 - 0.2: in the table, beside its number of pairs, but not in the sentence."""
    groups = group_runs([*baseline_runs(), *crossed_runs(), make_run([score_json("b", 0.9)], method="partial")])
    (text,) = headlines(groups)
    assert "partial" not in text
    (table,) = summary_tables(groups)
    (row,) = [row for row in table.rows if row[0] == "partial"]
    assert row[6] == "+70.0"


def test_without_a_baseline_or_anything_beside_it_there_is_no_headline() -> None:
    assert headlines(group_runs(crossed_runs())) == []
    assert headlines(group_runs(baseline_runs())) == []
