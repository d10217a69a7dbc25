"""baseline: an image network and a linear classifier. fine-tune: the encoder's own network and a linear layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline.images.augment import Augment
from pipeline.learning.learner import Batch, Learner, TrainingSettings
from pipeline.learning.method import Method
from pipeline.learning.optimizers import adam_settings
from pipeline.learning.task import TrainingTask, train_by_loop
from pipeline.methods.image.heads import FineTuneHead, ImageHead
from pipeline.methods.image.learners import AugmentedLearner, ImageLearner, initialized_image_head, tuned_settings
from pipeline.methods.image.options import BaselineConfig, FineTuneConfig

__all__ = ["BaselineLearner", "FineTuneLearner"]


class BaselineLearner(ImageLearner):
    """One term, cls: the cross-entropy."""

    def __init__(self, head: ImageHead, config: BaselineConfig, diagnostics: Mapping[str, Any] | None = None) -> None:
        super().__init__(head, Augment(config.flip, config.noise, erase=config.erase), diagnostics)
        self.loss_weights = {"cls": 1.0}

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.head.classify(self.embedded(batch))
        return {"cls": functional.cross_entropy(logits, batch.targets, self.class_weights_of_loss)}


def _prepare_baseline(task: TrainingTask, config: BaselineConfig) -> tuple[Learner, TrainingSettings]:
    head, diagnostics = initialized_image_head(ImageHead, task, config)
    learner = BaselineLearner(head, config, diagnostics)
    return learner, adam_settings(learner, config)


BASELINE = Method(BaselineConfig, train_by_loop(_prepare_baseline))


class FineTuneLearner(AugmentedLearner):
    """Term ce: cross-entropy of the classifier on the network's feature."""

    def __init__(self, head: FineTuneHead, config: FineTuneConfig) -> None:
        super().__init__(config)
        self.head: FineTuneHead = head
        self.loss_weights = {"ce": 1.0}

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.head.classify(self.features(batch, self.head.features))
        return {"ce": functional.cross_entropy(logits, batch.targets, self.class_weights_of_loss)}


def _prepare_fine_tune(task: TrainingTask, config: FineTuneConfig) -> tuple[Learner, TrainingSettings]:
    assert task.encoder is not None  # Method.fit has checked it: needs_encoder
    head = FineTuneHead(task.spec(FineTuneHead, reads=config.reads), task.encoder)
    task.initialize(head)
    learner = FineTuneLearner(head, config).to(task.device)
    return learner, tuned_settings([(head.tower, config.lr), (head.classifier, config.lr_classifier)], config)


FINE_TUNE = Method(FineTuneConfig, train_by_loop(_prepare_fine_tune))
