"""Soft labels of a split: the shares of a head's classes, from the distributions that a source has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from memory_source import MemorySource, separable_source

from pipeline.errors import TrainingError
from pipeline.learning.method import TrainingInputs
from pipeline.learning.soft_labels import soft_labels
from pipeline.methods import load_method
from pipeline.methods.mask.options import FeatureMaskConfig
from pipeline.methods.packing import pack

CLASSES = ("fear", "anger", "contempt")
LABELS = np.array(["fear", "anger", "fear"])
SHARES = np.array([[0.5, 0.25, 0.25], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]])
IDS = np.array(["train-0", "train-1", "train-2"])


def source(shares: np.ndarray | None = SHARES) -> MemorySource:
    features = np.ones((1, 3, 2), np.float32)
    return MemorySource(
        {"train": (features, LABELS)}, classes=CLASSES, soft={} if shares is None else {"train": shares}
    )


def test_shares_are_in_the_order_of_the_heads_classes_and_sum_to_one() -> None:
    """Without contempt the first row's 0.25 and 0.5 become 1/3 and 2/3; surprise is no class of the dataset."""
    found = soft_labels(source(), "train", IDS[:2], ("surprise", "anger", "fear"))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), [[0, 1 / 3, 2 / 3], [0, 0.8, 0.2]], rtol=1e-6)


def test_rows_are_those_of_the_ids() -> None:
    found = soft_labels(source(), "train", IDS[1:], CLASSES)
    np.testing.assert_allclose(found.numpy(), SHARES[1:], rtol=1e-6)


def test_a_row_without_a_share_of_the_classes_is_named() -> None:
    with pytest.raises(TrainingError, match=r"over fear, anger for every row, found none for 1 of 3, first train-2"):
        soft_labels(source(), "train", IDS, ("fear", "anger"))


def test_a_source_without_soft_labels_says_how_to_get_them() -> None:
    with pytest.raises(TrainingError, match=r"found none for 3 of 3.*rule=probability of ferplus.*targets=labels"):
        soft_labels(source(None), "train", IDS, CLASSES)


def test_one_hot_distributions_train_the_head_of_the_labels() -> None:
    hard = separable_source()
    one_hot = (hard.labels("train")[:, None] == np.array(hard.classes)).astype(float)
    heads = []
    for targets, given in (("labels", hard), ("distribution", replace(hard, soft={"train": one_hot}))):
        config = FeatureMaskConfig(epochs=2, batch_size=4, targets=targets)  # type: ignore[arg-type]
        heads.append(load_method("feature-mask").fit(TrainingInputs(given, given.classes), config, 0).head)
    first, second = (dict(head.named_parameters()) for head in heads)
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-5)


def test_soft_labels_make_another_head() -> None:
    given = TrainingInputs(separable_source(), separable_source().classes)
    packed = [
        pack(load_method("feature-mask").fit(given, FeatureMaskConfig(epochs=1, targets=targets), 0).head)  # type: ignore[arg-type]
        for targets in ("labels", "distribution")
    ]
    assert packed[0] != packed[1]


def test_the_default_is_no_part_of_what_is_recorded() -> None:
    assert "targets" not in FeatureMaskConfig().recorded()
    assert FeatureMaskConfig(targets="distribution").recorded()["targets"] == "distribution"
    later = {"targets": "labels", "cross_entropy_weights": "none", "clip_frames": 16, "clip_sampling": "random"}
    assert FeatureMaskConfig().recorded() | later == FeatureMaskConfig().model_dump()
