"""zero-shot: the feature against the text of each class. kefer: text similarity and emotional-to-neutral losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ConfigError
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.learner import Batch, Learner, Recipe, Trained
from pipeline.learning.loop import validate
from pipeline.learning.method import Method, Setup, by_loop, each_alone
from pipeline.learning.metrics import shown_score
from pipeline.learning.optimizers import sgd_recipe, warmup_cosine
from pipeline.methods.image.learners import SeeingLearner
from pipeline.methods.image.pretrained import start_from_file
from pipeline.methods.text.heads import ImageTextHead, TextHead, TextSimilarityHead, TunedTextHead
from pipeline.methods.text.losses import contrastive_loss, self_contrast_loss, text_similarity_loss, transformation_loss
from pipeline.methods.text.options import KeferConfig, ZeroShotConfig
from pipeline.progress import Progress

__all__ = ["KeferLearner"]


def _learn_zero_shot(setup: Setup, config: ZeroShotConfig) -> Trained:
    """The head, and one record: its validation scores."""
    assert setup.text is not None  # Method.fit has checked it: needs_text
    setup.text.require_space_of(setup.encoder["encoder"])
    options = {"text_width": setup.text.width, "projection": "none", "temperature": config.temperature}
    head = TextSimilarityHead(setup.spec("text-similarity", options=options))
    setup.start(head)
    head.set_text(setup.text.vectors if config.prompt == "logit-ensemble" else setup.text.chosen(config.prompt))
    record = {"epoch": 1.0} | validate(head, setup.data.val, 1)
    metric = shown_score(config.select_by)
    setup.on_progress(Progress("train", 1, 1, f"val {metric} {record[f'val_{metric}']:.4f}"))
    return Trained(head.eval(), [record], 1)


ZERO_SHOT = Method(ZeroShotConfig, each_alone(_learn_zero_shot))


NEUTRAL = "neutral"


class KeferLearner(SeeingLearner):
    """Terms s, t and c: loss = lambda_s * s + lambda_t * t + lambda_c * c   [KE-FER, Eq. 11]

    Neutral rows take part in s only. The network that makes a face neutral is thrown away after training.

    Parameters
    ----------
    head : TextHead
        With its text.
    config : KeferConfig
    rng : draws the neutral network's first weights
    found : what `findings` says
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
        found: dict[str, Any] | None = None,
        raw_text: Tensor | None = None,
    ) -> None:
        super().__init__(config)
        self.head: TextHead = head
        self.config, self.found = config, found or {}
        self.weights = {"s": config.lambda_s, "t": config.lambda_t, "c": config.lambda_c}
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

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        text, labels = self.head.text, batch.labels
        differences = self.text_differences[labels]
        vectors = self.head.embed(self.head.see(self.seen(batch)))
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


def _prepare_kefer(setup: Setup, config: KeferConfig) -> tuple[Learner, Recipe]:
    if NEUTRAL not in setup.classes:
        raise ConfigError(f"kefer: expected neutral among the classes, found {', '.join(setup.classes)}. Add it")
    head = _make_head(setup, config)
    setup.start(head)
    assert setup.text is not None  # Method.fit has checked it: needs_text
    head.set_text(setup.text.chosen(config.prompt))
    found = _load_pretrained(head, config.pretrained)
    raw_text = torch.tensor(setup.text.chosen_raw(config.prompt)) if config.text_difference == "raw" else None
    learner = KeferLearner(head, config, setup.rng, found, raw_text).to(setup.device)
    return learner, _kefer_recipe(learner, config)


def _make_head(setup: Setup, config: KeferConfig) -> TextHead:
    assert setup.text is not None
    if config.backbone == "feature" and config.projection == "none":
        setup.text.require_space_of(setup.encoder["encoder"])  # nothing is trained that could learn another space
    of_encoder = config.backbone in ("feature", "encoder")
    options = {
        "text_width": setup.text.width,
        "projection": config.projection,
        "temperature": config.temperature,
        "aligned": of_encoder and setup.text.shares_space_with(setup.encoder["encoder"]),
    }
    if config.backbone == "feature":
        return TextSimilarityHead(setup.spec("text-similarity", config.feature_scale, options))
    if config.backbone == "encoder":
        assert setup.tower is not None  # Method.fit has checked it: needs_encoder
        return TunedTextHead(setup.spec("tuned-text", options=options, reads=config.reads), setup.tower)
    spec = setup.spec("image-text", options=options | {"backbone": config.backbone}, reads=config.reads)
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


def _kefer_recipe(learner: KeferLearner, config: KeferConfig) -> Recipe:
    return sgd_recipe(
        learner,
        config,
        warmup_cosine(config.epochs, config.warmup_epochs),
        threads=1 if config.backbone == "feature" else None,
        updates=_updates(learner) if config.updates == "sequential" else (),
    )


def _updates(learner: KeferLearner) -> tuple[tuple[str, ...], ...]:
    """Algorithm 1's order. Where the head has no weights, only the neutral network is trained, which s does not see."""
    return (("t",), ("c",), ("s",)) if any(True for _ in learner.head.parameters()) else (("t",), ("c",))


KEFER = Method(KeferConfig, by_loop(_prepare_kefer))
