"""Means over datasets and seeds, against numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from report_samples import crossed_runs, make_run, score_json
from run_records import FEATURES

from pipeline.errors import InputError, MismatchError
from pipeline.report.cells import Spread, spread
from pipeline.report.groups import dataset_columns, group_runs

EXACT = 1e-12
OTHER = FEATURES | {"encoder": {"family": "open_clip", "architecture": "tiny", "weights": "ef" * 32}}


def close(actual: Spread, mean: float, sd: float | None, n_seeds: int) -> bool:
    return (
        actual.mean == pytest.approx(mean, abs=EXACT)
        and (actual.sd is None if sd is None else actual.sd == pytest.approx(sd, abs=EXACT))
        and actual.n_seeds == n_seeds
    )


def test_mean_and_deviation_of_one_cell() -> None:
    """Train a, test b: 0.60 and 0.64. Mean 0.62; sample sd = 0.04 / sqrt(2) = 0.0282842712475."""
    (group,) = group_runs(crossed_runs())
    assert close(spread([group.cells["a", "b"]], "accuracy"), 0.62, 0.0282842712475, 2)


def test_mean_over_unseen_datasets_of_one_train_dataset() -> None:
    """Train b: seed 0 (0.40 + 0.30) / 2 = 0.35, seed 1 (0.50 + 0.30) / 2 = 0.40; sd = 0.05 / sqrt(2)."""
    (group,) = group_runs(crossed_runs())
    assert close(spread(group.unseen("b"), "accuracy"), 0.375, 0.0353553390593, 2)
    # Train a: b rises by 0.04, c falls by 0.04, so both seeds have the mean 0.55.
    assert close(spread(group.unseen("a"), "accuracy"), 0.55, 0.0, 2)


def test_mean_over_all_unseen_pairs() -> None:
    """Seed 0: (0.60 + 0.50 + 0.40 + 0.30) / 4 = 0.45; seed 1: (0.64 + 0.46 + 0.50 + 0.30) / 4 = 0.475."""
    (group,) = group_runs(crossed_runs())
    assert close(spread(group.unseen(), "accuracy"), 0.4625, 0.0176776695297, 2)
    assert close(spread(group.unseen(), "uar"), 0.23125, 0.00883883476483, 2)


def test_mean_within_the_train_datasets() -> None:
    """Seed 0: (0.90 + 0.80) / 2 = 0.85; seed 1: (0.92 + 0.84) / 2 = 0.88; sd = 0.03 / sqrt(2)."""
    (group,) = group_runs(crossed_runs())
    assert close(spread(group.within(), "accuracy"), 0.865, 0.0212132034356, 2)


def test_one_seed_has_no_deviation() -> None:
    (group,) = group_runs([make_run([score_json("b", 0.25), score_json("c", 0.75)])])
    assert close(spread(group.unseen(), "accuracy"), 0.5, None, 1)


def test_mean_and_deviation_are_of_the_seeds_that_every_cell_has() -> None:
    """Seed 0: (0.6 + 0.5) / 2 = 0.55. Seed 1 misses c: 0.7 would only say that b is easier. One whole seed: no sd."""
    whole = make_run([score_json("b", 0.6), score_json("c", 0.5)])
    partial = make_run([score_json("b", 0.7)], seed=1)
    (group,) = group_runs([whole, partial])
    assert close(spread(group.unseen(), "accuracy"), 0.55, None, 1)


def test_a_dataset_seen_through_its_images_is_neither_within_nor_unseen() -> None:
    (group,) = group_runs([make_run([score_json("a", 0.9, seen=True), score_json("a2", 0.8, seen=True)])])
    assert [cell.test for cell in group.within()] == ["a"]
    assert group.unseen() == []


def test_a_run_without_scores_has_no_cells() -> None:
    (group,) = group_runs([make_run([])])
    assert (group.trains, group.cells, group.within(), group.unseen()) == (("a",), {}, [], [])


def test_encoders_and_methods_are_kept_apart_and_sorted() -> None:
    runs = [make_run([], encoder=encoder, method=method) for encoder in ("z", "y") for method in ("n", "m")]
    assert [(group.encoder, group.method) for group in group_runs(runs)] == [
        ("y", "m"), ("y", "n"), ("z", "m"), ("z", "n")
    ]  # fmt: skip


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = crossed_runs()
    shuffled = random.Random(1).sample(runs, len(runs))
    assert shuffled != runs
    assert group_runs(shuffled) == group_runs(runs)


def test_train_datasets_come_first_among_the_columns() -> None:
    runs = [make_run([score_json(test, 0.5, seen=test == "m") for test in "amz"], dataset="m")]
    assert dataset_columns(group_runs(runs)) == ("m", "a", "z")


def test_confusion_counts_are_summed_over_seeds() -> None:
    other = [[4, 3, 3], [1, 9, 0], [0, 0, 0]]
    runs = [make_run([score_json("b", 0.5)]), make_run([score_json("b", 0.5, confusion=other)], seed=1)]
    (group,) = group_runs(runs)
    assert group.cells["a", "b"].confusion() == [[11, 5, 4], [6, 11, 3], [0, 0, 0]]


def test_recall_is_the_mean_over_seeds_and_missing_without_rows() -> None:
    per_class = {"surprise": 0.3, "fear": 0.2, "disgust": None}
    runs = [make_run([score_json("b", 0.5)]), make_run([score_json("b", 0.5, per_class=per_class)], seed=1)]
    cell = group_runs(runs)[0].cells["a", "b"]
    assert cell.recall("surprise") == pytest.approx(0.5, abs=EXACT)  # 0.7 and 0.3
    assert cell.recall("disgust") is None
    assert cell.recall("contempt") is None


def test_a_run_given_twice_is_refused() -> None:
    copied = dataclasses.replace(make_run([]), label="runs/copied")
    with pytest.raises(InputError, match="trained on a, seed 0: runs/x and runs/copied"):
        group_runs([make_run([]), copied])


@pytest.mark.parametrize(
    "changes",
    [
        {"seen": True},
        {"store_key": "other features"},
        {"dtype": "float32"},
        {"support": {"surprise": 9, "fear": 11}, "confusion": [[7, 2, 0], [5, 2, 4], [0, 0, 0]]},
    ],
)
def test_seeds_scored_on_other_images_are_refused(changes: dict[str, Any]) -> None:
    runs = [make_run([score_json("b", 0.5)]), make_run([score_json("b", 0.5, **changes)], seed=1)]
    with pytest.raises(MismatchError, match="same images of b"):
        group_runs(runs)


def test_two_methods_that_name_the_same_rows_but_count_other_images_are_refused() -> None:
    other = {"support": {"surprise": 9, "fear": 11}, "confusion": [[7, 2, 0], [5, 2, 4], [0, 0, 0]]}
    runs = [make_run([score_json("b", 0.5)]), make_run([score_json("b", 0.5, **other)], method="other")]
    with pytest.raises(MismatchError, match="every head to be scored on the same images of b, found for other on mini"):
        group_runs(runs)


def test_seeds_without_a_common_one_have_a_mean_and_no_deviation() -> None:
    runs = [make_run([score_json("b", 0.6)]), make_run([score_json("c", 0.5)], seed=1)]
    (group,) = group_runs(runs)
    assert close(spread(group.unseen(), "accuracy"), 0.55, None, 0)


def test_a_method_without_randomness_has_one_run_and_no_deviation() -> None:
    """Seed 0 missed c, and was trained on another dataset than seed 2: the heads do not depend on it."""
    scores = [score_json("b", 0.6), score_json("c", 0.5)]
    runs = [make_run(scores[:1], is_random=False)]
    runs += [make_run(scores, is_random=False, seed=seed) for seed in (1, 2)]
    runs += [make_run([score_json("c", 0.4)], is_random=False, seed=2, dataset="b")]
    (group,) = group_runs(runs)
    assert group.seeds == (0,)
    assert close(spread(group.unseen(), "accuracy"), 0.5, None, 1)


def test_heads_that_should_be_equal_for_every_seed_and_are_not_are_refused() -> None:
    runs = [make_run([score_json("b", value)], is_random=False, seed=seed) for seed, value in enumerate((0.6, 0.7))]
    with pytest.raises(MismatchError, match=r"where every seed gives the same head, found on b 0\.6000 and 0\.7000"):
        group_runs(runs)


def test_a_test_set_that_the_head_was_mostly_trained_on_is_not_unseen() -> None:
    """Of 20 images: 10 are half, 9 are fewer than half."""
    half, fewer = {"train": 7, "val": 3}, {"train": 9, "val": 0}
    (group,) = group_runs([make_run([score_json("b", 0.9, overlap=half), score_json("c", 0.5, overlap=fewer)])])
    assert [cell.test for cell in group.unseen()] == ["c"]
    assert [cell.overlap for cell in group.cells.values()] == [0.5, 0.45]


@pytest.mark.parametrize("changes", [{"encoder_identity": OTHER}, {"encoder_note": "untrained"}])
def test_one_encoder_name_means_one_encoder(changes: dict[str, Any]) -> None:
    with pytest.raises(MismatchError, match="one encoder behind the name mini"):
        group_runs([make_run([]), make_run([], method="other", **changes)])
