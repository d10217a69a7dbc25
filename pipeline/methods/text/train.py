"""zero-shot: the feature against the text of each class. kefer: text similarity and emotional-to-neutral losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ConfigError
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.learner import Batch, Learner, TrainingSettings, TrainResult
from pipeline.learning.loop import progress_metric, validate
from pipeline.learning.method import Method
from pipeline.learning.optimizers import sgd_settings, warmup_cosine
from pipeline.learning.task import TrainingTask, train_by_loop, train_separately
from pipeline.methods.image.learners import AugmentedLearner
from pipeline.methods.image.pretrained import start_from_file
from pipeline.methods.text.heads import ImageTextHead, TextHead, TextSimilarityHead, TunedTextHead
from pipeline.methods.text.losses import contrastive_loss, self_contrast_loss, text_similarity_loss, transformation_loss
from pipeline.methods.text.options import KeferConfig, ZeroShotConfig
from pipeline.progress import Progress

__all__ = ["KeferLearner"]


def _train_zero_shot(task: TrainingTask, config: ZeroShotConfig) -> TrainResult:
    """The head, and one record: its validation scores."""
    assert task.text is not None  # Method.fit has checked it: needs_text
    task.text.require_space_of(task.encoder_identity["encoder"])
    options = {"text_width": task.text.width, "projection": "none", "temperature": config.temperature}
    head = TextSimilarityHead(task.spec(TextSimilarityHead, options=options))
    task.initialize(head)
    head.set_text(task.text.vectors if config.prompt == "logit-ensemble" else task.text.chosen(config.prompt))
    record = {"epoch": 1.0} | validate(head, task.data.val, 1)
    metric = progress_metric(config.select_by)
    task.on_progress(Progress("train", 1, 1, f"val {metric} {record[f'val_{metric}']:.4f}"))
    return TrainResult(head.eval(), [record], 1)


ZERO_SHOT = Method(ZeroShotConfig, train_separately(_train_zero_shot))


NEUTRAL = "neutral"


class KeferLearner(AugmentedLearner):
    """Terms s, t and c: loss = lambda_s * s + lambda_t * t + lambda_c * c   [KE-FER, Eq. 11]

    Neutral rows take part in s only. The network that makes a face neutral is discarded after training.

    Parameters
    ----------
    head : TextHead
        With its text.
    config : KeferConfig
    rng : draws the neutral network's initial weights
    diagnostics : what is known before training, plain JSON data
    raw_text : text vectors as their encoder gave them, float32 (C, text_width); for `text_difference: raw`

    Notes
    -----
    The activation between the two layers is not stated: ReLU.
    """

    text_differences: Tensor

    def __init__(
        self,
        head: TextHead,
        config: KeferConfig,
        rng: torch.Generator,
        diagnostics: dict[str, Any] | None = None,
        raw_text: Tensor | None = None,
    ) -> None:
        super().__init__(config)
        self.head: TextHead = head
        self.config, self.initial_diagnostics = config, diagnostics or {}
        self.loss_weights = {"s": config.lambda_s, "t": config.lambda_t, "c": config.lambda_c}
        self.neutral = head.spec.classes.index(NEUTRAL)
        text = head.text if raw_text is None else raw_text
        self.register_buffer("text_differences", text - text[self.neutral])  # (C, text_width), Eq. 8
        narrow, wide = (
            empty_linear(head.text_width, config.neutral_hidden),
            empty_linear(config.neutral_hidden, head.text_width),
        )
        for layer in (narrow, wide):
            reset_linear(layer, rng)
        self.to_neutral = nn.Sequential(narrow, nn.ReLU(), wide)  # Eq. 6

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        text, labels = self.head.text, batch.labels
        differences = self.text_differences[labels]
        vectors = self.head.embed(self.features(batch, self.head.features))
        neutrals, own_text = self.to_neutral(vectors), text[labels]
        emotional = labels != self.neutral
        return {
            "s": text_similarity_loss(vectors, text, labels, self.config.temperature),
            "t": transformation_loss(self._difference(vectors, neutrals), differences, emotional),
            "c": self._contrast(vectors, neutrals, own_text, emotional),
        }

    def _difference(self, vectors: Tensor, neutrals: Tensor) -> Tensor:
        if self.config.normalise_difference:
            return functional.normalize(vectors, dim=1) - functional.normalize(neutrals, dim=1)
        return vectors - neutrals

    def _contrast(self, vectors: Tensor, neutrals: Tensor, text: Tensor, emotional: Tensor) -> Tensor:
        if self.config.contrast == "contrastive":
            return contrastive_loss(vectors, neutrals, text, emotional, self.config.temperature)
        return self_contrast_loss(vectors, neutrals, text, emotional, self.config.gamma)


def _prepare_kefer(task: TrainingTask, config: KeferConfig) -> tuple[Learner, TrainingSettings]:
    if NEUTRAL not in task.classes:
        raise ConfigError(f"kefer: expected neutral among the classes, found {', '.join(task.classes)}. Add it")
    head = _make_head(task, config)
    task.initialize(head)
    assert task.text is not None  # Method.fit has checked it: needs_text
    head.set_text(task.text.chosen(config.prompt))
    diagnostics = _load_pretrained(head, config.pretrained)
    raw_text = torch.tensor(task.text.chosen_raw(config.prompt)) if config.text_difference == "raw" else None
    learner = KeferLearner(head, config, task.rng, diagnostics, raw_text).to(task.device)
    return learner, _kefer_settings(learner, config)


def _make_head(task: TrainingTask, config: KeferConfig) -> TextHead:
    assert task.text is not None
    if config.backbone == "feature" and config.projection == "none":
        # Nothing is trained that could learn another space.
        task.text.require_space_of(task.encoder_identity["encoder"])
    of_encoder = config.backbone in ("feature", "encoder")
    options = {
        "text_width": task.text.width,
        "projection": config.projection,
        "temperature": config.temperature,
        "aligned": of_encoder and task.text.shares_space_with(task.encoder_identity["encoder"]),
    }
    if config.backbone == "feature":
        return TextSimilarityHead(task.spec(TextSimilarityHead, config.feature_scale, options))
    if config.backbone == "encoder":
        assert task.encoder is not None  # Method.fit has checked it: needs_encoder
        return TunedTextHead(task.spec(TunedTextHead, options=options, reads=config.reads), task.encoder)
    spec = task.spec(ImageTextHead, options=options | {"backbone": config.backbone}, reads=config.reads)
    return ImageTextHead(spec)


def _load_pretrained(head: TextHead, path: str) -> dict[str, Any]:
    if not path:
        return {}
    if not isinstance(head, ImageTextHead):
        raise ConfigError(
            f"kefer: expected an image network as backbone to load {path} into, found none. "
            "Choose a backbone such as resnet18, or leave pretrained empty"
        )
    return start_from_file(head.backbone, path)


def _kefer_settings(learner: KeferLearner, config: KeferConfig) -> TrainingSettings:
    return sgd_settings(
        learner,
        config,
        warmup_cosine(config.epochs, config.warmup_epochs),
        updates=_updates(learner) if config.updates == "sequential" else (),
    )


def _updates(learner: KeferLearner) -> tuple[tuple[str, ...], ...]:
    """Algorithm 1's order. Where the head has no weights, only the neutral network is trained, which s does not see."""
    return (("t",), ("c",), ("s",)) if any(True for _ in learner.head.parameters()) else (("t",), ("c",))


KEFER = Method(KeferConfig, train_by_loop(_prepare_kefer))
