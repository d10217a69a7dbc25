"""Multinomial logistic regression for many penalties on the same rows, by preconditioned L-BFGS."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.errors import TrainingError

__all__ = ["LogisticRegression"]

# A class without a train row has no finite optimum. The logits of the present ones sum to 0, so that their greatest is
# always above this; its probability is 0 at every temperature up to 100, and float16 can hold it.
_ABSENT_BIAS = -10_000.0
_CURVATURE = 0.25  # of the softmax at most one half; only the speed depends on it
# Of the largest gradient, as scikit-learn's default; in our coordinates it stops 2 to 10 times nearer to the optimum.
_TOLERANCE = 1e-4


class LogisticRegression:
    """min over W, b of  (1 / N) * sum_i CE(W x_i + b, y_i) + |W|^2 / (2 * C * N).

    The same optimum as scikit-learn's `LogisticRegression(C=C)`; the bias carries no penalty. L-BFGS searches for U
    with W = (U * p) Q^T, where Q are the eigenvectors of the features' covariance and p makes every direction about
    equally curved. Raw features of frozen encoders are badly conditioned: this saves most of the iterations.

    Parameters
    ----------
    features : float32, shape (N, D)
    labels : int64 in [0, n_classes), shape (N,); classes may be absent
    n_classes : C

    Raises
    ------
    TrainingError
        If the features are too large for their covariance in float32.
    """

    def __init__(self, features: Tensor, labels: Tensor, n_classes: int) -> None:
        self.features = features
        self.n_classes = n_classes
        self.present, self.labels = torch.unique(labels, return_inverse=True)
        self.mean = features.mean(dim=0)
        covariance = features.T @ features / len(features) - torch.outer(self.mean, self.mean)
        if not torch.isfinite(covariance).all():
            raise TrainingError(
                f"logistic regression: expected finite squares, found features up to {features.abs().max():g}. "
                "Use feature_scale: l2 or standard"
            )
        variances, self.basis = torch.linalg.eigh(covariance)
        self.variances = variances.clamp(min=0)
        # Where the search for the next C begins: the optimum of the one before.
        self.weight = features.new_zeros(len(self.present), features.shape[1])
        self.bias = features.new_zeros(len(self.present))

    def solve(self, c: float, max_iterations: int) -> tuple[Tensor, Tensor, float]:
        """Weight float32 (C, D), bias float32 (C,), and the loss at the optimum for the inverse penalty `c` > 0."""
        penalty = 1 / (c * len(self.features))
        precondition = (_CURVATURE * self.variances + penalty).rsqrt()
        free = (self.weight @ self.basis / precondition).requires_grad_()
        bias = (self.bias + self.weight @ self.mean).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [free, bias],
            max_iter=max_iterations,
            max_eval=2 * max_iterations,
            history_size=20,
            tolerance_grad=_TOLERANCE,
            tolerance_change=1e-9,
            line_search_fn="strong_wolfe",
        )

        def objective() -> Tensor:
            optimizer.zero_grad()
            weight = (free * precondition) @ self.basis.T
            logits = functional.linear(self.features, weight, bias - weight @ self.mean)
            loss: Tensor = functional.cross_entropy(logits, self.labels) + penalty / 2 * weight.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            return loss

        optimizer.step(objective)  # type: ignore[no-untyped-call]  # torch does not annotate it
        loss = objective().item()
        with torch.no_grad():
            self.weight = (free * precondition).mm(self.basis.T)
            self.bias = bias - self.weight @ self.mean
        return *self._for_all_classes(), loss

    def _for_all_classes(self) -> tuple[Tensor, Tensor]:
        weight = self.features.new_zeros(self.n_classes, self.features.shape[1])
        bias = self.features.new_full((self.n_classes,), _ABSENT_BIAS)
        weight[self.present], bias[self.present] = self.weight, self.bias
        return weight, bias
