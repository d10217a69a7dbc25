"""cliper: descriptors of every class learned on the cached feature, then the encoder's image network against them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.methods.configs.cliper import CliperConfig
from pipeline.methods.metd import learn_descriptors
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.descriptors import descriptor_terms, descriptor_weights
from pipeline.methods.shared.seeing import SeeingLearner
from pipeline.methods.shared.tuning import tuned_recipe
from pipeline.models.descriptors import DescriptorHead
from pipeline.models.tuned import TunedDescriptorHead
from pipeline.training import Batch, Learner, Recipe, Trained, TrainingData

__all__ = ["METHOD", "CliperLearner"]


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


def _prepare(setup: Setup, config: CliperConfig) -> tuple[Learner, Recipe]:
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


METHOD = Method(CliperConfig, by_loop(_prepare))
