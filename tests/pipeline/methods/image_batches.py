"""Heads and batches for tests of methods that train image networks."""

import torch

from pipeline.learning.learner import Batch
from pipeline.learning.spec import HeadSpec

SIZE = 16


def image_head(head_class, n_classes=3, seed=0, **options):
    """A head on the small backbone with initial weights of its own."""
    classes = ("surprise", "fear", "disgust", "happiness")[:n_classes]
    spec = HeadSpec("any", classes, {"pixels": (SIZE, SIZE, 3)}, {}, "faces", options={"backbone": "small"} | options)
    head = head_class(spec)
    head.reset(torch.Generator().manual_seed(seed))
    return head


def image_batch(learner, labels, rows=None, epoch=1, seed=0):
    """Random faces with what the learner draws for them."""
    rng = torch.Generator().manual_seed(seed)
    n = len(labels)
    pixels = torch.randint(256, (n, SIZE, SIZE, 3), generator=rng, dtype=torch.uint8)
    rows = torch.arange(n) if rows is None else torch.tensor(rows)
    return Batch({"pixels": pixels}, torch.tensor(labels), rows, epoch, learner.draw(n, rng))
