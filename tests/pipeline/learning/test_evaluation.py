import json

import numpy as np
import pytest
import torch
from memory_source import MemorySource

from pipeline.errors import InputError, MismatchError
from pipeline.learning.evaluation import evaluate
from pipeline.learning.spec import HeadSpec
from pipeline.methods.packing import build_head

CLASSES = ("fear", "anger")


@pytest.fixture
def head():
    """Class 0 where the feature is positive, class 1 where it is negative."""
    head = build_head(HeadSpec("linear", CLASSES, {"pooled": (1,)}, {"family": "fake"}, "faces"))
    with torch.no_grad():
        head.classifier.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        head.classifier.bias.zero_()
    return head


def source(labels, features, **changes):
    rows = np.array(features, dtype=np.float16).reshape(1, -1, 1)
    splits = {"test": (rows, np.array(labels, dtype=np.str_)), "train": (rows[:, :0], np.array([], dtype=np.str_))}
    return MemorySource(splits, **{"encoder": {"family": "fake"}, "masked": {"test": 3}} | changes)


def test_evaluation_as_json_counts_rejected_rows(head):
    found = evaluate(head, source(["fear", "anger", "anger"], [1, -1, 1])).as_json()
    assert json.loads(json.dumps(found)) == found
    assert {name: found[name] for name in ("dataset", "split", "n", "uar", "rejected", "dropped", "seen")} == {
        "dataset": "faces",
        "split": "test",
        "n": 3,
        "uar": 0.75,
        "rejected": 3,
        "dropped": {},
        "seen": True,
    }
    assert found["confusion"] == [[1, 0], [1, 1]]


def test_another_dataset_is_unseen(head):
    assert not evaluate(head, source(["fear"], [1], dataset="others")).seen


def test_only_the_named_split_is_read(head):
    faces = source(["fear"], [1])
    evaluate(head, faces)
    assert faces.reads == [("test", "pooled", 0)]


def test_labels_outside_the_head_are_refused_by_count(head):
    with pytest.raises(MismatchError, match="found also contempt 1, neutral 2 rows"):
        evaluate(head, source(["neutral", "fear", "contempt", "neutral"], [1, 1, 1, 1]))


def test_other_labels_are_dropped_on_request_and_counted(head):
    found = evaluate(head, source(["neutral", "fear", "contempt", "anger"], [-1, 1, 1, -1]), drop_other_labels=True)
    assert found.dropped == {"contempt": 1, "neutral": 1}
    assert found.scores.confusion.tolist() == [[1, 0], [0, 1]]


def test_another_encoder_is_refused_before_anything_is_read(head):
    faces = source(["fear"], [1], encoder={"family": "other"})
    with pytest.raises(MismatchError, match="family: expected 'fake', found 'other'"):
        evaluate(head, faces)
    assert faces.reads == []


@pytest.mark.parametrize("labels", [[], ["neutral"]])
def test_nothing_to_score_is_an_error(head, labels):
    with pytest.raises(InputError, match="faces test: expected rows to score"):
        evaluate(head, source(labels, [1.0] * len(labels)), drop_other_labels=True)
