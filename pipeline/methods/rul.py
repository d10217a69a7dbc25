"""rul: Relative Uncertainty Learning, which mixes the features of two faces by their uncertainties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.images.augment import Augment
from pipeline.losses.noisy_labels import add_up_loss, mix_by_uncertainty, uncertainty
from pipeline.methods.configs.rul import RulConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.adam import adam_recipe
from pipeline.methods.shared.image_networks import ImageLearner, start_image_head
from pipeline.models.image import EmbeddingHead
from pipeline.training import Batch, Learner, Recipe

__all__ = ["METHOD", "RulLearner"]


class RulLearner(ImageLearner):
    """One term, add_up: both labels of a mixture   [RUL]

    The branch that learns uncertainty shapes the embedding and is thrown away: at test the embedding itself is read.
    Its first weights are drawn from `rng`.
    """

    def __init__(
        self, head: EmbeddingHead, config: RulConfig, rng: torch.Generator, found: Mapping[str, Any] | None = None
    ) -> None:
        chance = config.flip_or_noise / 2
        super().__init__(head, Augment(chance, chance, erase=config.erase, together=False), found)
        self.head: EmbeddingHead = head
        self.weights = {"add_up": 1.0}
        self.dropout = config.dropout
        self.log_variance = head.new_embedding()
        self.log_variance.reset(rng)

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        return super().draw(n, rng) | {
            "partner": torch.randperm(n, generator=rng),
            "kept": self.head.embedding.draw_kept(n, self.dropout, rng),
            "kept_variance": self.log_variance.draw_kept(n, self.dropout, rng),
        }

    def parameter_groups(self, lr_classifier: float) -> list[dict[str, Any]]:
        """Adam's groups: the classifier with a learning rate of its own, and all else."""
        classifier = list(self.head.classifier.parameters())
        own = {id(value) for value in classifier}
        rest = [value for value in self.parameters() if id(value) not in own]
        return [{"params": rest}, {"params": classifier, "lr": lr_classifier}]

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        maps, partner = self.head.backbone.maps(self.images(batch)), batch.noise["partner"]
        embeddings = self.head.embedding(maps, batch.noise["kept"])
        uncertainties = uncertainty(self.log_variance(maps, batch.noise["kept_variance"]))
        mixed = mix_by_uncertainty(embeddings, uncertainties, partner)
        return {"add_up": add_up_loss(self.head.classifier(mixed), batch.labels, partner)}


def _prepare(setup: Setup, config: RulConfig) -> tuple[Learner, Recipe]:
    options = {"dimensions": config.dimensions}
    head, found = start_image_head(EmbeddingHead, "image-embedding", setup, config, options)
    learner = RulLearner(head, config, setup.rng, found).to(setup.device)
    return learner, adam_recipe(learner, config, groups=learner.parameter_groups(config.lr_classifier))


METHOD = Method(RulConfig, by_loop(_prepare))
