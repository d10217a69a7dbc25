"""What the methods for noisy labels are made of: SCN's ranks and new labels, RUL's mixing, EAC's attention."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "add_up_loss",
    "attention_maps",
    "flip_consistency_loss",
    "high_importance",
    "mix_by_uncertainty",
    "rank_regularization_loss",
    "relabel",
    "uncertainty",
]


def high_importance(importance: Tensor, high_share: float) -> Tensor:
    """Which rows of a batch are among its most important ones [SCN, rank regularization].

    Parameters
    ----------
    importance : float32, shape (B,)
    high_share : float in (0, 1), beta
        floor(beta * B) rows are high; the earlier of equals first.

    Returns
    -------
    bool, shape (B,)
    """
    n_high = int(high_share * len(importance) + 1e-9)  # 0.29 * 100 is 28.999999999999996
    ranks = importance.argsort(descending=True, stable=True).argsort()
    return ranks < n_high


def rank_regularization_loss(importance: Tensor, high: Tensor, margin: float) -> Tensor:
    """Keep the important rows' mean importance a margin above that of the others.

    Equation: L_RR = max(0, margin - (mean of the high group - mean of the low group))   [SCN, rank regularization]

    Parameters
    ----------
    importance : float32 in (0, 1), shape (B,)
    high : bool, shape (B,)
        What `high_importance` gave.
    margin : float, delta_1

    Returns
    -------
    float32, shape ()
        In [0, 1 + margin]; exactly 0 with zero gradient when one group is empty (a batch of a row or two).
    """
    n_high = int(high.sum())
    if n_high in (0, len(high)):
        return importance.sum() * 0
    gap = (importance * high).sum() / n_high - (importance * ~high).sum() / (len(high) - n_high)
    return functional.relu(margin - gap)


def relabel(logits: Tensor, labels: Tensor, margin: float, among: Tensor) -> Tensor:
    """The labels, with those replaced that the network holds for much less probable than another class.

    Equation: y' = argmax P  if  max P - P[y] > margin  else  y,  P = softmax(logits)   [SCN, relabeling]

    Parameters
    ----------
    logits : float32, shape (B, C)
        Already times the importance.
    labels : int64 in [0, C), shape (B,)
    margin : float, delta_2
    among : bool, shape (B,)
        Rows that may be relabelled: the low group in the paper, all in the authors' code.

    Returns
    -------
    int64, shape (B,)
        A new tensor: `labels` is left as it is.
    """
    probabilities = logits.softmax(dim=1)
    best, predicted = probabilities.max(dim=1)
    current = probabilities.gather(1, labels[:, None])[:, 0]
    return torch.where((best - current > margin) & among, predicted, labels)


def uncertainty(log_variance: Tensor) -> Tensor:
    """One uncertainty per row: mean over dimensions of exp(log variance), float32 (B, D) -> float32 > 0 (B, 1)."""
    return log_variance.exp().mean(dim=1, keepdim=True)


def mix_by_uncertainty(features: Tensor, uncertainties: Tensor, partner: Tensor) -> Tensor:
    """Mix every feature with its partner's, the less certain one weighing more.

    Equation: m_i = u_i / (u_i + u_j) * f_i + u_j / (u_i + u_j) * f_j,  j = partner of i   [RUL, feature mixup]

    To be recognised in the mixture a face that is hard to read needs the greater weight: so uncertainty is learnt.

    Parameters
    ----------
    features : float32, shape (B, D)
    uncertainties : float32 > 0, shape (B, 1)
    partner : int64 in [0, B), shape (B,)

    Returns
    -------
    float32, shape (B, D)
    """
    weight = uncertainties / (uncertainties + uncertainties[partner])
    return weight * features + (1 - weight) * features[partner]


def add_up_loss(logits: Tensor, labels: Tensor, partner: Tensor) -> Tensor:
    """Both faces of a mixture must be recognised in it.

    Equation: L = 1/2 CE(z_i, y_i) + 1/2 CE(z_i, y_j),  j = partner of i   [RUL, add-up loss]

    Parameters
    ----------
    logits : float32, shape (B, C)
        Of the mixtures.
    labels : int64 in [0, C), shape (B,)
    partner : int64 in [0, B), shape (B,)

    Returns
    -------
    float32, shape ()
        At least ln 2 where all pairs have two labels: one mixture cannot be two classes.
    """
    return (functional.cross_entropy(logits, labels) + functional.cross_entropy(logits, labels[partner])) / 2


def attention_maps(maps: Tensor, weight: Tensor) -> Tensor:
    """Class activation maps: the maps, weighted as the classifier weighs their means.

    Equation: A[b, c] = sum_d W[c, d] * F[b, d]   [EAC, attention maps]

    Parameters
    ----------
    maps : float32, shape (B, D, h, w)
    weight : float32, shape (C, D)
        Of the linear classifier; no gradient flows into it.

    Returns
    -------
    float32, shape (B, C, h, w)
    """
    return torch.einsum("cd,bdhw->bchw", weight.detach(), maps)


def flip_consistency_loss(attention: Tensor, attention_of_flip: Tensor) -> Tensor:
    """Attention to the mirror image must be the mirror image of the attention.

    Equation: L = mean over (B, C, h, w) of (A - flip(A'))^2   [EAC, flip attention consistency]

    Parameters
    ----------
    attention : float32, shape (B, C, h, w)
    attention_of_flip : float32, shape (B, C, h, w)
        Of the mirrored images, not mirrored back.

    Returns
    -------
    float32, shape ()
        At least 0.
    """
    return functional.mse_loss(attention, attention_of_flip.flip(-1))
