"""scn: Self-Cure Network, which weighs images by importance and replaces labels that it doubts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.images.augment import Augment
from pipeline.losses.noisy_labels import high_importance, rank_regularization_loss, relabel
from pipeline.methods.configs.scn import ScnConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.adam import adam_recipe
from pipeline.methods.shared.image_networks import ImageLearner, start_image_head
from pipeline.models.image import ImportanceHead
from pipeline.training import Batch, Learner, Recipe

__all__ = ["METHOD", "ScnLearner"]


class ScnLearner(ImageLearner):
    """Terms wce and rr: loss = lambda_wce * wce + lambda_rr * rr   [SCN]

    Labels that the network doubts are replaced in a table of the learner's own, for all later epochs. The dataset, and
    the classes by which `balanced` draws, keep theirs.

    Parameters
    ----------
    head : ImportanceHead
    labels : int64 in [0, C), shape (N,)
        Of the train split.
    config : ScnConfig
    found : what `findings` is to tell beside the relabelled rows
    """

    labels: Tensor
    given: Tensor

    def __init__(
        self, head: ImportanceHead, labels: Tensor, config: ScnConfig, found: Mapping[str, Any] | None = None
    ) -> None:
        chance = config.flip_or_noise / 2
        super().__init__(head, Augment(chance, chance, erase=config.erase, together=False), found)
        self.head: ImportanceHead = head
        self.weights = {"wce": config.lambda_wce, "rr": config.lambda_rr}
        self.config = config
        self.register_buffer("given", labels)
        self.register_buffer("labels", labels.clone())

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        labels = self.labels[batch.rows]
        logits, importance = self.head.read_with_importance(self.images(batch))
        high = high_importance(importance.detach(), self.config.high_share)
        if self.config.relabel != "none" and batch.epoch >= self.config.relabel_from:
            among = ~high if self.config.relabel == "low" else torch.ones_like(high)
            judged = relabel(logits.detach(), labels, self.config.margin_relabel, among)
            # Beside the pure terms, for later epochs: this step still learns the labels that it began with. Only what
            # is new is written, or the second copy of a row that `balanced` drew twice could undo it.
            new = judged != labels
            self.labels[batch.rows[new]] = judged[new]
        return {
            "wce": functional.cross_entropy(logits, labels),
            "rr": rank_regularization_loss(importance, high, self.config.margin_rank),
        }

    def findings(self) -> dict[str, Any]:
        """How many rows' labels differ at the end from those given, and which class became which."""
        names = self.head.spec.classes
        changes = Counter(
            f"{names[given]} to {names[label]}"
            for given, label in zip(self.given.tolist(), self.labels.tolist(), strict=True)
            if given != label
        )
        relabelled = {"rows": changes.total(), "of": len(self.given), "changes": dict(changes.most_common())}
        return super().findings() | {"relabelled": relabelled}


def _prepare(setup: Setup, config: ScnConfig) -> tuple[Learner, Recipe]:
    head, found = start_image_head(ImportanceHead, "image-importance", setup, config)
    learner = ScnLearner(head, setup.data.train.labels, config, found).to(setup.device)
    return learner, adam_recipe(learner, config)


METHOD = Method(ScnConfig, by_loop(_prepare))
