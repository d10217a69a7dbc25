"""coop and cocoop: a learned context of the class names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline.encoders.prompt_tower import PromptTower, require_prompts
from pipeline.learning.head import Head
from pipeline.learning.learner import Batch, Learner, TrainingSettings, TrainResult
from pipeline.learning.loop import train
from pipeline.learning.method import Method
from pipeline.learning.optimizers import constant_then_cosine, sgd_settings
from pipeline.learning.task import TrainingTask, cross_entropy_weights, train_by_loop, train_separately
from pipeline.methods.prompts.heads import CocoopHead, DescriptorHead, PromptHead
from pipeline.methods.prompts.options import CocoopConfig, ContextConfig, CoopConfig
from pipeline.methods.prompts.prompts import Prompts, learned_positions, prompt_row

__all__ = ["ContextLearner", "context_settings", "coop_rows"]


class ContextLearner(Learner):
    """Term cls: the cross-entropy of the head's logits."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        self.loss_weights = {"cls": 1.0}

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        return {"cls": functional.cross_entropy(self.head(batch.inputs), batch.labels, self.class_weights_of_loss)}


def context_settings(learner: Learner, config: ContextConfig) -> TrainingSettings:
    """SGD: a constant small rate, then a cosine."""
    return sgd_settings(
        learner, config, constant_then_cosine(config.epochs, config.warmup_epochs, config.warmup_lr / config.lr)
    )


def coop_rows(tower: PromptTower, classes: tuple[str, ...], n_tokens: int, config: CoopConfig) -> list[list[int]]:
    """One prompt per class: M places, with the class's name after, between or before them."""
    cut = {"end": n_tokens, "middle": n_tokens // 2, "front": 0}[config.class_position]
    before, after = learned_positions(0, cut), learned_positions(cut, n_tokens)
    return [prompt_row(tower, before, name, after, config.suffix) for name in classes]


def _train_coop(task: TrainingTask, config: CoopConfig) -> TrainResult:
    assert task.encoder is not None  # Method.fit has checked it: needs_encoder
    tower = require_prompts(task.encoder)
    words = tower.words(config.words)
    n_tokens = len(words) or config.tokens
    rows = coop_rows(tower, task.classes, n_tokens, config)
    prompts = Prompts(tower, rows, shared_tokens=not config.class_specific, context=config.context)
    spec = task.spec(DescriptorHead, options={"n_descriptors": 1, "temperature": 1 / tower.logit_scale})
    head = PromptHead(spec, prompts, n_tokens, tower.embed(words) if words else config.init_std)
    task.initialize(head)
    learner = ContextLearner(head)
    learner.class_weights_of_loss = cross_entropy_weights(task, config)
    trained = train(learner, task.data, context_settings(learner, config), task.rng, task.on_progress)
    return replace(trained, head=head.as_descriptors(), diagnostics={"nearest_words": _coop_nearest_words(head)})


def _coop_nearest_words(head: PromptHead) -> dict[str, Any]:
    owners = head.spec.classes if len(head.tokens) > 1 else ("every class",)
    return {owner: head.prompts.tower.nearest_words(tokens) for owner, tokens in zip(owners, head.tokens, strict=True)}


COOP = Method(CoopConfig, train_separately(_train_coop))


def _prepare_cocoop(task: TrainingTask, config: CocoopConfig) -> tuple[Learner, TrainingSettings]:
    assert task.encoder is not None  # Method.fit has checked it: needs_encoder
    names = {"words", "tokens", "init_std", "suffix", "reduction", "context"}
    head = CocoopHead(task.spec(CocoopHead, options=config.model_dump(include=names)), task.encoder)
    task.initialize(head)
    learner = ContextLearner(head)
    return learner, context_settings(learner, config)


COCOOP = Method(CocoopConfig, train_by_loop(_prepare_cocoop))
