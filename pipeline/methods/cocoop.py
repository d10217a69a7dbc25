"""cocoop: a learned context of the class names that a small network shifts for every image."""

from __future__ import annotations

from pipeline.methods.configs.cocoop import CocoopConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.context import ContextLearner, context_recipe
from pipeline.models.prompted import CocoopHead
from pipeline.training import Learner, Recipe

__all__ = ["METHOD"]


def _prepare(setup: Setup, config: CocoopConfig) -> tuple[Learner, Recipe]:
    assert setup.tower is not None  # Method.fit has checked it: needs_encoder
    names = {"words", "tokens", "init_std", "suffix", "reduction", "context"}
    head = CocoopHead(setup.spec("cocoop", options=config.model_dump(include=names)), setup.tower)
    setup.start(head)
    learner = ContextLearner(head)
    return learner, context_recipe(learner, config)


METHOD = Method(CocoopConfig, by_loop(_prepare))
