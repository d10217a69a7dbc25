"""token-mask: CAFE's losses on a mask network that attends over the cached tokens. Ours; no paper has it."""

from __future__ import annotations

from pipeline.methods.configs.token_mask import TokenMaskConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.adam import adam_recipe
from pipeline.methods.shared.mask_learner import MaskLearner
from pipeline.models.mask import TokenMaskHead
from pipeline.training import Learner, Recipe

__all__ = ["METHOD"]


def _prepare(setup: Setup, config: TokenMaskConfig) -> tuple[Learner, Recipe]:
    head = TokenMaskHead(setup.spec("token-mask", config.feature_scale, config.head_options, config.reads))
    setup.start(head)
    learner = MaskLearner(head, config).to(setup.device)
    return learner, adam_recipe(learner, config, threads=1)


METHOD = Method(TokenMaskConfig, by_loop(_prepare))
