"""`fer-stage compare`: which methods differ, on the same units, by units and by seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scored_runs import CLASSES, answers, write_run

import stages
from pipeline.errors import InputError, MismatchError
from stages.cli import run
from stages.errors import StageError

FerStage = Callable[..., Any]
N = 150
LABELS = [CLASSES[i % 3] for i in range(N)]


@pytest.fixture
def two(empty: Path) -> Path:
    """`linear-probe` with 120 of 150 units right, `cafe` with 90, on b and c; each with one seed."""
    for method, n_right in (("linear-probe", 120), ("cafe", 90)):
        write_run(method, {"b": answers(n_right, 1), "c": answers(n_right, 2)})
    return empty


def test_heads_that_were_evaluated_are_compared(project: Path, fer_stage: FerStage) -> None:
    """From training to the differences, by the commands as a user has them."""
    fer_stage("train", "--method", "linear-probe", "--dataset", "sample-a", "--seeds", "0")
    fer_stage("evaluate", "--run", "runs")
    shown = fer_stage("compare", "runs", "--format", "json")
    assert [(pair["first"], pair["second"], pair["dataset"]) for pair in shown["pairs"]] == [
        ("feature-mask", "linear-probe", "sample-a"),
        ("feature-mask", "linear-probe", "sample-e"),
    ]
    scores = {(row.method, row.dataset): row.uar for row in stages.evaluate("runs").frame.itertuples()}
    for pair in shown["pairs"]:
        for side in ("first", "second"):
            assert pair[f"{side}_score"] == pytest.approx(scores[pair[side], pair["dataset"]])
    assert any("seeded random weights" in note for note in shown["notes"])


def test_a_difference_has_its_interval_and_p_in_every_format(two: Path, fer_stage: FerStage) -> None:
    pair = fer_stage("compare", "runs/mini/linear-probe", "runs/mini/cafe", "--format", "json")["pairs"][0]
    assert (pair["first"], pair["second"], pair["trained_on"], pair["dataset"]) == ("linear-probe", "cafe", "a", "b")
    assert pair["difference"] == pytest.approx(0.2)
    assert 0.08 < pair["low"] < 0.2 < pair["high"] < 0.32
    assert pair["p"] < pair["p_holm"] < 0.001
    assert pair["conclusion"].startswith("linear-probe is higher than cafe by 20.0 points (p ")
    csv = fer_stage("compare", "runs", "--format", "csv").splitlines()
    assert csv[0].startswith("first,second,trained_on,dataset,seen,unit,n,")
    assert len(csv) == 3
    assert "linear-probe" in fer_stage("compare", "runs")


def test_methods_are_in_the_order_in_which_they_are_named(two: Path) -> None:
    result = stages.compare(["runs/mini/cafe", "runs/mini/linear-probe"])
    assert set(result.frame["first"]) == {"cafe"}
    assert result.frame["difference"].tolist() == pytest.approx([-0.2, -0.2])


def test_python_returns_what_the_command_prints(two: Path, fer_stage: FerStage) -> None:
    result = stages.compare("runs", metric="accuracy", datasets="b")
    assert isinstance(result.frame, pd.DataFrame)
    assert json.loads(json.dumps(result.summary())) == fer_stage(
        "compare", "runs", "--metric", "accuracy", "--dataset", "b", "--format", "json"
    )


def test_no_difference_is_stated_with_the_smallest_that_could_be_seen(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for method, n_right in (("cafe", 100), ("linear-probe", 98)):
        write_run(method, {"b": answers(n_right)})
    assert run(["compare", "runs"]) == 0
    err = capsys.readouterr().err
    assert "a -> b: no difference of cafe and linear-probe can be seen with N = 150 (p " in err
    assert "the smallest that could is " in err
    assert "ranks over 1 test dataset can show no difference of methods: at least 6 are needed" in err


def test_a_small_difference_of_many_units_is_not_rounded_to_none(two: Path) -> None:
    pair = stages.compare("runs").pairs[0]
    found = replace(pair.difference, first=0.70034, second=0.7, smallest=0.00021)
    assert "by 0.034 points (p " in replace(pair, difference=found, p_holm=0.01).conclusion
    assert replace(pair, difference=found, p_holm=0.5).conclusion.endswith("the smallest that could is 0.021 points")


def test_p_is_corrected_for_all_that_is_compared(empty: Path) -> None:
    for method, n_right in (("cafe", 110), ("linear-probe", 95), ("eac", 96)):
        write_run(method, {"b": answers(n_right, 1), "c": answers(n_right, 2)})
    frame = stages.compare("runs").frame
    assert len(frame) == 6
    smallest = frame["p"].idxmin()
    assert frame["p_holm"][smallest] == pytest.approx(min(1, 6 * frame["p"][smallest]))


def test_seeds_are_paired_and_those_of_one_method_alone_are_named(empty: Path) -> None:
    for seed in range(4):
        write_run("cafe", {"b": answers(110 + seed, seed)}, seed=seed)
    for seed in (0, 1, 2):
        write_run("linear-probe", {"b": answers(90, 9 + seed)}, seed=seed)
    result = stages.compare("runs", metric="accuracy")
    assert result.frame["seeds"][0] == [0, 1, 2]
    assert result.frame["by_seed"][0] == pytest.approx([20 / N, 21 / N, 22 / N])
    assert result.frame["seed_sd"][0] == pytest.approx(1 / N)
    assert "Left out: a -> b: seed 3 of cafe, which linear-probe does not have" in result.notes
    assert result.pairs[0].difference.low < result.pairs[0].difference.units_low


def test_a_method_without_randomness_is_paired_with_every_seed(empty: Path) -> None:
    for seed in (3, 4):
        write_run("cafe", {"b": answers(100 + seed)}, seed=seed)
    write_run("linear-probe", {"b": answers(90)}, is_random=False)
    frame = stages.compare("runs", metric="accuracy").frame
    assert frame["seeds"][0] == [3, 4]
    assert frame["by_seed"][0] == pytest.approx([13 / N, 14 / N])


def test_methods_without_a_common_seed_are_refused(empty: Path) -> None:
    write_run("cafe", {"b": answers(100)}, seed=0)
    write_run("linear-probe", {"b": answers(90)}, seed=1)
    with pytest.raises(StageError, match=r"a seed in common, found none.*seed 0 of cafe, which linear-probe does not"):
        stages.compare("runs")


def test_units_of_one_person_are_one_group(two: Path) -> None:
    for method, n_right in (("linear-probe", 120), ("cafe", 90)):
        write_run(method, {"b": answers(n_right, 1)}, runs=Path("people"), subjects=[f"p{i // 10}" for i in range(N)])
    alone, people = stages.compare("runs", datasets="b").frame, stages.compare("people").frame
    assert (alone["groups"][0], people["groups"][0]) == (N, 15)
    assert people["difference"][0] == alone["difference"][0]
    assert people["low"][0] != alone["low"][0]


def test_other_test_rows_are_refused_with_what_differs(empty: Path) -> None:
    write_run("cafe", {"b": answers(100)})
    write_run("linear-probe", {"b": answers(90, labels=LABELS[:-1])})
    with pytest.raises(MismatchError, match=r"a -> b: expected all methods on the same rows") as raised:
        stages.compare("runs")
    assert "cafe on b (150 rows) with 150 units" in str(raised.value)
    assert "linear-probe on b (149 rows) with 149: 1 only in the first, such as unit-149" in str(raised.value)


def test_other_labels_of_the_same_images_are_refused(empty: Path) -> None:
    write_run("cafe", {"b": answers(100)})
    write_run("linear-probe", {"b": answers(90, labels=[CLASSES[1], *LABELS[1:]])})
    with pytest.raises(MismatchError, match="1 have another label, such as unit-0: happiness and sadness"):
        stages.compare("runs")


def test_other_names_of_the_same_rows_are_refused(empty: Path) -> None:
    """The digest of the rows is of images and labels alone."""
    write_run("cafe", {"b": answers(100)})
    write_run("linear-probe", {"b": answers(90)}, ids=[f"unit-{N - 1 - i}" for i in range(N)])
    with pytest.raises(MismatchError, match=r"label, such as|they are in another order"):
        stages.compare("runs")


def test_other_encoders_are_stated(empty: Path) -> None:
    write_run("cafe", {"b": answers(100)}, encoder="mini")
    write_run("cafe", {"b": answers(90)}, encoder="lite0")
    result = stages.compare("runs")
    assert set(result.frame.loc[0, ["first", "second"]]) == {"cafe on lite0", "cafe on mini"}
    assert any("different inputs (lite0, mini): a difference is one of method and input" in n for n in result.notes)


def test_what_a_method_was_trained_on_is_compared_by_train(empty: Path) -> None:
    write_run("cafe", {"c": answers(110)}, train="a")
    write_run("cafe", {"c": answers(90)}, train="b")
    with pytest.raises(StageError, match=r"expected two methods or more that were scored, found cafe;.*--by train"):
        stages.compare("runs")
    frame = stages.compare("runs", by="train").frame
    assert frame.loc[0, ["first", "second", "trained_on", "dataset"]].tolist() == [
        *("cafe, trained on a", "cafe, trained on b"),
        *("", "c"),
    ]


def test_units_of_folds_are_compared_together(empty: Path) -> None:
    """Two folds of 75 units each; on another dataset the head of each fold scores all units."""
    halves = [range(75), range(75, 150)]
    for method, n_right in (("cafe", 60), ("linear-probe", 45)):
        for fold, half in enumerate(halves, 1):
            of_fold = answers(n_right, fold, LABELS[half.start : half.stop])
            other = (LABELS[half.start : half.stop], of_fold[1])
            ids = [f"unit-{i}" for i in half]
            write_run(method, {"a": of_fold, "b": other}, fold=(fold, 2), ids=ids, rows=f"{fold}")
    frame = stages.compare("runs", metric="accuracy", datasets="a").frame
    assert (frame["n"][0], frame["groups"][0]) == (150, 150)
    assert frame["difference"][0] == pytest.approx(0.2)
    assert len(frame["mcnemar"][0]) == 1


def test_heads_of_folds_on_another_dataset_count_as_shares(empty: Path) -> None:
    for method, n_right in (("cafe", 110), ("linear-probe", 90)):
        for fold in (1, 2):
            write_run(method, {"b": answers(n_right + fold, fold)}, fold=(fold, 2))
    frame = stages.compare("runs", metric="accuracy").frame
    assert frame["n"][0] == 150
    assert frame["difference"][0] == pytest.approx(20 / N)
    assert frame["mcnemar"][0] == []


def test_places_where_one_method_alone_was_scored_are_named(two: Path) -> None:
    write_run("eac", {"d": answers(90)})
    result = stages.compare("runs")
    assert "Left out: a -> d: of what is compared, eac alone is scored there" in result.notes
    assert result.ranking is None


def test_a_dataset_of_one_person_is_left_out_with_a_note(empty: Path) -> None:
    """The other test datasets are compared as if it were not there."""
    for method, n_right in (("cafe", 100), ("linear-probe", 90)):
        write_run(method, {"b": answers(n_right)}, subjects=["only"] * N)
        write_run(method, {"b": answers(n_right)}, train="other")
    result = stages.compare("runs")
    assert result.frame["trained_on"].tolist() == ["other"]
    assert any(note.startswith("Left out: a -> b: expected units of two groups or more") for note in result.notes)


def test_methods_that_train_nothing_are_compared_where_no_other_was_scored(empty: Path) -> None:
    """Where a trained method was scored they are compared with it; on c there are only these two."""
    write_run("cafe", {"b": answers(100)})
    for train, scale in (("a", 1), ("b", 2)):
        config = {"logit_scale": scale}
        write_run("zero-shot", {"b": answers(90), "c": answers(80)}, train=train, config=config, is_random=False)
    frame = stages.compare("runs").frame
    assert list(zip(frame["trained_on"], frame["dataset"], strict=True)) == [("a", "b")] * 3 + [("", "c")]


def test_methods_are_ranked_over_test_datasets(empty: Path) -> None:
    for method, n_right in (("cafe", 130), ("linear-probe", 100)):
        write_run(method, {name: answers(n_right + i, i) for i, name in enumerate("bcdefg")})
    result = stages.compare("runs")
    assert result.ranking is not None
    assert result.ranking.mean_ranks == (1.0, 2.0)
    assert result.ranking.pairs == {("cafe", "linear-probe"): 2 / 64}
    assert "cafe ranks above linear-probe" in list(result.sentences())


def test_runs_that_were_not_scored_are_named(empty: Path) -> None:
    """Seed 1 has no score at all, seed 2 none on c; eac has none."""
    for seed, names in enumerate(("bc", "", "b")):
        write_run("cafe", {name: answers(100 + seed, seed) for name in names}, seed=seed)
    write_run("linear-probe", {"b": answers(90), "c": answers(90)}, is_random=False)
    write_run("eac", {})
    notes = stages.compare("runs").notes
    assert (
        "Left out: 2 runs without scores: runs/mini/cafe/a/seed-1, runs/mini/eac/a/seed-0. To score them: "
        "fer-stage evaluate --run runs" in notes
    )
    assert "Left out: a -> c: seed 2 of cafe, not scored there" in notes


def test_what_makes_scores_too_high_is_stated(empty: Path) -> None:
    """15 of the 150 units were train images of a head, and the encoder was trained on the test dataset."""
    scored = {"split": "val", "encoder_saw": True, "overlap": {"train": 15, "val": 0}}
    for method, n_right in (("cafe", 100), ("linear-probe", 98)):
        write_run(method, {"b": answers(n_right)}, scored=scored)
    notes = stages.compare("runs").notes
    assert [note.partition(":")[0] for note in notes] == [
        "Scores are of the validation split",
        "a -> b",
        "b † seen domain",
    ]
    assert notes[1].startswith("a -> b: 10.0 % of the images were in the training or validation data of a head")


def test_heads_of_other_expressions_on_other_rows_get_advice_that_helps(empty: Path) -> None:
    """The head of two expressions is scored without the rows of the third: no new evaluation changes that."""
    write_run("cafe", {"b": answers(100)})
    two_of_three = [label for label in LABELS if label != "neutral"]
    write_run("linear-probe", {"b": (two_of_three, two_of_three)}, classes=CLASSES[:2])
    with pytest.raises(MismatchError, match=r"cafe predicts 3 expressions and linear-probe 2.*the same `classes`"):
        stages.compare("runs")


def test_a_folder_that_is_named_twice_counts_once(two: Path) -> None:
    once = stages.compare("runs")
    assert stages.compare(["runs", two / "runs", "runs/mini/../mini/cafe"]).frame.equals(once.frame)


def test_one_run_is_refused(two: Path, fer_stage: FerStage) -> None:
    err = fer_stage("compare", "runs/mini/cafe", code=1)
    assert "expected two methods or more that were scored, found cafe" in err


def test_a_folder_without_runs_and_a_dataset_without_scores_are_refused_with_advice(
    two: Path, fer_stage: FerStage
) -> None:
    assert "no trained run at nowhere" in fer_stage("compare", "nowhere", code=1)
    err = fer_stage("compare", "runs", "--dataset", "z", code=1)
    assert "expected scores on z of the runs, found none" in err
    assert "fer-stage evaluate --run runs --dataset z" in err


def test_predictions_that_are_gone_are_refused_with_the_command_that_makes_them(two: Path, fer_stage: FerStage) -> None:
    path = Path("runs/scores/mini/cafe/a/seed-0/predictions/b/test.parquet")
    path.unlink()
    with pytest.raises(InputError, match="expected predictions, found no file"):
        stages.compare("runs")
    assert "fer-stage evaluate --run runs/mini/cafe/a/seed-0 --dataset b" in fer_stage("compare", "runs", code=1)


def test_a_pair_has_the_same_numbers_whatever_else_is_compared(two: Path) -> None:
    alone = stages.compare("runs").pairs[0].difference
    write_run("eac", {"b": answers(70), "c": answers(75)})
    pairs = stages.compare("runs").pairs
    assert next(pair.difference for pair in pairs if {pair.first, pair.second} == {"cafe", "linear-probe"}) == alone
