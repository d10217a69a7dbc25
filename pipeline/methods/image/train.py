"""baseline: an image network and a linear classifier. fine-tune: the encoder's own network and a linear layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline.augmentation.augment import Augment
from pipeline.learning.learner import Batch, Learner, Recipe
from pipeline.learning.method import Method, Setup, by_loop
from pipeline.learning.optimizers import adam_recipe
from pipeline.methods.image.heads import FineTuneHead, ImageHead
from pipeline.methods.image.learners import ImageLearner, SeeingLearner, start_image_head, tuned_recipe
from pipeline.methods.image.options import BaselineConfig, FineTuneConfig

__all__ = ["BaselineLearner", "FineTuneLearner"]


class BaselineLearner(ImageLearner):
    """One term, cls: the cross-entropy."""

    def __init__(self, head: ImageHead, config: BaselineConfig, found: Mapping[str, Any] | None = None) -> None:
        super().__init__(head, Augment(config.flip, config.noise, erase=config.erase), found)
        self.weights = {"cls": 1.0}

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        return {"cls": functional.cross_entropy(self.head.read(self.images(batch)), batch.labels)}


def _prepare_baseline(setup: Setup, config: BaselineConfig) -> tuple[Learner, Recipe]:
    head, found = start_image_head(ImageHead, "image", setup, config)
    learner = BaselineLearner(head, config, found)
    return learner, adam_recipe(learner, config)


BASELINE = Method(BaselineConfig, by_loop(_prepare_baseline))


class FineTuneLearner(SeeingLearner):
    """Term ce: cross-entropy of the classifier on the network's feature."""

    def __init__(self, head: FineTuneHead, config: FineTuneConfig) -> None:
        super().__init__(config)
        self.head: FineTuneHead = head
        self.weights = {"ce": 1.0}

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.head.classify(self.head.see(self.seen(batch)))
        return {"ce": functional.cross_entropy(logits, batch.labels)}


def _prepare_fine_tune(setup: Setup, config: FineTuneConfig) -> tuple[Learner, Recipe]:
    assert setup.tower is not None  # Method.fit has checked it: needs_encoder
    head = FineTuneHead(setup.spec("fine-tune", reads=config.reads), setup.tower)
    setup.start(head)
    learner = FineTuneLearner(head, config).to(setup.device)
    return learner, tuned_recipe([(head.tower, config.lr), (head.classifier, config.lr_classifier)], config)


FINE_TUNE = Method(FineTuneConfig, by_loop(_prepare_fine_tune))
