"""metd and cliper: several learned descriptors per class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.learning.head import as_input
from pipeline.learning.learner import Batch, Learner, Recipe, Trained
from pipeline.learning.loop import train
from pipeline.learning.method import Method, Setup, by_loop, each_alone
from pipeline.learning.split_loader import Rows, TrainingData
from pipeline.methods.image.learners import SeeingLearner, tuned_recipe
from pipeline.methods.prompts.heads import DescriptorHead, PromptHead, TunedDescriptorHead
from pipeline.methods.prompts.losses import (
    closest_descriptors,
    descriptor_cosines,
    descriptor_margin_loss,
    fine_grained_loss,
)
from pipeline.methods.prompts.options import CliperConfig, MetdConfig
from pipeline.methods.prompts.prompts import Prompts, learned, prompt_row

__all__ = [
    "CliperLearner",
    "MetdLearner",
    "descriptor_terms",
    "descriptor_weights",
    "images_by_subclass",
    "learn_descriptors",
]


def descriptor_weights(config: CliperConfig | MetdConfig) -> dict[str, float]:
    """Factors of fine and margin: loss = lambda_fine * fine + lambda_margin * margin   [CLIPER, Eq. 10, both 1]"""
    return {"fine": config.lambda_fine, "margin": config.lambda_margin}


def descriptor_terms(cosines: Tensor, labels: Tensor, config: CliperConfig | MetdConfig) -> dict[str, Tensor]:
    """Terms fine and margin of images, by their cosines to all descriptors, float32 (B, C, K).   [CLIPER, Eqs. 6, 9]"""
    return {
        "fine": fine_grained_loss(
            cosines, labels, config.temperature, config.empty_subclass, modulated=config.modulating_factor
        ),
        "margin": descriptor_margin_loss(cosines, labels, config.temperature),
    }


_SHOWN = 16  # images of a subclass


class MetdLearner(Learner):
    """Terms fine and margin: loss = lambda_fine * fine + lambda_margin * margin   [CLIPER, Eq. 10, both factors 1]"""

    def __init__(self, head: PromptHead, config: MetdConfig) -> None:
        super().__init__()
        self.head: PromptHead = head
        self.config = config
        self.weights = descriptor_weights(config)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        return descriptor_terms(self.head.cosines(batch.inputs), batch.labels, self.config)


def learn_descriptors(setup: Setup, config: MetdConfig) -> Trained:
    """Train K descriptors per class on the cached feature; the head is a DescriptorHead.

    Findings: `nearest_words`, class -> K lists of M lists of the five nearest words of the vocabulary with their
    distances; `images_by_subclass`, see there.
    """
    assert setup.tower is not None  # Method.fit has checked it: needs_encoder
    tower = setup.tower.prompts
    row = prompt_row(tower, config.prefix, learned(0, config.tokens), config.suffix)
    prompts = Prompts(tower, [row] * (len(setup.classes) * config.descriptors), context=config.context)
    options = {"n_descriptors": config.descriptors, "temperature": config.temperature}
    head = PromptHead(setup.spec("descriptors", options=options), prompts, config.tokens, config.init_std)
    setup.start(head)
    learner = MetdLearner(head, config)
    trained = train(learner, setup.data, _metd_recipe(learner, config), setup.rng, setup.on_progress)
    kept = head.as_descriptors()
    findings = {
        "nearest_words": _metd_nearest_words(head),
        "images_by_subclass": images_by_subclass(kept, setup.data.val),
    }
    return replace(trained, head=kept, findings=findings)


def images_by_subclass(head: DescriptorHead, rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """Which images each descriptor stands for: of a class's images, those that are closest to it.

    Returns
    -------
    class -> for each of its K descriptors `n`, how many they are, and `ids`, those of the 16 nearest, nearest first
    """
    features = as_input(rows.plain["pooled"])
    cosines = descriptor_cosines(features, head.descriptors.cpu())
    closest = closest_descriptors(cosines, rows.labels)
    found: dict[str, list[dict[str, Any]]] = {}
    for label, name in enumerate(head.spec.classes):
        of_class = [torch.nonzero((rows.labels == label) & (closest == j)).flatten() for j in range(cosines.shape[2])]
        found[name] = [
            {"n": len(own), "ids": rows.ids[own[_nearest(cosines[own, label, j])].numpy()].tolist()}
            for j, own in enumerate(of_class)
        ]
    return found


def _nearest(cosines: Tensor) -> Tensor:
    return cosines.argsort(descending=True, stable=True)[:_SHOWN]


def _metd_nearest_words(head: PromptHead) -> dict[str, Any]:
    n_descriptors, n_tokens = head.spec.options["n_descriptors"], head.tokens.shape[1]
    found = {}
    for name, tokens in zip(head.spec.classes, torch.split(head.tokens, n_descriptors), strict=True):  # (K, M, W)
        words = head.prompts.tower.nearest_words(tokens.flatten(0, 1))
        found[name] = [words[start : start + n_tokens] for start in range(0, len(words), n_tokens)]
    return found


def _metd_recipe(learner: Learner, config: MetdConfig) -> Recipe:
    return Recipe(
        torch.optim.AdamW(
            learner.parameters(), lr=config.lr, eps=config.eps, weight_decay=config.weight_decay, fused=True
        ),
        lambda epoch: 1.0,
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
        threads=None,  # a text tower is large enough for all of them
    )


METD = Method(MetdConfig, each_alone(learn_descriptors))


class CliperLearner(SeeingLearner):
    """Terms fine and margin: loss = lambda_fine * fine + lambda_margin * margin   [CLIPER, Eq. 10, both factors 1]

    Only the image network is trained; the descriptors are the first stage's.

    Parameters
    ----------
    head : TunedDescriptorHead
    config : CliperConfig
    found : what `findings` says
    """

    def __init__(self, head: TunedDescriptorHead, config: CliperConfig, found: dict[str, Any]) -> None:
        super().__init__(config)
        self.head: TunedDescriptorHead = head
        self.config, self.found = config, found
        self.weights = descriptor_weights(config)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        return descriptor_terms(self.head.cosines(self.head.see(self.seen(batch))), batch.labels, self.config)


def _prepare_cliper(setup: Setup, config: CliperConfig) -> tuple[Learner, Recipe]:
    first = _first_stage(setup, config)
    assert isinstance(first.head, DescriptorHead)
    assert setup.tower is not None  # Method.fit has checked it: needs_encoder
    options = {"n_descriptors": config.descriptors, "temperature": config.temperature}
    head = TunedDescriptorHead(setup.spec("tuned-descriptors", options=options, reads=(config.input,)), setup.tower)
    setup.start(head)
    head.set_descriptors(first.head.descriptors)
    learner = CliperLearner(head, config, {"first_stage": {"history": first.history, **first.findings}})
    return learner.to(setup.device), tuned_recipe([(head.tower, config.lr)], config)


def _first_stage(setup: Setup, config: CliperConfig) -> Trained:
    try:
        return learn_descriptors(_reading(setup, "pooled"), config.first_stage)
    except TrainingError as error:  # two stages have two learning rates
        raise TrainingError(f"first stage (first_lr {config.first_lr:g}): {error}") from error


def _reading(setup: Setup, output: str) -> Setup:
    """The same setup with one output only."""
    train, val = (replace(rows, arrays={output: rows.arrays[output]}) for rows in (setup.data.train, setup.data.val))
    return replace(setup, data=TrainingData(train, val))


CLIPER = Method(CliperConfig, by_loop(_prepare_cliper))
