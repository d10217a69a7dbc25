"""Optimizers that do not import torch's compiler take the steps of torch's own."""

import pytest
import torch
from torch.optim import SGD, Adam, AdamW

from pipeline.learning.eager import eager_function, eager_optimizer

OPTIONS = {
    Adam: {"lr": 0.01, "weight_decay": 0.1, "fused": True},
    AdamW: {"lr": 0.01, "weight_decay": 0.1, "fused": True},
    SGD: {"lr": 0.01, "momentum": 0.9, "fused": True},
}


def stepped(optimizer: type[torch.optim.Optimizer]) -> list[bytes]:
    """The bytes of two parameters, each with a learning rate of its own, after three steps."""
    rng = torch.Generator().manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(5, generator=rng)) for _ in range(2)]
    options = next(options for torch_class, options in OPTIONS.items() if issubclass(optimizer, torch_class))
    stepper = optimizer([{"params": parameters[:1], "lr": 0.1}, {"params": parameters[1:]}], **options)
    for _ in range(3):
        stepper.zero_grad()
        sum((value**2).sum() for value in parameters).backward()
        stepper.step()
    return [value.detach().numpy().tobytes() for value in parameters]


@pytest.mark.parametrize("optimizer", OPTIONS)
def test_an_eager_optimizer_takes_the_same_steps(optimizer):
    expected = stepped(optimizer)  # before and after: torch wraps `step` once more when it is used
    assert stepped(eager_optimizer(optimizer)) == expected
    assert stepped(optimizer) == expected
    assert eager_optimizer(optimizer) is eager_optimizer(optimizer)


def test_a_function_that_torch_does_not_wrap_is_itself():
    assert eager_function(stepped) is stepped
    assert eager_function(print) is print
