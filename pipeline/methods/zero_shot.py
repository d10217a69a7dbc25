"""zero-shot: the cached feature against the text of each class, as CLIP classifies without any training."""

from __future__ import annotations

from pipeline.methods.configs.zero_shot import ZeroShotConfig
from pipeline.methods.protocol import Method, Setup, each_alone
from pipeline.metrics import shown_score
from pipeline.models.text import TextSimilarityHead
from pipeline.progress import Progress
from pipeline.training import Trained, validate

__all__ = ["METHOD"]


def _learn(setup: Setup, config: ZeroShotConfig) -> Trained:
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


METHOD = Method(ZeroShotConfig, each_alone(_learn))
