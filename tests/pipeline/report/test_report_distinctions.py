"""What must not be mixed has names of its own: settings, train rows, test rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from report_samples import CLASSES, crossed_runs, digest, make_run, score_json

from pipeline.report import build_report
from pipeline.report.groups import Group, dataset_columns, group_runs
from pipeline.report.tables import long_tables

MAJORITY, ARGMAX = (
    {"rows": digest(rule), "options": {"rule": rule, "root": "data"}} for rule in ("majority", "argmax")
)


def names(groups: list[Group]) -> list[str]:
    return [group.method for group in groups]


def notes_of(*runs: Any) -> str:
    return "\n".join(build_report(runs, [], "today").notes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"config": {"lr": 0.01, "scale": "raw"}}, ["probe (lr=0.001)", "probe (lr=0.01)"]),
        ({"config": {"lr": 0.001}}, ["probe (scale=none)", "probe (scale=raw)"]),
        ({"recipe": "cafe/raf-db"}, ["probe (recipe=cafe/raf-db)", "probe (recipe=none)"]),
        ({"method_version": 2}, ["probe (method version=1)", "probe (method version=2)"]),
        ({"views": 4}, ["probe (views=1)", "probe (views=4)"]),
        ({"dtype": "float32"}, ["probe (dtype=float16)", "probe (dtype=float32)"]),
        ({"text_key": "ab" * 32}, ["probe (text=abababab)", "probe (text=none)"]),
        (
            {"classes": CLASSES[:2]},
            ["probe (expressions=surprise fear disgust)", "probe (expressions=surprise fear)"],
        ),
    ],
)
def test_runs_that_differ_in_more_than_the_seed_are_separate_rows(changes: dict[str, Any], expected: list[str]) -> None:
    groups = group_runs([make_run([]), make_run([], seed=1, **changes)])
    assert sorted(names(groups)) == sorted(expected)


def test_values_that_look_alike_in_few_digits_are_still_different() -> None:
    groups = group_runs(
        [make_run([], config={"lr": lr}, seed=seed) for seed, lr in enumerate((0.12345678, 0.12345679))]
    )
    assert names(groups) == ["probe (lr=0.12345678)", "probe (lr=0.12345679)"]


def test_settings_are_sorted_as_numbers_and_only_those_that_differ_are_named() -> None:
    runs = [make_run([], seed=seed, config={"epochs": n, "lr": 0.1}) for seed, n in enumerate((10, 5, 100))]
    assert names(group_runs(runs)) == ["probe (epochs=5)", "probe (epochs=10)", "probe (epochs=100)"]


def test_settings_of_other_methods_and_encoders_do_not_matter() -> None:
    runs = [make_run([]), make_run([], method="other", views=4), make_run([], encoder="other", views=2)]
    assert names(group_runs(runs)) == ["other", "probe", "probe"]


def test_other_settings_are_noted_with_their_names() -> None:
    runs = [make_run([score_json("b", 0.5)], seed=seed, config={"epochs": n}) for seed, n in enumerate((2, 5))]
    assert "The runs of probe on mini differ in their settings, not in the seed alone: epochs=2; epochs=5." in notes_of(
        *runs
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": CLASSES[:2]}, "different expressions, so that their scores do not measure the same task. "),
        ({"views": 4}, "different numbers of views of an image. 1: probe on mini; 4: other on mini."),
        ({"dtype": "float32"}, "features of different dtypes. float16: probe on mini; float32: other on mini."),
    ],
)
def test_what_differs_between_methods_is_noted_beside_their_means(changes: dict[str, Any], expected: str) -> None:
    scores = [score_json("b", 0.5)]
    other = make_run([] if "classes" in changes else scores, method="other", **changes)
    assert expected in notes_of(make_run(scores), other)
    assert "The compared heads" not in notes_of(make_run(scores), make_run(scores, method="other"))


def test_the_expressions_that_only_some_heads_know_are_named() -> None:
    notes = notes_of(make_run([]), make_run([], method="other", classes=CLASSES[:2]))
    assert "2: other on mini; 3 with disgust: probe on mini." in notes


def test_equal_runs_are_separated_by_nothing() -> None:
    assert build_report(crossed_runs(), [], "today").notes == ()


def test_where_nothing_is_trained_views_and_train_rows_set_nothing_apart() -> None:
    runs = [
        make_run([], method="zero-shot", dataset=name, views=n, rows=name, key=name) for name, n in (("a", 1), ("b", 4))
    ]
    assert names(group_runs(runs)) == ["zero-shot"]


def test_heads_of_other_train_rows_are_separate_train_datasets() -> None:
    runs = [make_run([score_json("b", 0.5)]), make_run([score_json("b", 0.7)], seed=1, rows="other", n_train=90)]
    (group,) = group_runs(runs)
    assert group.trains == ("a (120 rows)", "a (130 rows)")
    assert "Heads were trained on several sets of rows, labels or features of a" in notes_of(*runs)


def test_equally_many_train_rows_with_other_labels_are_distinguished_by_their_digest() -> None:
    runs = [make_run([], rows="1" * 64), make_run([], seed=1, rows="2" * 64)]
    assert group_runs(runs)[0].trains == ("a (rows 11111111)", "a (rows 22222222)")


def test_heads_of_other_features_are_no_seeds_of_one_mean() -> None:
    runs = [make_run([], key="1" * 64), make_run([], seed=1, key="2" * 64), make_run([], method="other", key="3" * 64)]
    other, probe = group_runs(runs)
    assert (other.trains, probe.trains) == (("a",), ("a (features 11111111)", "a (features 22222222)"))


def test_scores_under_two_label_rules_never_share_a_column() -> None:
    """Of two methods, or of two seeds of one."""
    runs = [
        make_run([score_json("fer", 0.5, **MAJORITY)]),
        make_run([score_json("fer", 0.7, **ARGMAX)], method="other"),
        make_run([score_json("fer", 0.9, **ARGMAX)], seed=1),
    ]
    groups = group_runs(runs)
    assert dataset_columns(groups) == ("fer (rule=argmax)", "fer (rule=majority)")
    other, probe = groups
    assert list(other.cells) == [("a", "fer (rule=argmax)")]
    assert {test: cell.first.accuracy for (_, test), cell in probe.cells.items()} == {
        "fer (rule=argmax)": 0.9, "fer (rule=majority)": 0.5
    }  # fmt: skip
    assert "fer (rule=argmax), n 20; fer (rule=majority), n 20" in notes_of(*runs)


def test_columns_with_equal_options_are_distinguished_by_their_number_of_rows_then_by_digest() -> None:
    few = {"n": 10, "support": {"surprise": 10}, "confusion": [[10, 0, 0], [0, 0, 0], [0, 0, 0]]}
    runs = [make_run([score_json("b", 0.5)]), make_run([score_json("b", 0.5, rows="other", **few)], seed=1)]
    assert dataset_columns(group_runs(runs)) == ("b (10 rows)", "b (20 rows)")
    runs = [make_run([score_json("b", 0.5, rows=one * 64)], seed=int(one)) for one in "12"]
    assert dataset_columns(group_runs(runs)) == ("b (rows 11111111)", "b (rows 22222222)")


def test_scores_without_overlapping_rows_are_a_column_of_their_own() -> None:
    runs = [make_run([score_json("b", 0.5), score_json("b", 0.4, rows="fewer", excluded_overlap=3)])]
    assert dataset_columns(group_runs(runs)) == ("b", "b (without overlap)")


def test_a_head_of_another_label_rule_is_not_within_its_dataset() -> None:
    """The options of its train rows are those of scores on the store that it was trained on."""
    majority = score_json("fer", 0.5, seen=True, store_key="1" * 64, **MAJORITY)
    argmax = score_json("fer", 0.5, seen=True, store_key="2" * 64, **ARGMAX)
    runs = [make_run([majority], dataset="fer", key="1" * 64, rows="1" * 64)]
    runs += [make_run([argmax], dataset="fer", key="2" * 64, rows="2" * 64, seed=1)]
    runs += [make_run([argmax], dataset="fer", key="1" * 64, rows="1" * 64, seed=2)]
    (group,) = group_runs(runs)
    assert group.trains == ("fer (rule=argmax)", "fer (rule=majority)")
    assert [(cell.train, cell.test) for cell in group.within()] == [(name, name) for name in group.trains]
    assert group.unseen() == []


def test_the_tables_have_the_rows_and_the_options_of_every_score() -> None:
    tables = long_tables(group_runs([make_run([score_json("fer", 0.5, overlap=None, **MAJORITY)])]))
    for name in ("cells", "matrix"):
        (row,) = tables[name].to_dict("records")
        assert (row["test"], row["rows"], row["options"]) == (
            "fer",
            digest("majority")[:12],
            "root=data, rule=majority",
        )
        assert pd.isna(row["overlap_train"])


def test_the_tables_count_overlap_in_whole_numbers() -> None:
    scores = [score_json("b", 0.5, overlap={"train": 3, "val": 1}), score_json("c", 0.5, overlap=None)]
    text = long_tables(group_runs([make_run(scores)]))["matrix"][["overlap_train", "overlap_val"]].to_csv(index=False)
    assert text.split() == ["overlap_train,overlap_val", "3,1", ","]
