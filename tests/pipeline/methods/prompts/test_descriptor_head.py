import numpy as np
import pytest
import torch

from pipeline.learning.spec import HeadSpec
from pipeline.methods.packing import pack, unpack
from pipeline.methods.prompts.heads import DescriptorHead


def head_of(vectors, temperature=0.1):
    n_classes, n_descriptors, width = len(vectors), len(vectors[0]), len(vectors[0][0])
    options = {"n_descriptors": n_descriptors, "temperature": temperature}
    classes = tuple(f"class-{i}" for i in range(n_classes))
    head = DescriptorHead(HeadSpec("descriptors", classes, {"pooled": (width,)}, {}, "faces", "raw", options))
    head.set_descriptors(torch.tensor(vectors))
    return head


VECTORS = [[[1.0, 0.0], [0.0, 2.0]], [[-3.0, 0.0], [3.0, 4.0]]]


def test_logits_are_mean_cosines_over_the_temperature():
    """v = (3, 4): cosines 0.6, 0.8 and -0.6, 1; means 0.7 and 0.2, over 0.1."""
    logits = head_of(VECTORS).predict({"pooled": np.array([[3.0, 4.0]], np.float32)})
    np.testing.assert_allclose(logits, [[7.0, 2.0]], rtol=1e-5)


def test_it_is_unpacked_without_an_encoder():
    head, rows = head_of(VECTORS), {"pooled": np.ones((3, 2), np.float16)}
    np.testing.assert_array_equal(unpack(*pack(head)).predict(rows), head.predict(rows))


def test_vectors_are_taken_as_values():
    head = head_of(VECTORS)
    vectors = torch.ones(2, 2, 2, requires_grad=True)
    head.set_descriptors(vectors * 2)
    assert not head.descriptors.requires_grad
    assert head.descriptors.tolist() == [[[2.0] * 2] * 2] * 2


def test_another_number_of_descriptors_does_not_fit():
    with pytest.raises(RuntimeError):
        head_of(VECTORS).set_descriptors(torch.ones(2, 3, 2))
