"""Multinomial logistic regression for many penalties on the same rows: one L-BFGS search along the path of optima."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.methods.probe.inverse_hessian import InverseHessian, StepPairs

__all__ = ["LogisticRegression"]

# A class without a train row has no finite optimum. The logits of the present ones sum to 0, so that their greatest is
# always above this; its probability is 0 at every temperature up to 100, and float16 can hold it.
_ABSENT_BIAS = -10_000.0
# A search ends where the next step would lower the loss by less than this share of it.
_TOLERANCE = {torch.float32: 3e-7, torch.float64: 1e-9}
_SMALL = 100_000  # features, which float64 takes no longer: few rows are worst conditioned
_SUFFICIENT = 1e-4  # share of the predicted decrease that a step has to reach (Armijo)
_ROUNDING = 1e-8  # share of the loss below which float32 does not show a decrease
_LIMIT = 10.0  # predicted decrease, as a share of the loss: that of a step of a good estimate is at most about 1
_DOUBT = 10.0  # times the tolerance that the diagonal alone may predict at the optimum
_SMALL_STEPS = 2  # one after the other: a single one may be an accident of the estimate
_RESTARTS = 3  # of the estimate of the curvature, in one search
_MOST_SCALED = 3.0  # times the curvature of the search before; more, and other rows carry it
_NO_CURVATURE = 1e-30  # float32 holds its inverse
_BLOCK_ROWS = 1024  # on the CPU: read once, used twice from its cache


@dataclass(frozen=True)
class _Point:
    """Parameters, and the objective there: the mean loss of the rows, and half of `penalty` times the squares."""

    parameters: Tensor  # float64, shape (P,)
    penalty: Tensor  # float64, shape (P,)
    data_loss: float
    data_gradient: Tensor  # float64, shape (P,)

    @cached_property
    def loss(self) -> float:
        return self.data_loss + torch.dot(self.penalty * self.parameters, self.parameters).item() / 2

    @cached_property
    def gradient(self) -> Tensor:
        return self.data_gradient + self.penalty * self.parameters


class LogisticRegression:
    """min over W, b of  (1 / N) * sum_i w_i CE(W x_i + b, y_i) + |W|^2 / (2 * C * N).

    The same optimum as scikit-learn's `LogisticRegression(C=C)`; w_i is the weight of the row's class, 1 by default,
    and the bias carries no penalty. Four things save
    iterations. The features are rotated into the eigenvectors of their covariance, which the penalty does not see, and
    every direction is scaled by its curvature at the start of a search: raw features of frozen encoders are badly
    conditioned. The search for one C starts on the line through the two nearest optima so far, as the path of optima
    is smooth in log C. Its estimate of the curvature is that of the searches before, times the share of their loss
    that is left. Losses and gradients are computed in float32 (of few features in float64), their sums and the path in
    float64.

    Memory: a rotated copy of the features.

    Parameters
    ----------
    features : float32, shape (N, D)
    labels : int64 in [0, n_classes), shape (N,); classes may be absent
    n_classes : C
    class_weights : float32, shape (n_classes,): w of the rows of each class; None where all are 1

    Raises
    ------
    TrainingError
        If the features are too large for their covariance in float32.
    """

    def __init__(self, features: Tensor, labels: Tensor, n_classes: int, class_weights: Tensor | None = None) -> None:
        self.n_classes = n_classes
        self.present, self._labels = torch.unique(labels, return_inverse=True)
        features = features.double() if features.numel() <= _SMALL else features
        self._dtype = features.dtype
        self._row_weights = None if class_weights is None else class_weights.to(self._dtype)[labels]
        self._block_rows = _BLOCK_ROWS if features.device.type == "cpu" else len(features)
        self.mean = features.mean(dim=0)
        covariance = features.new_zeros(features.shape[1], features.shape[1])
        for block in torch.split(features, self._block_rows):
            centred = block - self.mean
            covariance.addmm_(centred.T, centred, alpha=1 / len(features))
        if not torch.isfinite(covariance.float()).all():
            raise TrainingError(
                f"logistic regression: expected finite squares, found features up to {features.abs().max():g}. "
                "Use feature_scale: l2 or standard"
            )
        self.basis = torch.linalg.eigh(covariance)[1]
        self._rotated = torch.empty_like(features, memory_format=torch.contiguous_format)
        for block, rotated in zip(
            torch.split(features, self._block_rows), torch.split(self._rotated, self._block_rows), strict=True
        ):
            torch.mm(block - self.mean, self.basis, out=rotated)
        # Parameters: float64, shape (P,) = (classes present * (D + 1),). Of each class its weights in the rotated
        # coordinates, then the bias for centred features, which has no penalty.
        penalized = features.new_ones(features.shape[1] + 1, dtype=torch.float64)
        penalized[-1] = 0
        self._penalized = penalized.repeat(len(self.present))
        self._no_weights: _Point | None = None
        self._optima: dict[float, _Point] = {}  # by log C
        self._pairs: StepPairs | None = None  # of the search before, without the penalty's part
        self._pairs_loss = 0.0  # data loss where these end

    def solve(self, c: float, max_iterations: int) -> tuple[Tensor, Tensor, float]:
        """Weight float32 (C, D), bias float32 (C,), and the loss at the optimum for the inverse penalty `c` > 0."""
        penalty = self._penalized / (c * len(self._rotated))
        point = self._search(self._start(math.log(c), penalty), penalty, max_iterations)
        self._optima[math.log(c)] = point
        return *self._for_all_classes(point.parameters), point.loss

    def _search(self, point: _Point, penalty: Tensor, max_iterations: int) -> _Point:
        """From a point to the optimum.

        An estimate of the curvature that leads nowhere, or whose small step the diagonal alone contradicts, is begun
        again from the diagonal: its pairs may be of another region, or of nearly the same directions.
        """
        inverse, n_restarts, n_small = self._inverse_hessian(point, penalty), 0, 0
        for _ in range(max_iterations):
            gradient = point.gradient.to(self._dtype)
            step = -self._of_sum_zero(inverse.times(gradient).double())
            decrease, enough = -torch.dot(point.gradient, step).item() / 2, _TOLERANCE[self._dtype] * point.loss
            is_small = decrease <= enough and inverse.decrease_by_metric(gradient) <= _DOUBT * enough
            n_small = n_small + 1 if is_small else 0
            if n_small == _SMALL_STEPS:
                break
            reached = self._line_search(point, step, penalty) if 0 < decrease < _LIMIT * point.loss else None
            if reached is not None:
                change = reached.gradient - point.gradient
                inverse.add((reached.parameters - point.parameters).to(self._dtype), change.to(self._dtype))
                point = reached
            elif is_small or inverse.is_empty or n_restarts == _RESTARTS:
                break
            else:
                inverse, n_restarts = InverseHessian(self._metric(point, penalty)), n_restarts + 1
        self._pairs, self._pairs_loss = inverse.pairs.plus(-penalty.to(self._dtype)), point.data_loss
        return point

    def _start(self, log_c: float, penalty: Tensor) -> _Point:
        """The best of no weights, the nearest optimum, and the point for this C on the line through the nearest two."""
        if self._no_weights is None:
            self._no_weights = self._point(torch.zeros_like(penalty), penalty)
        nearest = sorted(self._optima, key=lambda other: abs(other - log_c))[:2]
        known = [self._no_weights, *(self._optima[other] for other in nearest[:1])]
        start = min((replace(point, penalty=penalty) for point in known), key=lambda point: point.loss)
        if len(nearest) < 2:
            return start
        share = (log_c - nearest[0]) / (nearest[1] - nearest[0])
        first, second = (self._optima[other].parameters for other in nearest)
        on_line = torch.lerp(first, second, share)
        return min(start, self._point(on_line, penalty), key=lambda point: point.loss)

    def _line_search(self, point: _Point, step: Tensor, penalty: Tensor) -> _Point | None:
        """The end of the step, or of a part that lowers the loss enough; None if rounding hides any decrease."""
        slope = torch.dot(point.gradient, step).item()
        reached = self._point(point.parameters + step, penalty)
        while not reached.loss <= point.loss + _SUFFICIENT * slope and slope < -_ROUNDING * point.loss:
            # Where the parabola through both losses and the slope is lowest.
            excess = reached.loss - point.loss - slope
            share = min(max(-slope / (2 * excess), 0.1), 0.5) if math.isfinite(excess) else 0.1
            step, slope = share * step, share * slope
            reached = self._point(point.parameters + step, penalty)
        return reached if reached.loss < point.loss else None

    def _inverse_hessian(self, point: _Point, penalty: Tensor) -> InverseHessian:
        metric = self._metric(point, penalty)
        share = point.data_loss / self._pairs_loss if self._pairs_loss else math.inf
        if self._pairs is None or share > _MOST_SCALED:
            return InverseHessian(metric)
        return InverseHessian(metric, self._pairs.plus(penalty.to(self._dtype), share))

    def _metric(self, point: _Point, penalty: Tensor) -> Tensor:
        return (1 / (self._data_curvature(point.parameters).clamp_(min=_NO_CURVATURE) + penalty)).to(self._dtype)

    def _point(self, parameters: Tensor, penalty: Tensor) -> _Point:
        by_class = self._by_class(parameters)
        gradient = torch.zeros_like(by_class)
        total = parameters.new_zeros(())
        for rotated, losses, residuals, weights in self._rows(by_class):
            if weights is not None:
                losses, residuals = losses * weights, residuals.mul_(weights)
            total += losses.sum(dtype=torch.float64)
            gradient[:, :-1].addmm_(residuals, rotated)
            gradient[:, -1] += residuals.sum(dim=1)
        n = len(self._rotated)
        return _Point(parameters, penalty, total.item() / n, gradient.view(-1).double() / n)

    def _data_curvature(self, parameters: Tensor) -> Tensor:
        """Diagonal of the Hessian of the data loss, mean of w p (1 - p) z^2: float64, shape (P,)."""
        by_class = self._by_class(parameters)
        curvature = torch.zeros_like(by_class)
        for rotated, _, residuals, weights in self._rows(by_class):
            uncertainty = residuals.abs() * (1 - residuals.abs()) / len(self._rotated)  # before the sum: no overflow
            if weights is not None:
                uncertainty *= weights
            curvature[:, :-1].addmm_(uncertainty, rotated.square())
            curvature[:, -1] += uncertainty.sum(dim=1)
        return curvature.view(-1).double()

    def _rows(self, by_class: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
        """Of each block of B rows: rotated features (B, D), losses (B,), probability less truth (C, B), weights (B,).

        All are relative to the logit of the row's class, which keeps their leading digits where nothing is left to
        learn: 1 - p of a probability near 1 has none in float32.
        """
        weight, bias = by_class[:, :-1], by_class[:, -1:]
        starts = range(0, len(self._rotated), self._block_rows)
        for rows in (slice(start, start + self._block_rows) for start in starts):
            rotated, labels = self._rotated[rows], self._labels[rows]
            weights = None if self._row_weights is None else self._row_weights[rows]
            truth = labels[None]
            logits = torch.addmm(bias, weight, rotated.T)  # (C, B): softmax over the first axis is 6 times as fast
            logits -= logits.gather(0, truth)
            greatest = logits.amax(dim=0)
            others = logits.sub_(greatest).exp_().scatter_(0, truth, 0.0)
            sum_of_others = others.sum(dim=0)
            excess = sum_of_others + torch.expm1(-greatest)
            residuals = others.div_(excess + 1).scatter_(0, truth, -(sum_of_others / (excess + 1))[None])
            yield rotated, greatest + torch.log1p(excess), residuals, weights

    def _by_class(self, parameters: Tensor) -> Tensor:
        return parameters.view(len(self.present), -1).to(self._dtype)

    def _of_sum_zero(self, step: Tensor) -> Tensor:
        """The step without its mean over the classes, which no probability depends on."""
        by_class = step.view(len(self.present), -1)
        return (by_class - by_class.mean(dim=0)).view(-1)

    def _for_all_classes(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        by_class = self._by_class(parameters)
        present = by_class[:, :-1] @ self.basis.T
        weight = self.basis.new_zeros(self.n_classes, present.shape[1], dtype=torch.float32)
        bias = self.basis.new_full((self.n_classes,), _ABSENT_BIAS, dtype=torch.float32)
        weight[self.present] = present.float()
        bias[self.present] = (by_class[:, -1].double() - present.double() @ self.mean.double()).float()
        return weight, bias
