"""A method that is one class: a head with its options and its loss. The shortest form of a method of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipeline.errors import ConfigError
from pipeline.learning.head import Head
from pipeline.learning.learner import Batch, Learner, TrainingSettings
from pipeline.learning.method import Method
from pipeline.learning.optimizers import adam_settings
from pipeline.learning.options import SCALE, AdamConfig
from pipeline.learning.spec import ScaleKind
from pipeline.learning.task import TrainingTask, train_by_loop

__all__ = ["HeadOptions", "TrainableHead", "method_of"]


class HeadOptions(AdamConfig):
    """Options of a `TrainableHead`: those of Adam and of its input; a subclass adds its own."""

    feature_scale: ScaleKind = Field("standard", description=SCALE)


class TrainableHead(Head):
    """A head that defines how it is trained. The word after `kind=` is the name of the method.

    `Options` are its options: those that it adds are in `self.spec.options`, when it is trained and when it is loaded.
    `loss_weights` names every term of its loss, and its weight in the sum that is minimised.
    """

    Options: ClassVar[type[HeadOptions]] = HeadOptions
    loss_weights: ClassVar[Mapping[str, float]] = {"cls": 1.0}

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        """The unweighted terms of the loss of a batch: scalars, named as in `loss_weights`."""
        return {"cls": functional.cross_entropy(self(batch.inputs), batch.labels)}


class _HeadLearner(Learner):
    def __init__(self, head: TrainableHead) -> None:
        super().__init__()
        self.head: TrainableHead = head
        self.loss_weights = head.loss_weights

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        terms = self.head.loss_terms(batch)
        if terms.keys() != self.loss_weights.keys():
            raise ConfigError(
                f"{type(self.head).__name__}.loss_terms: expected the terms of loss_weights, "
                f"{', '.join(self.loss_weights)}, found {', '.join(terms)}"
            )
        return terms


def method_of(head_class: type[TrainableHead]) -> Method[Any]:
    """The method that trains heads of a class with Adam.

    Raises
    ------
    ConfigError
        If the class has no kind, or its options are no `HeadOptions`.
    """
    if not head_class.kind:
        raise ConfigError(f"{head_class.__name__}: expected a name, as `class {head_class.__name__}(..., kind='name')`")
    if not (isinstance(head_class.Options, type) and issubclass(head_class.Options, HeadOptions)):
        raise ConfigError(f"{head_class.__name__}.Options: expected a subclass of HeadOptions, found another class")
    metaclass: Any = type(head_class.Options)
    members = {"method": head_class.kind, "__module__": head_class.__module__}
    config_class: type[HeadOptions] = metaclass(f"{head_class.__name__}Options", (head_class.Options,), members)
    own = [name for name in config_class.model_fields if name not in HeadOptions.model_fields]

    def prepare(task: TrainingTask, config: HeadOptions) -> tuple[Learner, TrainingSettings]:
        options = config.model_dump(mode="json", include=set(own))
        head = head_class(task.spec(head_class, config.feature_scale, options))
        task.initialize(head)
        learner = _HeadLearner(head).to(task.device)
        return learner, adam_settings(learner, config)

    return Method(config_class, train_by_loop(prepare))
