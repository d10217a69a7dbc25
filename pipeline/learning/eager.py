"""Training without torch's compiler, which torch imports at an optimizer's first call though nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch

__all__ = ["eager_function", "eager_optimizer"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Optimizer = TypeVar("_Optimizer", bound=torch.optim.Optimizer)

_WRAPPERS = {("torch._compile", "inner"), ("torch.optim.optimizer", "_use_grad")}  # (module, function that wraps)


def eager_function(function: _Function) -> _Function:
    """The function inside torch's wrapper that keeps the compiler out of it; the function itself if it has none.

    The wrapper imports `torch._dynamo` at its first call, to have the compiler skip the function: 1,600 modules with
    sympy and inductor, 0.8 s, as much as a light head takes to train.
    """
    layer: Any = function
    while (inner := getattr(layer, "__wrapped__", None)) is not None:
        if (layer.__globals__.get("__name__"), layer.__code__.co_name) in _WRAPPERS:
            return inner  # type: ignore[no-any-return]  # of a function without annotations
        layer = inner
    return function


@cache
def eager_optimizer(optimizer: type[_Optimizer]) -> type[_Optimizer]:
    """A class of the same optimizer, equal bit for bit, whose calls do not import the compiler.

    torch's own class stays as it is, for callers who compile. With another torch, whose wrappers are not those that are
    known here, the class does as torch's own.
    """
    methods: dict[str, Any] = {
        name: eager_function(getattr(optimizer, name)) for name in ("add_param_group", "zero_grad")
    }
    step = eager_function(optimizer.step)
    if step is not optimizer.step:
        methods["step"] = torch.no_grad()(step)  # as the wrapper calls it
    return type(f"Eager{optimizer.__name__}", (optimizer,), methods)
