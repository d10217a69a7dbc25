"""feature-mask: CAFE's losses on a mask network that reads the cached feature.

It is not CAFE as published, whose mask network is a ResNet-18 on the pixels: report the two apart.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.losses import channel_diversity_loss, channel_separation_loss
from pipeline.methods.configs import FeatureMaskConfig
from pipeline.methods.protocol import Method, Setup
from pipeline.models.channels import Groups
from pipeline.models.mask import FeatureMaskHead
from pipeline.training import Learner, Recipe, Trained, exponential_decay, train

__all__ = ["METHOD", "FeatureMaskLearner"]


class FeatureMaskLearner(Learner):
    """Terms cls, sep and div: loss = cls + lambda_sep * sep + beta_div * div   [CAFE, Eq. 9]

    The separation and diversity terms only shape the mask; at test the linear classifier alone is used.
    """

    def __init__(self, head: FeatureMaskHead, config: FeatureMaskConfig) -> None:
        super().__init__()
        self.head: FeatureMaskHead = head
        self.weights = {"cls": 1.0, "sep": config.lambda_sep, "div": config.beta_div}
        n_classes = len(head.spec.classes)
        self.groups = Groups.even(head.spec.width, n_classes, pool_remainder=config.pool_remainder)
        size = head.spec.width // n_classes
        self.div_scale = size / n_classes if config.div_norm == "paper" else float(size)
        self.drop_rate, self.drop_per_sample = config.drop_rate, config.drop_shared == "sample"

    def terms(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        gated = self.head.gate(self.head.scale(features))
        keep = self.groups.keep_mask(self.drop_rate, len(gated) if self.drop_per_sample else 1, rng)
        return {
            "cls": functional.cross_entropy(self.head.classifier(gated), labels),
            "sep": channel_separation_loss(gated, labels, self.groups, keep),
            "div": channel_diversity_loss(gated, self.groups, self.div_scale),
        }


def _learn(setup: Setup, config: FeatureMaskConfig) -> Trained:
    options = {"hidden": config.hidden, "sigmoid": config.sigmoid}
    head = FeatureMaskHead(setup.spec("feature-mask", config.feature_scale, options))
    setup.start(head)
    learner = FeatureMaskLearner(head, config)
    recipe = Recipe(
        torch.optim.Adam(learner.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True),
        exponential_decay(config.lr_decay),
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
    )
    return train(learner, setup.data, recipe, setup.rng, setup.on_progress)


METHOD = Method(FeatureMaskConfig, _learn)
