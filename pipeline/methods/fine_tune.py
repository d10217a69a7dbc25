"""fine-tune: the encoder's image network and a linear layer, from pixels or from what enters one of its blocks."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pipeline.methods.configs.fine_tune import FineTuneConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.seeing import SeeingLearner
from pipeline.methods.shared.tuning import tuned_recipe
from pipeline.models.tuned import FineTuneHead
from pipeline.training import Batch, Learner, Recipe

__all__ = ["METHOD", "FineTuneLearner"]


class FineTuneLearner(SeeingLearner):
    """Term ce: cross-entropy of the classifier on the network's feature."""

    def __init__(self, head: FineTuneHead, config: FineTuneConfig) -> None:
        super().__init__(config)
        self.head: FineTuneHead = head
        self.weights = {"ce": 1.0}

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.head.classify(self.head.see(self.seen(batch)))
        return {"ce": functional.cross_entropy(logits, batch.labels)}


def _prepare(setup: Setup, config: FineTuneConfig) -> tuple[Learner, Recipe]:
    assert setup.tower is not None  # Method.fit has checked it: needs_encoder
    head = FineTuneHead(setup.spec("fine-tune", reads=config.reads), setup.tower)
    setup.start(head)
    learner = FineTuneLearner(head, config).to(setup.device)
    return learner, tuned_recipe([(head.tower, config.lr), (head.classifier, config.lr_classifier)], config)


METHOD = Method(FineTuneConfig, by_loop(_prepare))
