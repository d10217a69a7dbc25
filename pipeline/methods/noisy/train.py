"""scn, rul and eac: image networks that are trained on labels some of which are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.images.augment import Augment, of_rows
from pipeline.learning.learner import Batch, Learner, TrainingSettings
from pipeline.learning.method import Method
from pipeline.learning.optimizers import adam_settings
from pipeline.learning.task import TrainingTask, train_by_loop
from pipeline.methods.image.frames import Tensors
from pipeline.methods.image.heads import ImageHead
from pipeline.methods.image.learners import ImageLearner, initialized_image_head
from pipeline.methods.noisy.heads import EmbeddingHead, ImportanceHead
from pipeline.methods.noisy.losses import (
    add_up_loss,
    attention_maps,
    flip_consistency_loss,
    high_importance,
    mix_by_uncertainty,
    rank_regularization_loss,
    relabel,
    uncertainty,
)
from pipeline.methods.noisy.options import EacConfig, RulConfig, ScnConfig

__all__ = ["EacLearner", "RulLearner", "ScnLearner"]


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
    diagnostics : what is known before training, plain JSON data
    """

    labels: Tensor
    original_labels: Tensor

    def __init__(
        self, head: ImportanceHead, labels: Tensor, config: ScnConfig, diagnostics: Mapping[str, Any] | None = None
    ) -> None:
        chance = config.flip_or_noise / 2
        super().__init__(head, Augment(chance, chance, erase=config.erase, exclusive=True), diagnostics)
        self.head: ImportanceHead = head
        self.loss_weights = {"wce": config.lambda_wce, "rr": config.lambda_rr}
        self.config = config
        self.register_buffer("original_labels", labels)
        self.register_buffer("labels", labels.clone())

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        labels = self.labels[batch.rows]
        logits, importance = self.head.logits_and_importance(self.embedded(batch))
        high = high_importance(importance.detach(), self.config.high_share)
        if self.config.relabel != "none" and batch.epoch >= self.config.relabel_from:
            among = ~high if self.config.relabel == "low" else torch.ones_like(high)
            relabelled = relabel(logits.detach(), labels, self.config.margin_relabel, among)
            # Beside the pure terms, for later epochs: this step still learns the labels that it began with. Only what
            # is new is written, or the second copy of a row that `balanced` drew twice could undo it.
            new = relabelled != labels
            self.labels[batch.rows[new]] = relabelled[new]
        return {
            "wce": functional.cross_entropy(logits, labels, self.class_weights_of_loss),
            "rr": rank_regularization_loss(importance, high, self.config.margin_rank),
        }

    def diagnostics(self) -> dict[str, Any]:
        """How many rows' labels differ at the end from the original ones, and which class became which."""
        names = self.head.spec.classes
        changes = Counter(
            f"{names[original]} to {names[label]}"
            for original, label in zip(self.original_labels.tolist(), self.labels.tolist(), strict=True)
            if original != label
        )
        relabelled = {"rows": changes.total(), "of": len(self.original_labels), "changes": dict(changes.most_common())}
        return super().diagnostics() | {"relabelled": relabelled}


def _prepare_scn(task: TrainingTask, config: ScnConfig) -> tuple[Learner, TrainingSettings]:
    head, diagnostics = initialized_image_head(ImportanceHead, task, config)
    learner = ScnLearner(head, task.data.train.labels, config, diagnostics).to(task.device)
    return learner, adam_settings(learner, config)


SCN = Method(ScnConfig, train_by_loop(_prepare_scn))


class RulLearner(ImageLearner):
    """One term, add_up: both labels of a mixture   [RUL]

    The branch that learns uncertainty shapes the embedding and is discarded: at test the embedding itself is read.
    Its initial weights are drawn from `rng`.
    """

    def __init__(
        self, head: EmbeddingHead, config: RulConfig, rng: torch.Generator, diagnostics: Mapping[str, Any] | None = None
    ) -> None:
        chance = config.flip_or_noise / 2
        super().__init__(head, Augment(chance, chance, erase=config.erase, exclusive=True), diagnostics)
        self.head: EmbeddingHead = head
        self.loss_weights = {"add_up": 1.0}
        self.dropout = config.dropout
        self.log_variance = head.new_embedding()
        self.log_variance.reset(rng)

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        return super().draw(n, rng) | {
            "partner": torch.randperm(n, generator=rng),
            "dropout": self.head.embedding.draw_dropout(n, self.dropout, rng),
            "dropout_variance": self.log_variance.draw_dropout(n, self.dropout, rng),
        }

    def parameter_groups(self, lr_classifier: float) -> list[dict[str, Any]]:
        """Adam's groups: the classifier with a learning rate of its own, and all else."""
        classifier = list(self.head.classifier.parameters())
        own = {id(value) for value in classifier}
        rest = [value for value in self.parameters() if id(value) not in own]
        return [{"params": rest}, {"params": classifier, "lr": lr_classifier}]

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        embeddings, log_variances = self.frame_means(batch, self._branches)
        partner = batch.noise["partner"]
        mixed = mix_by_uncertainty(embeddings, uncertainty(log_variances), partner)
        return {"add_up": add_up_loss(self.head.classifier(mixed), batch.labels, partner)}

    def _branches(self, batch: Batch) -> Tensors:
        """Of images, or frames: their embeddings, and the logarithms of their variances, both float32 (B, E)."""
        maps = self.head.backbone.maps(self.images(batch))
        embeddings = self.head.embedding(maps, batch.noise["dropout"])
        return embeddings, self.log_variance(maps, batch.noise["dropout_variance"])


def _prepare_rul(task: TrainingTask, config: RulConfig) -> tuple[Learner, TrainingSettings]:
    options = {"dimensions": config.dimensions}
    head, diagnostics = initialized_image_head(EmbeddingHead, task, config, options)
    learner = RulLearner(head, config, task.rng, diagnostics).to(task.device)
    return learner, adam_settings(learner, config, groups=learner.parameter_groups(config.lr_classifier))


RUL = Method(RulConfig, train_by_loop(_prepare_rul))


_MIRRORED = "mirrored_"  # before the names of what is drawn for the second image


class EacLearner(ImageLearner):
    """Terms cls and consistency: loss = cls + lambda_consistency * consistency   [EAC]

    Labels are learnt from the first image alone; the second is for the consistency loss only.
    """

    def __init__(self, head: ImageHead, config: EacConfig, diagnostics: Mapping[str, Any] | None = None) -> None:
        super().__init__(head, Augment(flip=0.0, noise=config.noise, erase=config.erase), diagnostics)
        self.loss_weights = {"cls": 1.0, "consistency": config.lambda_consistency}
        erased_separately = config.mirrored == "plain"
        self.augment_mirrored = Augment(flip=1.0, noise=0.0, erase=config.erase) if erased_separately else None

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        drawn = super().draw(n, rng)
        if self.augment_mirrored:
            of_mirrored = self.augment_mirrored.draw(n, self.head.size, rng)
            drawn |= {f"{_MIRRORED}{name}": values for name, values in of_mirrored.items()}
        return drawn

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        head = self.head
        maps, maps_of_mirrored = self.frame_means(batch, self._maps)
        attention, of_mirrored = (attention_maps(m, head.classifier.weight) for m in (maps, maps_of_mirrored))
        return {
            "cls": functional.cross_entropy(
                head.classifier(maps.mean(dim=(2, 3))), batch.labels, self.class_weights_of_loss
            ),
            "consistency": flip_consistency_loss(attention, of_mirrored),
        }

    def _maps(self, batch: Batch) -> Tensors:
        """Of images, or frames, and of their mirror images: float32 (B, D, h, w). Their means over a clip are its."""
        images, backbone = self.images(batch), self.head.backbone
        return backbone.maps(images), backbone.maps(self._mirrored(images, batch))

    def noise_of_frames(self, noise: Mapping[str, Tensor], clips: Tensor) -> dict[str, Tensor]:
        first = {name: values for name, values in noise.items() if not name.startswith(_MIRRORED)}
        second = of_rows(_of_mirrored(noise), clips)
        return of_rows(first, clips) | {f"{_MIRRORED}{name}": values for name, values in second.items()}

    def _mirrored(self, images: Tensor, batch: Batch) -> Tensor:
        if self.augment_mirrored is None:
            return images.flip(-1)
        return self.augment_mirrored(batch.inputs["pixels"], _of_mirrored(batch.noise))


def _of_mirrored(noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What was drawn for the second image, as `Augment` names it."""
    own = {name: values for name, values in noise.items() if name.startswith(_MIRRORED)}
    return {name.removeprefix(_MIRRORED): values for name, values in own.items()}


def _prepare_eac(task: TrainingTask, config: EacConfig) -> tuple[Learner, TrainingSettings]:
    head, diagnostics = initialized_image_head(ImageHead, task, config)
    learner = EacLearner(head, config, diagnostics)
    return learner, adam_settings(learner, config)


EAC = Method(EacConfig, train_by_loop(_prepare_eac))
