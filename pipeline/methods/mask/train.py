"""cafe, feature-mask and token-mask: CAFE's three losses on a masked feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.learning.learner import Batch, Learner, TrainingSettings
from pipeline.learning.method import Method
from pipeline.learning.optimizers import adam_settings
from pipeline.learning.task import TrainingTask, train_by_loop
from pipeline.methods.image.pretrained import start_from_file
from pipeline.methods.mask.groups import Groups
from pipeline.methods.mask.heads import FeatureMaskHead, ImageMaskHead, MaskHead, TokenMaskHead
from pipeline.methods.mask.losses import channel_diversity_loss, channel_separation_loss
from pipeline.methods.mask.options import CafeConfig, FeatureMaskConfig, MaskConfig, TokenMaskConfig

__all__ = ["MaskLearner"]


class MaskLearner(Learner):
    """Terms cls, sep and div: loss = cls + lambda_sep * sep + beta_div * div   [CAFE, Eq. 9]

    The separation and diversity terms only shape the mask; at test the linear classifier alone is used.

    Parameters
    ----------
    head : with its initial weights
    config : which losses, and how
    diagnostics : what is known before training, plain JSON data
    """

    def __init__(self, head: MaskHead, config: MaskConfig, diagnostics: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.head: MaskHead = head
        self.loss_weights = {"cls": 1.0, "sep": config.lambda_sep, "div": config.beta_div}
        n_classes = len(head.spec.classes)
        self.groups = Groups.even(head.spec.width, n_classes, pool_remainder=config.pool_remainder)
        size = head.spec.width // n_classes
        self.div_scale = size / n_classes if config.div_norm == "paper" else float(size)
        self.drop_rate, self.drop_per_sample = config.drop_rate, config.drop_shared == "sample"
        self.class_weights = nn.Parameter(torch.ones(n_classes)) if config.class_weights == "learnt" else None
        self.initial_diagnostics = diagnostics or {}

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        return {"keep": self.groups.keep_mask(self.drop_rate, n if self.drop_per_sample else 1, rng)}

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        gated = self.head.gate(batch.inputs)
        return {
            "cls": functional.cross_entropy(self.head.classifier(gated), batch.targets, self.class_weights_of_loss),
            "sep": channel_separation_loss(gated, batch.labels, self.groups, batch.noise["keep"], self.class_weights),
            "div": channel_diversity_loss(gated, self.groups, self.div_scale),
        }


def _prepare_cafe(task: TrainingTask, config: CafeConfig) -> tuple[Learner, TrainingSettings]:
    head = ImageMaskHead(task.spec(ImageMaskHead, config.feature_scale, config.head_options, config.reads))
    task.initialize(head)
    learner = MaskLearner(head, config, start_from_file(head.backbone, config.pretrained)).to(task.device)
    return learner, adam_settings(learner, config)


CAFE = Method(CafeConfig, train_by_loop(_prepare_cafe))


def _prepare_feature_mask(task: TrainingTask, config: FeatureMaskConfig) -> tuple[Learner, TrainingSettings]:
    head = FeatureMaskHead(task.spec(FeatureMaskHead, config.feature_scale, config.head_options))
    task.initialize(head)
    learner = MaskLearner(head, config).to(task.device)
    return learner, adam_settings(learner, config)


FEATURE_MASK = Method(FeatureMaskConfig, train_by_loop(_prepare_feature_mask))


def _prepare_token_mask(task: TrainingTask, config: TokenMaskConfig) -> tuple[Learner, TrainingSettings]:
    head = TokenMaskHead(task.spec(TokenMaskHead, config.feature_scale, config.head_options, config.reads))
    task.initialize(head)
    learner = MaskLearner(head, config).to(task.device)
    return learner, adam_settings(learner, config)


TOKEN_MASK = Method(TokenMaskConfig, train_by_loop(_prepare_token_mask))
