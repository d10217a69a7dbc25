"""Compared means are over the same pairs of train and test dataset, by hand."""

from __future__ import annotations

import pytest
from report_samples import make_run, score_json

from pipeline.report import ReportRun, build_report
from pipeline.report.cells import spread
from pipeline.report.comparison import ComparisonSet, comparison_sets, one_per_dataset
from pipeline.report.groups import Group, dataset_columns, group_runs
from pipeline.report.matrices import matrices
from pipeline.report.page_tables import summary_tables
from pipeline.report.tables import long_tables, metrics

EXACT = 1e-12


def coop() -> list[ReportRun]:
    """Four unseen pairs: a on b 0.4, a on c 0.6, b on a 0.3, b on c 0.7. Their mean is 0.5."""
    a, b = [score_json("b", 0.4), score_json("c", 0.6)], [score_json("a", 0.3), score_json("c", 0.7)]
    return [make_run(a, method="coop"), make_run(b, method="coop", dataset="b")]


def zero_shot() -> ReportRun:
    """Over its tests (0.9 + 0.6 + 0.3) / 3 = 0.6; over the pairs of coop (0.6 + 0.3 + 0.9 + 0.3) / 4 = 0.525."""
    scores = [score_json("a", 0.9, seen=True), score_json("b", 0.6), score_json("c", 0.3)]
    return make_run(scores, method="zero-shot", is_random=False)


def summary(groups: list[Group], i: int = 0) -> dict[str, dict[str, str]]:
    table = summary_tables(groups)[i]
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def mean(among: ComparisonSet, group: Group) -> float:
    return spread(among.unseen(group), "accuracy").mean


def test_a_method_that_trains_nothing_is_compared_over_the_pairs_of_the_others() -> None:
    groups = group_runs([*coop(), zero_shot()])
    (among,) = comparison_sets(groups)
    assert [mean(among, group) for group in groups] == [pytest.approx(0.5, abs=EXACT), pytest.approx(0.525, abs=EXACT)]
    rows = summary(groups)
    assert (rows["coop"]["Accuracy, unseen"], rows["zero-shot"]["Accuracy, unseen"]) == ("50.0", "52.5")
    assert {row["Unseen pairs"] for row in rows.values()} == {"4"}


def test_alone_a_method_that_trains_nothing_has_the_mean_of_its_test_datasets() -> None:
    (group,) = groups = group_runs([zero_shot()])
    assert mean(comparison_sets(groups)[0], group) == pytest.approx(0.6, abs=EXACT)


def test_a_method_with_fewer_pairs_narrows_the_means_of_all_and_that_is_noted() -> None:
    """a on b and b on c: coop (0.4 + 0.7) / 2 = 0.55; zero-shot (0.6 + 0.3) / 2 = 0.45; partial 0.8."""
    partial = [make_run([score_json(test, 0.8)], method="partial", dataset=train) for train, test in ("ab", "bc")]
    runs = [*coop(), zero_shot(), *partial]
    rows = summary(group_runs(runs))
    assert {name: row["Accuracy, unseen"] for name, row in rows.items()} == {
        "coop": "55.0 (2 of 4 pairs)", "zero-shot": "45.0 (2 of 4 pairs)", "partial": "80.0"
    }  # fmt: skip
    notes = "\n".join(build_report(runs, [], "today").notes)
    assert "Means on unseen datasets are over the 2 pairs that all compared methods were scored on, of up to 4" in notes
    assert "Fewest: partial on mini, with 2." in notes


def test_the_means_of_the_matrices_are_over_the_same_pairs() -> None:
    partial = make_run([score_json("b", 0.8)], method="partial")
    groups = group_runs([*coop(), zero_shot(), partial])
    selected = [view for view in matrices(groups, dataset_columns(groups)) if view.metric == "accuracy"]
    last = {view.caption.split()[2]: [cells[-1] for _, cells in view.rows] for view in selected}
    assert [(cell.text, cell.deviation) for cell in last["coop"]] == [
        ("40.0", "(1 of 2 pairs)"),
        ("—", "no common pair"),
    ]
    assert [(cell.text, cell.deviation) for cell in last["zero-shot"]] == [("60.0", "(1 of 4 pairs)")]
    assert selected[0].means == "within — · unseen 40.0 (1 of 4 pairs)"


def test_without_a_common_pair_there_is_no_comparison() -> None:
    other = make_run([score_json("z", 0.9)], method="other", dataset="y")
    groups = group_runs([*coop(), zero_shot(), other])
    assert [[group.method for group in among.groups] for among in comparison_sets(groups)] == [
        ["coop", "zero-shot"],
        ["other"],
    ]
    _, second = summary_tables(groups)
    assert "no pair of train and unseen test dataset in common" in second.caption
    assert summary(groups)["coop"]["Accuracy, unseen"] == "50.0"
    assert "cannot be compared" in "\n".join(build_report([*coop(), other], [], "today").notes)
    assert long_tables(groups)["summary"].set_index("method")["comparable"].to_dict() == {
        "coop": 1, "zero-shot": 1, "other": 2
    }  # fmt: skip


def test_without_a_common_pair_within_the_train_datasets_there_is_no_number() -> None:
    """Both have a on c, and each is within another dataset."""
    first = make_run([score_json("a", 0.9, seen=True), score_json("c", 0.5)], method="first")
    second = [make_run([score_json("c", 0.5)], method="second")]
    second += [make_run([score_json("b", 0.8, seen=True)], method="second", dataset="b")]
    rows = summary(group_runs([first, *second]))
    assert {row["Accuracy, within"] for row in rows.values()} == {"no common pair"}
    assert "No mean within the train dataset is shown" in "\n".join(build_report([first, *second], [], "today").notes)
    assert {row["Accuracy, unseen"] for row in rows.values()} == {"50.0"}


def test_the_table_beside_the_page_says_over_how_many_pairs_of_how_many() -> None:
    partial = make_run([score_json("b", 0.8)], method="partial")
    rows = long_tables(group_runs([*coop(), zero_shot(), partial]))["summary"].set_index("method")
    assert rows[["unseen_pairs", "unseen_scored", "unseen_accuracy"]].T.to_dict("list") == {
        "coop": [1, 4, 0.4], "partial": [1, 1, 0.8], "zero-shot": [1, 4, 0.6]
    }  # fmt: skip


def test_the_metrics_of_one_method_do_not_depend_on_other_methods() -> None:
    """They are compared between commits: a new run of another method is no change of this one."""
    partial = make_run([score_json("b", 0.8)], method="partial")
    alone, compared = (metrics(group_runs(runs))["mini"]["coop"] for runs in (coop(), [*coop(), partial]))
    assert alone == compared
    assert alone["a"]["unseen"]["datasets"] == 2


def test_a_method_without_scores_narrows_nothing() -> None:
    rows = summary(group_runs([*coop(), make_run([], method="idle")]))
    assert (rows["coop"]["Accuracy, unseen"], rows["idle"]["Accuracy, unseen"]) == ("50.0", "—")


def test_a_dataset_in_two_columns_counts_once_in_a_mean() -> None:
    """Scores without overlapping rows come first: (0.4 + 0.6) / 2, not (0.5 + 0.4 + 0.6) / 3."""
    clean = score_json("b", 0.4, rows="fewer", excluded_overlap=3)
    (group,) = groups = group_runs([make_run([score_json("b", 0.5), clean, score_json("c", 0.6)])])
    assert [cell.test for cell in one_per_dataset(group.unseen())] == ["b (without overlap)", "c"]
    assert mean(comparison_sets(groups)[0], group) == pytest.approx(0.5, abs=EXACT)


def test_seeds_that_miss_a_pair_are_counted_beside_the_means() -> None:
    runs = [make_run([score_json("b", 0.6), score_json("c", 0.5)]), make_run([score_json("b", 0.7)], seed=1)]
    rows = summary(group_runs(runs))
    assert (rows["probe"]["Accuracy, unseen"], rows["probe"]["Seeds"]) == ("55.0", "1 of 2")
