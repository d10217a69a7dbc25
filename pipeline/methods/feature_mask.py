"""feature-mask: CAFE's losses on a mask network that reads the cached feature.

It is not CAFE as published, whose mask network reads the pixels (`pipeline.methods.cafe`): report the two apart.
"""

from __future__ import annotations

from pipeline.methods.configs.feature_mask import FeatureMaskConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.adam import adam_recipe
from pipeline.methods.shared.mask_learner import MaskLearner
from pipeline.models.mask import FeatureMaskHead
from pipeline.training import Learner, Recipe

__all__ = ["METHOD"]


def _prepare(setup: Setup, config: FeatureMaskConfig) -> tuple[Learner, Recipe]:
    head = FeatureMaskHead(setup.spec("feature-mask", config.feature_scale, config.head_options))
    setup.start(head)
    learner = MaskLearner(head, config).to(setup.device)
    return learner, adam_recipe(learner, config, threads=1)


METHOD = Method(FeatureMaskConfig, by_loop(_prepare))
