"""kefer: text similarity and emotional-to-neutral losses on the cached feature."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ConfigError
from pipeline.losses import self_contrast_loss, text_similarity_loss, transformation_loss
from pipeline.methods.configs import KeferConfig
from pipeline.methods.protocol import Method, Setup
from pipeline.models.layers import empty_linear, reset_linear
from pipeline.models.text import TextSimilarityHead
from pipeline.training import Learner, Recipe, Trained, train, warmup_cosine

__all__ = ["METHOD", "KeferLearner"]

NEUTRAL = "neutral"


class KeferLearner(Learner):
    """Terms s, t and c: loss = lambda_s * s + lambda_t * t + lambda_c * c   [KE-FER, Eq. 11]

    Neutral rows take part in s only. The network that makes a face neutral is thrown away after training.

    Notes
    -----
    Algorithm 1 of the paper updates with t, c and s in turn, Eq. 11 with their sum: we use the sum.
    The activation between the two layers is not stated: ReLU.
    """

    def __init__(self, head: TextSimilarityHead, config: KeferConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.head: TextSimilarityHead = head
        self.weights = {"s": config.lambda_s, "t": config.lambda_t, "c": config.lambda_c}
        self.neutral = head.spec.classes.index(NEUTRAL)
        self.temperature, self.gamma = config.temperature, config.gamma
        self.normalise_difference = config.normalise_difference
        narrow, wide = (
            empty_linear(head.text_width, config.neutral_hidden),
            empty_linear(config.neutral_hidden, head.text_width),
        )
        for layer in (narrow, wide):
            reset_linear(layer, rng)
        self.to_neutral = nn.Sequential(narrow, nn.ReLU(), wide)  # Eq. 6

    def terms(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        text = self.head.text
        vectors = self.head.embed(self.head.scale(features))
        emotional = labels != self.neutral
        own_text, emotional_vectors = text[labels[emotional]], vectors[emotional]  # (B, D) -> (E, D)
        neutrals = self.to_neutral(emotional_vectors)
        return {
            "s": text_similarity_loss(vectors, text, labels, self.temperature),
            "t": transformation_loss(self._difference(emotional_vectors, neutrals), own_text - text[self.neutral]),
            "c": self_contrast_loss(emotional_vectors, neutrals, own_text, self.gamma),
        }

    def _difference(self, vectors: Tensor, neutrals: Tensor) -> Tensor:
        if self.normalise_difference:
            return functional.normalize(vectors, dim=1) - functional.normalize(neutrals, dim=1)
        return vectors - neutrals


def _learn(setup: Setup, config: KeferConfig) -> Trained:
    if NEUTRAL not in setup.classes:
        raise ConfigError(f"kefer: expected neutral among the classes, found {', '.join(setup.classes)}. Add it")
    learner = KeferLearner(_start_head(setup, config), config, setup.rng)
    recipe = Recipe(
        torch.optim.SGD(
            learner.parameters(),
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=True,
        ),
        warmup_cosine(config.epochs, config.warmup_epochs),
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
    )
    return train(learner, setup.data, recipe, setup.rng, setup.on_progress)


def _start_head(setup: Setup, config: KeferConfig) -> TextSimilarityHead:
    assert setup.text is not None  # Method.fit has checked it: needs_text
    vectors = setup.text.ensemble() if config.prompt == "ensemble" else setup.text.template(config.prompt)
    options = {
        "text_width": setup.text.width,
        "projection": config.projection,
        "temperature": config.temperature,
    }
    head = TextSimilarityHead(setup.spec("text-similarity", config.feature_scale, options))
    setup.start(head)
    head.set_text(vectors)
    return head


METHOD = Method(KeferConfig, _learn)
