"""FeatureDataset: rows of a source for torch's DataLoader, in this process and in others."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from memory_source import MemorySource, separable_source
from torch.utils.data import DataLoader

from pipeline.errors import LabelError
from pipeline.features import FeatureDataset


def test_items_are_features_and_label_positions() -> None:
    source = separable_source(n=16)
    dataset = FeatureDataset(source, "train")
    assert len(dataset) == 16
    for row, (feature, label) in enumerate(dataset):
        assert (feature.dtype, label.dtype) == (torch.float32, torch.int64)
        assert feature.tolist() == source.splits["train"][0][0][row].tolist()
        assert source.classes[int(label)] == source.labels("train")[row]
    assert torch.equal(dataset[-1][0], dataset[15][0])
    with pytest.raises(IndexError, match="faces train has 16 items, not one at 16"):
        dataset[16]


def test_many_items_are_the_same_as_one_by_one() -> None:
    dataset = FeatureDataset(separable_source(n_views=3), "train", view="all")
    indices = [40, 3, 3, 17, 0]
    for (feature, label), index in zip(dataset.__getitems__(indices), indices, strict=True):
        assert torch.equal(feature, dataset[index][0])
        assert torch.equal(label, dataset[index][1])


def test_all_views_of_the_train_split_are_items_and_other_splits_are_plain() -> None:
    source = separable_source(n=16, n_views=3)
    dataset = FeatureDataset(source, "train", view="all")
    features = torch.stack([feature for feature, _ in dataset])
    assert features.numpy().tolist() == source.splits["train"][0].reshape(48, -1).tolist()
    assert [int(label) for _, label in dataset] == dataset.labels.tolist() * 3
    assert len(FeatureDataset(source, "val", view="all")) == 16
    assert FeatureDataset(source, "train", view=2)[5][0].tolist() == source.splits["train"][0][2][5].tolist()


def test_half_floats_of_any_shape_become_floats() -> None:
    tokens = np.arange(24, dtype=np.float16).reshape(1, 2, 3, 4)
    tokens.flags.writeable = False  # as a memory-mapped copy
    splits = {"train": (np.ones((1, 2, 3)), np.array(["fear", "anger"]))}
    dataset = FeatureDataset(MemorySource(splits, others={"tokens": {"train": tokens}}), "train", "tokens")
    feature, label = dataset[1]
    assert (feature.dtype, tuple(feature.shape), int(label)) == (torch.float32, (3, 4), 5)
    assert feature.tolist() == tokens[0, 1].tolist()


def test_nothing_is_read_before_the_first_item_and_nothing_read_is_pickled() -> None:
    source = separable_source()
    dataset = FeatureDataset(source, "train")
    assert source.reads == []
    small = len(pickle.dumps(dataset))
    dataset[0], dataset[1]
    assert source.reads == [("train", "pooled", 0)]
    again = pickle.loads(pickle.dumps(dataset))
    assert "_arrays" not in vars(again)
    assert len(pickle.dumps(dataset)) < small + 100
    assert torch.equal(again[1][0], dataset[1][0])


def test_a_label_beyond_the_classes_is_named() -> None:
    source = MemorySource({"train": (np.ones((1, 1, 2)), np.array(["contempt"]))})
    with pytest.raises(LabelError, match="contempt"):
        len(FeatureDataset(source, "train"))


# Python 3.12 warns of every fork beside a thread; that it works is what the test is about.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_workers_give_what_this_process_gives(start: str) -> None:
    dataset = FeatureDataset(separable_source(n_views=2), "train", view="all")
    expected = list(DataLoader(dataset, batch_size=5))  # the parent has read already when it forks
    found = list(DataLoader(dataset, batch_size=5, num_workers=2, multiprocessing_context=start))
    assert [len(labels) for _, labels in found] == [5] * 6 + [2]
    for (features, labels), (expected_features, expected_labels) in zip(found, expected, strict=True):
        assert torch.equal(features, expected_features)
        assert torch.equal(labels, expected_labels)
