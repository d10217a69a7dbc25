"""coop: a learned context of the class names; the text tower is frozen, and gone after training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.encoders.prompt_tower import PromptTower
from pipeline.methods.configs.coop import CoopConfig
from pipeline.methods.protocol import Method, Setup, each_alone
from pipeline.methods.shared.context import ContextLearner, context_recipe
from pipeline.models.prompt_learners import Prompts, learned, prompt_row
from pipeline.models.prompted import PromptHead
from pipeline.training import Trained, train

__all__ = ["METHOD", "coop_rows"]


def coop_rows(tower: PromptTower, classes: tuple[str, ...], n_tokens: int, config: CoopConfig) -> list[list[int]]:
    """One prompt per class: M places, with the class's name after, between or before them."""
    cut = {"end": n_tokens, "middle": n_tokens // 2, "front": 0}[config.class_position]
    before, after = learned(0, cut), learned(cut, n_tokens)
    return [prompt_row(tower, before, name, after, config.suffix) for name in classes]


def _learn(setup: Setup, config: CoopConfig) -> Trained:
    assert setup.tower is not None  # Method.fit has checked it: needs_encoder
    tower = setup.tower.prompts
    words = tower.words(config.words)
    n_tokens = len(words) or config.tokens
    rows = coop_rows(tower, setup.classes, n_tokens, config)
    prompts = Prompts(tower, rows, shared_tokens=not config.class_specific, context=config.context)
    spec = setup.spec("descriptors", options={"n_descriptors": 1, "temperature": 1 / tower.logit_scale})
    head = PromptHead(spec, prompts, n_tokens, tower.embed(words) if words else config.init_std)
    setup.start(head)
    learner = ContextLearner(head)
    trained = train(learner, setup.data, context_recipe(learner, config), setup.rng, setup.on_progress)
    return replace(trained, head=head.as_descriptors(), findings={"nearest_words": _nearest_words(head)})


def _nearest_words(head: PromptHead) -> dict[str, Any]:
    owners = head.spec.classes if len(head.tokens) > 1 else ("every class",)
    return {owner: head.prompts.tower.nearest_words(tokens) for owner, tokens in zip(owners, head.tokens, strict=True)}


METHOD = Method(CoopConfig, each_alone(_learn))
