"""Do the labels of a dataset fit what a head sees under another order better than under their own?

Labels that are numbers mean something else in every dataset. Read by a wrong map nothing fails: scores are low, and
everything that is trained on the labels is wrong. A head from elsewhere sees it: its predictions agree with the labels
in another order.

The counts of (label, prediction) are all that is needed. Every label counts the same, however many rows it has: a head
that always predicts one expression then fits every order equally well, whatever the labels' shares. Each row is paired
with itself: it fits the other order only (+1), its own label only (-1), or both or neither (0). The mean of these over
the rows of a label, averaged over the labels, is the gain of an order; its deviation is that of the counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import factorial

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm

from pipeline.audit.known_orders import Codes, OrderPair, order_pairs

__all__ = ["MIN_LABELS", "MIN_ROWS", "MIN_ROWS_OF_LABEL", "LabelOrderFinding", "find_label_order"]

MIN_ROWS_OF_LABEL = 10
"""Rows below which a label is not judged."""
MIN_ROWS = 60
"""Rows of judged labels below which no order is judged."""
MIN_LABELS = 6
"""Judged labels below which no order is judged: of a few labels, chance fits an order that is in use too often."""
_MAX_P = 1e-4  # of one order, times the orders that are tried
_MIN_LIFT = 0.1  # of the labels' own order over chance, to say that they fit it
_MIN_RECALL = 0.5  # of every label that an order moves which is none of the known ones

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelOrderFinding:
    """Whether labels fit another order better than their own.

    Parameters
    ----------
    n : rows that were compared
    labels : labels with enough rows to be judged
    uar : mean over these labels of the share of rows that are predicted as the label, in [0, 1]
    uar_other : the same under the other order; None without one
    order : name of the order that the labels fit; empty for one that is none of the known orders
    read_by : name of the order that they were read by, as far as it has a name
    is_read_by_known : whether that was stated; else it is the one that explains the labels best
    meaning : label as it was read -> label that it is, of the judged labels; empty if their own order fits
    p_value : of so large a gain by chance, times the orders that were tried; 1 without another order
    not_judged : why nothing can be said; empty if it can
    """

    n: int
    labels: tuple[str, ...]
    uar: float
    uar_other: float | None = None
    order: str = ""
    read_by: str = ""
    is_read_by_known: bool = True
    meaning: Mapping[str, str] = field(default_factory=dict)
    p_value: float = 1.0
    not_judged: str = ""

    @property
    def is_suspicious(self) -> bool:
        """Whether the labels fit another order better."""
        return bool(self.meaning)

    def text(self) -> str:
        """A sentence for people."""
        if self.not_judged:
            return f"label order not judged: {self.not_judged}"
        if self.uar_other is None:
            return f"labels fit their own order: agreement {self.uar:.2f} (UAR, {self.n:,} rows)"
        agreement = f"agreement {self.uar_other:.2f} against {self.uar:.2f} (UAR, {self.n:,} rows)"
        if not self.order:
            moved = ", ".join(f"{label} is {meant}" for label, meant in self.meaning.items() if label != meant)
            return f"labels fit another order, which is none of the known ones: {moved}: {agreement}"
        read = f"they were read by `{self.read_by}`" if self.read_by else "they were read by another"
        if not self.is_read_by_known:
            read = f"as if they were read by `{self.read_by}`"
        return f"labels fit the order `{self.order}` ({read}): {agreement}"


@dataclass(frozen=True)
class _Fit:
    """An order, and how well it fits. `lift` is the UAR above what the shares of the predictions alone would give."""

    pair: OrderPair | None
    meaning: Mapping[str, str]
    uar: float
    lift: float
    gain: float
    p_value: float


def find_label_order(
    counts: Counts, labels: Sequence[str], classes: Sequence[str], read_by: str | Codes | None = None
) -> LabelOrderFinding:
    """The order that labels fit by the predictions of a head that was not trained on them.

    Parameters
    ----------
    counts : int64, shape (L, C): rows of each label, by predicted class
    labels : L names
    classes : C names, those that the head can predict
    read_by : name of the order that the labels were read by, or its codes; None if that is not known

    Notes
    -----
    A known order is reported where its gain is at least 0.05 and significant (a one-sided test of paired rows,
    p < 0.0001 after Bonferroni over the orders that were tried), its UAR is at least 0.1 above chance, and at least 0.9
    times as far above it as that of the best order of the same expressions: a head that sees nothing, or confuses
    expressions systematically, fits some order by chance, but hardly ever one that is in use. Where it is not known how
    the labels were read, many pairs of orders are tried, and more is needed (0.1, 0.25, 1). An order that is none of
    the known ones needs at least half of the rows of every label that it moves.

    Nothing is judged where no order is reported and the labels' own is less than 0.1 above chance.
    """
    judged = np.flatnonzero(counts.sum(axis=1) >= MIN_ROWS_OF_LABEL)
    names = tuple(labels[i] for i in judged.tolist())
    n = int(counts[judged].sum())
    if len(names) < MIN_LABELS or n < MIN_ROWS:
        return _too_few(counts, names, n)
    table = _Table(counts[judged], names, tuple(classes))
    own = table.fit({name: name for name in names}, 1)
    present = [label for label, total in zip(labels, counts.sum(axis=1), strict=True) if total]
    fit = _known(table, present, read_by) or _unknown(table)
    if fit is None:
        return LabelOrderFinding(n, names, own.uar, not_judged=_fits_nothing(own))
    pair = fit.pair
    order, reader = (pair.written_in, pair.read_by) if pair else ("", read_by if isinstance(read_by, str) else "")
    return LabelOrderFinding(
        n, names, own.uar, fit.uar, order, reader, read_by is not None or not pair, dict(fit.meaning), fit.p_value
    )


def _too_few(counts: Counts, names: tuple[str, ...], n: int) -> LabelOrderFinding:
    return LabelOrderFinding(
        n,
        names,
        0.0,
        not_judged=f"expected at least {MIN_ROWS} rows and {MIN_LABELS} labels of at least {MIN_ROWS_OF_LABEL} rows, "
        f"found {n:,} rows and {len(names)} such labels",
    )


def _fits_nothing(own: _Fit) -> str:
    if own.lift >= _MIN_LIFT:
        return ""
    return (
        f"the predictions fit no order that is in use: agreement with the labels as they are is {own.uar:.2f} (UAR), "
        f"{own.lift:+.2f} above chance. Name a head that knows such images better"
    )


@dataclass(frozen=True)
class _Limits:
    """What an order needs to be reported.

    Parameters
    ----------
    gain : over the labels' own order: less is the head's own confusions, whatever the number of rows
    lift : over chance: a predictor that fits nothing says nothing
    of_best : share of the lift of the best of all orders of the same expressions
    """

    gain: float
    lift: float
    of_best: float

    def allow(self, fit: _Fit, table: _Table) -> bool:
        if fit.gain < self.gain or fit.lift < self.lift or fit.p_value >= _MAX_P:
            return False
        return fit.lift >= self.of_best * table.best(fit.meaning.values()).lift


_KNOWN = _Limits(gain=0.05, lift=0.1, of_best=0.9)
_KNOWN_OF_MANY = _Limits(gain=0.1, lift=0.25, of_best=1.0)  # how labels were read is not known: many pairs are tried
_UNKNOWN = _Limits(gain=0.1, lift=0.1, of_best=1.0)


def _known(table: _Table, present: Sequence[str], read_by: str | Codes | None) -> _Fit | None:
    pairs = list(order_pairs(present, read_by))
    fits = [table.fit(pair.meaning, len(pairs), pair) for pair in pairs]
    limits = _KNOWN_OF_MANY if read_by is None else _KNOWN
    fitting = [fit for fit in fits if limits.allow(fit, table)]
    return max(fitting, key=lambda fit: fit.lift, default=None)


def _unknown(table: _Table) -> _Fit | None:
    best = table.best((*table.classes, *table.labels))
    moved = [(label, meant) for label, meant in best.meaning.items() if label != meant]
    clear = moved and all(table.share(label, meant) >= _MIN_RECALL for label, meant in moved)
    return best if clear and _UNKNOWN.allow(best, table) else None


class _Table:
    """Shares of predictions, float64 (L, C), and the fit of orders to them."""

    def __init__(self, counts: Counts, labels: tuple[str, ...], classes: tuple[str, ...]) -> None:
        self.labels, self.classes = labels, classes
        self.totals = counts.sum(axis=1)
        self.shares: Floats = counts / self.totals[:, None]
        # Laplace's rule, for deviations alone: no share is exactly 0 or 1
        self.smooth: Floats = (counts + 1) / (self.totals + counts.shape[1])[:, None]
        self.lifts: Floats = self.shares - self.shares.mean(axis=0)

    def share(self, label: str, meant: str) -> float:
        """The share of rows of a label that are predicted as `meant`; 0 if the head cannot predict it."""
        if meant not in self.classes:
            return 0.0
        return float(self.shares[self.labels.index(label), self.classes.index(meant)])

    def uar(self, meaning: Mapping[str, str]) -> float:
        return float(np.mean([self.share(label, meaning[label]) for label in self.labels]))

    def fit(self, meaning: Mapping[str, str], n_tried: int, pair: OrderPair | None = None) -> _Fit:
        """How well labels fit under `meaning`, which is one of `n_tried` orders."""
        meant = {label: meaning[label] for label in self.labels}
        other, own = self._indicator(meant), self._indicator({label: label for label in self.labels})
        lift, own_lift = (float((each * self.lifts).sum()) / len(self.labels) for each in (other, own))
        # The gain is linear in the shares: how the mean over labels is subtracted is part of the weights.
        weights = (other - own) - (other - own).mean(axis=0)
        mean = (weights * self.smooth).sum(axis=1)
        variance = ((weights**2 * self.smooth).sum(axis=1) - mean**2) / self.totals
        deviation = float(np.sqrt(variance.sum())) / len(self.labels)
        gain = lift - own_lift
        p_value = min(1.0, float(norm.sf(gain / deviation)) * n_tried) if deviation else 1.0
        return _Fit(pair, meant, self.uar(meant), lift, gain, p_value)

    def best(self, names: Collection[str]) -> _Fit:
        """The best of all orders of some names, as many as there are labels or more."""
        names = list(dict.fromkeys(names))
        known = {name: self.lifts[:, i] for i, name in enumerate(self.classes)}
        nothing = np.zeros(len(self.labels))  # of names that the head cannot predict
        lifts = np.stack([known.get(name, nothing) for name in names], axis=1)
        rows, columns = linear_sum_assignment(-lifts)
        meaning = {self.labels[i]: names[j] for i, j in zip(rows, columns, strict=True)}
        return self.fit(meaning, factorial(len(names)))

    def _indicator(self, meaning: Mapping[str, str]) -> Floats:
        """1 where a class is what a label means, else 0: float64, shape (L, C)."""
        return np.array([[float(name == meaning[label]) for name in self.classes] for label in self.labels])
