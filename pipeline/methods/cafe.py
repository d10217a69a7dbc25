"""cafe: an image network on the cached pixels masks the frozen feature of the same view, as published."""

from __future__ import annotations

from pipeline.methods.configs.cafe import CafeConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.adam import adam_recipe
from pipeline.methods.shared.mask_learner import MaskLearner
from pipeline.models.image_mask import ImageMaskHead
from pipeline.models.pretrained import start_from_file
from pipeline.training import Learner, Recipe

__all__ = ["METHOD"]


def _prepare(setup: Setup, config: CafeConfig) -> tuple[Learner, Recipe]:
    head = ImageMaskHead(setup.spec("image-mask", config.feature_scale, config.head_options, config.reads))
    setup.start(head)
    learner = MaskLearner(head, config, start_from_file(head.backbone, config.pretrained)).to(setup.device)
    return learner, adam_recipe(learner, config)


METHOD = Method(CafeConfig, by_loop(_prepare))
