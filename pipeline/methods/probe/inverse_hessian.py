"""The inverse Hessian as L-BFGS estimates it from the steps of a search, in compact form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["InverseHessian", "StepPairs"]

_MEMORY = 60  # steps; never more than there are parameters
_DROPPED = 8  # of them at once, the oldest, where the memory is full


@dataclass(frozen=True)
class StepPairs:
    """Steps of a search, and the change of the gradient along each: of one dtype, shape (M, P) each, P parameters."""

    steps: Tensor
    changes: Tensor

    def plus(self, curvature: Tensor, scale: float = 1.0) -> StepPairs:
        """The pairs where the Hessian is `scale` times this one plus a diagonal, shape (P,)."""
        return StepPairs(self.steps, scale * self.changes + curvature * self.steps)


class InverseHessian:
    """Product of the estimate of the inverse Hessian with a vector, after any number of steps.

    Equation: H = g D + [S, g D Y] [[R^-T (diag(R) + g Y D Y^T) R^-1, -R^-T], [-R^-1, 0]] [S, g D Y]^T
    with R = triu(S^T Y)   [Byrd, Nocedal, Schnabel 1994, Eq. 3.1]

    Here D is `metric`, and g the share of it that the curvature along the last step asks for. Two products with each of
    S and Y replace the two loops over the pairs, which take most of their time in starting operations.

    Parameters
    ----------
    metric : floating, shape (P,)
        The estimate without any step, a diagonal.
    pairs : StepPairs, optional
        Of searches before, for this Hessian.
    """

    def __init__(self, metric: Tensor, pairs: StepPairs | None = None) -> None:
        self._metric, self._n = metric, 0
        self._memory = memory = min(_MEMORY, len(metric))
        self._steps, self._changes = (metric.new_empty(memory, len(metric)) for _ in range(2))
        self._upper, self._norms = (metric.new_zeros(memory, memory, dtype=torch.float64) for _ in range(2))
        if pairs is not None:
            self._replace(pairs.steps, pairs.changes)

    @property
    def is_empty(self) -> bool:
        """Whether the estimate is the metric alone."""
        return self._n == 0

    @property
    def pairs(self) -> StepPairs:
        """Copies of the pairs in memory."""
        return StepPairs(self._steps[: self._n].clone(), self._changes[: self._n].clone())

    def add(self, step: Tensor, change: Tensor) -> None:
        """Take a step, and the change of the gradient along it; where the memory is full, the oldest go."""
        if torch.dot(step, change) <= 0:  # only by rounding: the objective is convex
            return
        if self._n == self._memory:
            self._drop_oldest(min(_DROPPED, self._memory))
        last = self._n
        self._n = n = last + 1
        self._steps[last], self._changes[last] = step, change
        self._upper[:n, last] = self._steps[:n] @ change
        self._norms[:n, last] = self._norms[last, :n] = self._changes[:n] @ (self._metric * change)

    def times(self, vector: Tensor) -> Tensor:
        """The estimate times a vector: shape (P,) -> (P,), of the metric's dtype."""
        n = self._n
        if not n:
            return self._metric * vector
        steps, changes, upper, norms = self._steps[:n], self._changes[:n], self._upper[:n, :n], self._norms[:n, :n]
        scale = upper[-1, -1] / norms[-1, -1]
        metric = self._metric * scale.to(vector.dtype)
        scaled = metric * vector
        a = torch.linalg.solve_triangular(upper, (steps @ vector).double()[:, None], upper=True)
        inner = upper.diagonal()[:, None] * a + scale * (norms @ a) - (changes @ scaled).double()[:, None]
        b = torch.linalg.solve_triangular(upper.T, inner, upper=False)
        product: Tensor = scaled + b[:, 0].to(vector.dtype) @ steps - metric * (a[:, 0].to(vector.dtype) @ changes)
        return product

    def decrease_by_metric(self, gradient: Tensor) -> float:
        """How far a step would lower the objective if the metric were the inverse Hessian."""
        return torch.dot(gradient, self._metric * gradient).item() / 2

    def _drop_oldest(self, n: int) -> None:
        for rows in (self._steps, self._changes):
            rows[:-n] = rows[n:].clone()
        for products in (self._upper, self._norms):
            products[:-n, :-n] = products[n:, n:].clone()
        self._n -= n

    def _replace(self, steps: Tensor, changes: Tensor) -> None:
        """Take these pairs in place of all others; those that rounding has left without curvature go."""
        has_curvature = (steps * changes).sum(dim=1) > 0
        steps, changes = steps[has_curvature][-self._memory :], changes[has_curvature][-self._memory :]
        self._n = n = len(steps)
        self._steps[:n], self._changes[:n] = steps, changes
        self._upper[:n, :n] = (steps @ changes.T).triu()
        self._norms[:n, :n] = (changes * self._metric) @ changes.T
