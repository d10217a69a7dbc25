"""metd and cliper: several learned descriptors per class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pipeline.encoders.prompt_tower import require_prompts
from pipeline.errors import TrainingError
from pipeline.learning.eager import eager_optimizer
from pipeline.learning.head import as_input
from pipeline.learning.learner import Batch, Learner, TrainingSettings, TrainResult
from pipeline.learning.loop import train
from pipeline.learning.method import Method
from pipeline.learning.rows import Rows, TrainingData
from pipeline.learning.task import TrainingTask, train_by_loop, train_separately
from pipeline.methods.image.learners import AugmentedLearner, tuned_settings
from pipeline.methods.prompts.heads import DescriptorHead, PromptHead, TunedDescriptorHead
from pipeline.methods.prompts.losses import (
    closest_descriptors,
    descriptor_cosines,
    descriptor_margin_loss,
    fine_grained_loss,
)
from pipeline.methods.prompts.options import CliperConfig, MetdConfig
from pipeline.methods.prompts.prompts import Prompts, learned_positions, prompt_row

__all__ = [
    "CliperLearner",
    "MetdLearner",
    "descriptor_loss_terms",
    "descriptor_loss_weights",
    "images_by_subclass",
    "train_descriptors",
]


def descriptor_loss_weights(config: CliperConfig | MetdConfig) -> dict[str, float]:
    """Factors of fine and margin: loss = lambda_fine * fine + lambda_margin * margin   [CLIPER, Eq. 10, both 1]"""
    return {"fine": config.lambda_fine, "margin": config.lambda_margin}


def descriptor_loss_terms(cosines: Tensor, labels: Tensor, config: CliperConfig | MetdConfig) -> dict[str, Tensor]:
    """Terms fine and margin of images, by their cosines to all descriptors, float32 (B, C, K).   [CLIPER, Eqs. 6, 9]"""
    return {
        "fine": fine_grained_loss(
            cosines, labels, config.temperature, config.empty_subclass, modulated=config.modulating_factor
        ),
        "margin": descriptor_margin_loss(cosines, labels, config.temperature),
    }


_MAX_IDS = 16  # images of a subclass


class MetdLearner(Learner):
    """Terms fine and margin: loss = lambda_fine * fine + lambda_margin * margin   [CLIPER, Eq. 10, both factors 1]"""

    def __init__(self, head: PromptHead, config: MetdConfig) -> None:
        super().__init__()
        self.head: PromptHead = head
        self.config = config
        self.loss_weights = descriptor_loss_weights(config)

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        return descriptor_loss_terms(self.head.cosines(batch.inputs), batch.labels, self.config)


def train_descriptors(task: TrainingTask, config: MetdConfig) -> TrainResult:
    """Train K descriptors per class on the cached feature; the head is a DescriptorHead.

    Diagnostics: `nearest_words`, class -> K lists of M lists of the five nearest words of the vocabulary with their
    distances; `images_by_subclass`, see there.
    """
    assert task.encoder is not None  # Method.fit has checked it: needs_encoder
    tower = require_prompts(task.encoder)
    row = prompt_row(tower, config.prefix, learned_positions(0, config.tokens), config.suffix)
    prompts = Prompts(tower, [row] * (len(task.classes) * config.descriptors), context=config.context)
    options = {"n_descriptors": config.descriptors, "temperature": config.temperature}
    head = PromptHead(task.spec(DescriptorHead, options=options), prompts, config.tokens, config.init_std)
    task.initialize(head)
    learner = MetdLearner(head, config)
    trained = train(learner, task.data, _metd_settings(learner, config), task.rng, task.on_progress)
    descriptors = head.as_descriptors()
    diagnostics = {
        "nearest_words": _metd_nearest_words(head),
        "images_by_subclass": images_by_subclass(descriptors, task.data.val),
    }
    return replace(trained, head=descriptors, diagnostics=diagnostics)


def images_by_subclass(head: DescriptorHead, rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """Which images each descriptor represents: of a class's images, those that are closest to it.

    Returns
    -------
    class -> for each of its K descriptors `n`, how many they are, and `ids`, those of the 16 nearest, nearest first
    """
    features = as_input(rows.plain["pooled"][:])
    cosines = descriptor_cosines(features, head.descriptors.cpu())
    closest = closest_descriptors(cosines, rows.labels)
    images: dict[str, list[dict[str, Any]]] = {}
    for label, name in enumerate(head.spec.classes):
        of_class = [torch.nonzero((rows.labels == label) & (closest == j)).flatten() for j in range(cosines.shape[2])]
        images[name] = [
            {"n": len(chosen), "ids": rows.ids[chosen[_nearest(cosines[chosen, label, j])].numpy()].tolist()}
            for j, chosen in enumerate(of_class)
        ]
    return images


def _nearest(cosines: Tensor) -> Tensor:
    return cosines.argsort(descending=True, stable=True)[:_MAX_IDS]


def _metd_nearest_words(head: PromptHead) -> dict[str, Any]:
    n_descriptors, n_tokens = head.spec.options["n_descriptors"], head.tokens.shape[1]
    nearest = {}
    for name, tokens in zip(head.spec.classes, torch.split(head.tokens, n_descriptors), strict=True):  # (K, M, W)
        words = head.prompts.tower.nearest_words(tokens.flatten(0, 1))
        nearest[name] = [words[start : start + n_tokens] for start in range(0, len(words), n_tokens)]
    return nearest


def _metd_settings(learner: Learner, config: MetdConfig) -> TrainingSettings:
    return TrainingSettings(
        eager_optimizer(torch.optim.AdamW)(
            learner.parameters(), lr=config.lr, eps=config.eps, weight_decay=config.weight_decay, fused=True
        ),
        lambda epoch: 1.0,
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
    )


METD = Method(MetdConfig, train_separately(train_descriptors))


class CliperLearner(AugmentedLearner):
    """Terms fine and margin: loss = lambda_fine * fine + lambda_margin * margin   [CLIPER, Eq. 10, both factors 1]

    Only the image network is trained; the descriptors are the first stage's.

    Parameters
    ----------
    head : TunedDescriptorHead
    config : CliperConfig
    diagnostics : what is known before training, plain JSON data
    """

    def __init__(self, head: TunedDescriptorHead, config: CliperConfig, diagnostics: dict[str, Any]) -> None:
        super().__init__(config)
        self.head: TunedDescriptorHead = head
        self.config, self.initial_diagnostics = config, diagnostics
        self.loss_weights = descriptor_loss_weights(config)

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        cosines = self.head.cosines(self.features(batch, self.head.features))
        return descriptor_loss_terms(cosines, batch.labels, self.config)


def _prepare_cliper(task: TrainingTask, config: CliperConfig) -> tuple[Learner, TrainingSettings]:
    first = _first_stage(task, config)
    assert isinstance(first.head, DescriptorHead)
    assert task.encoder is not None  # Method.fit has checked it: needs_encoder
    options = {"n_descriptors": config.descriptors, "temperature": config.temperature}
    head = TunedDescriptorHead(task.spec(TunedDescriptorHead, options=options, reads=(config.input,)), task.encoder)
    task.initialize(head)
    head.set_descriptors(first.head.descriptors)
    learner = CliperLearner(head, config, {"first_stage": {"history": first.history, **first.diagnostics}})
    return learner.to(task.device), tuned_settings([(head.tower, config.lr)], config)


def _first_stage(task: TrainingTask, config: CliperConfig) -> TrainResult:
    try:
        return train_descriptors(_reading(task, "pooled"), config.first_stage)
    except TrainingError as error:  # two stages have two learning rates
        raise TrainingError(f"first stage (first_lr {config.first_lr:g}): {error}") from error


def _reading(task: TrainingTask, output: str) -> TrainingTask:
    """The same task with one output only."""
    train, val = (replace(rows, arrays={output: rows.arrays[output]}) for rows in (task.data.train, task.data.val))
    return replace(task, data=TrainingData(train, val))


CLIPER = Method(CliperConfig, train_by_loop(_prepare_cliper))
