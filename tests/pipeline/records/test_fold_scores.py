"""Mean over folds and pooled score, by hand; records with and without a fold.

Fold 1: 4 images, accuracy 3/4, recalls 1/2 and 1. Fold 2: 7 images, accuracy 5/7, recalls 0, 4/5 and 1.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from run_records import export_record, run_record, score_record

from pipeline.records import Export, FoldScores, Run, Score, Scores, folds_text

COUNTS = {1: [[1, 1, 0], [0, 2, 0], [0, 0, 0]], 2: [[0, 1, 0], [1, 4, 0], [0, 0, 1]]}
RATES = {1: (3 / 4, 3 / 4), 2: (5 / 7, 3 / 5)}
OWN = {"number": 2, "n": 5, "source": "table"}


def score(number: int, *, fold: bool = True) -> Score:
    counts = COUNTS[number]
    support = dict(zip(("surprise", "fear", "disgust"), map(sum, counts), strict=True))
    recalls = {name: counts[i][i] / n if (n := support[name]) else None for i, name in enumerate(support)}
    changes: dict[str, Any] = {
        "confusion": counts,
        "support": support,
        "per_class": recalls,
        "n": sum(support.values()),
    }
    if fold:
        changes["fold"] = OWN | {"number": number}
    return Score.model_validate(score_record("a", *RATES[number], **changes))


def test_the_mean_counts_every_fold_as_much() -> None:
    """Accuracy (3/4 + 5/7) / 2 = 0.732143, UAR (3/4 + 3/5) / 2 = 0.675; deviations |a - b| / sqrt(2)."""
    folds = FoldScores({number: score(number) for number in (2, 1)}, 5)
    assert folds.mean("accuracy") == pytest.approx(0.7321428571)
    assert folds.mean("uar") == pytest.approx(0.675)
    assert folds.deviation("accuracy") == pytest.approx(0.0252538136)
    assert folds.deviation("uar") == pytest.approx(0.1060660172)


def test_the_pooled_score_counts_every_image_as_much() -> None:
    """Counts (1 2 0, 1 6 0, 0 0 1): accuracy 8/11, UAR (1/3 + 6/7 + 1) / 3 = 0.730159."""
    folds = FoldScores({number: score(number) for number in (1, 2)}, 5)
    assert folds.confusion.tolist() == [[1, 2, 0], [1, 6, 0], [0, 0, 1]]
    assert folds.pooled("accuracy") == pytest.approx(8 / 11)
    assert folds.pooled("uar") == pytest.approx(0.7301587302)
    low, high = folds.bounds("accuracy") or (0, 0)  # Wilson's of 8 hits of 11
    assert (low, high) == (pytest.approx(0.4344, abs=1e-4), pytest.approx(0.9025, abs=1e-4))


def test_missing_folds_are_named() -> None:
    assert folds_text((1, 2, 3, 4, 5), 5) == "5 folds"
    assert folds_text((1, 2, 4), 5) == "3 of 5 folds (1, 2, 4)"
    assert FoldScores({2: score(2)}, 5).text == "1 of 5 folds (2)"
    assert FoldScores({2: score(2)}, 5).deviation("uar") is None


def test_scores_of_another_dataset_are_not_of_rows_of_their_own() -> None:
    assert FoldScores({1: score(1)}, 5).has_own_rows
    assert not FoldScores({1: score(1, fold=False)}, 5).has_own_rows


def test_records_without_a_fold_are_as_they_always_were() -> None:
    assert "fold" not in Run.model_validate(run_record()).as_json()
    assert "fold" not in Export.model_validate(export_record()).as_json()
    written = Scores.model_validate([score_record("a")]).as_json()[0]
    assert not {"fold", "scenes"} & written.keys()


@pytest.mark.parametrize(("model", "record"), [(Run, run_record), (Export, export_record)])
def test_a_fold_is_recorded_and_read_again(model: type[Run], record: Any) -> None:
    head = model.model_validate(record(variant="lr=1,fold-2-of-5", fold=OWN))
    assert head.as_json()["fold"] == OWN
    assert (head.settings, head.fold and head.fold.name) == ("lr=1", "fold-2-of-5")
    assert model.model_validate(record(variant="fold-2-of-5", fold=OWN)).settings == ""


def test_a_fold_that_the_folder_does_not_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected one that ends with fold-2-of-5"):
        Run.model_validate(run_record(fold=OWN))
    with pytest.raises(ValidationError, match="expected at most n, 5"):
        Run.model_validate(run_record(variant="fold-6-of-5", fold=OWN | {"number": 6}))


def test_counts_of_scenes_add_up_to_those_of_the_score() -> None:
    scenes = {"Action": [[7, 2, 0], [0, 2, 3], [0, 0, 0]], "School": [[0, 0, 1], [5, 0, 0], [0, 0, 0]]}
    assert Score.model_validate(score_record("a", scenes=scenes)).as_json()["scenes"] == scenes
    with pytest.raises(ValidationError, match="scenes: expected counts that add up to confusion"):
        Score.model_validate(score_record("a", scenes={"Action": scenes["Action"]}))
    with pytest.raises(ValidationError, match="scenes: expected 3 lists of 3 counts"):
        Score.model_validate(score_record("a", scenes={"Action": [[7, 2]]}))
