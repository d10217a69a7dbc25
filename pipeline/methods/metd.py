"""metd: several learned text descriptors per class, the first stage of CLIPER, on the cached feature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pipeline.losses.descriptors import closest_descriptors, descriptor_cosines
from pipeline.methods.configs.metd import MetdConfig
from pipeline.methods.protocol import Method, Setup, each_alone
from pipeline.methods.shared.descriptors import descriptor_terms, descriptor_weights
from pipeline.models.descriptors import DescriptorHead
from pipeline.models.head import as_input
from pipeline.models.prompt_learners import Prompts, learned, prompt_row
from pipeline.models.prompted import PromptHead
from pipeline.training import Batch, Learner, Recipe, Rows, Trained, train

__all__ = ["METHOD", "MetdLearner", "images_by_subclass", "learn_descriptors"]

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
    trained = train(learner, setup.data, _recipe(learner, config), setup.rng, setup.on_progress)
    kept = head.as_descriptors()
    findings = {"nearest_words": _nearest_words(head), "images_by_subclass": images_by_subclass(kept, setup.data.val)}
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


def _nearest_words(head: PromptHead) -> dict[str, Any]:
    n_descriptors, n_tokens = head.spec.options["n_descriptors"], head.tokens.shape[1]
    found = {}
    for name, tokens in zip(head.spec.classes, torch.split(head.tokens, n_descriptors), strict=True):  # (K, M, W)
        words = head.prompts.tower.nearest_words(tokens.flatten(0, 1))
        found[name] = [words[start : start + n_tokens] for start in range(0, len(words), n_tokens)]
    return found


def _recipe(learner: Learner, config: MetdConfig) -> Recipe:
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


METHOD = Method(MetdConfig, each_alone(learn_descriptors))
