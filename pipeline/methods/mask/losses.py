"""Losses on the channels of a masked feature: every class owns a group of them   [CAFE]"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.methods.mask.groups import Groups

__all__ = ["channel_diversity_loss", "channel_separation_loss"]


def channel_separation_loss(
    gated: Tensor, labels: Tensor, groups: Groups, keep: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Make each class group, by its best channel that is not dropped, separate its class from the others.

    Equation: L = -(1 / B) * sum_b log softmax(z_b)[y_b],  z_b[c] = w_c * max_{d in group c} gated[b, d] * keep[b, d]
    [CAFE, Eqs. 4-6]

    Parameters
    ----------
    gated : float32, shape (B, D)
        Mask times feature.
    labels : int64 in [0, C), shape (B,)
    groups : Groups
    keep : float32, 0 or 1, shape (1, D) or (B, D)
        0 drops a channel: it becomes 0, which still wins over negative channels, as in the paper.
    class_weights : float32, shape (C,), optional
        w; all 1 unless given.

    Returns
    -------
    float32, shape ()

    Raises
    ------
    MismatchError
        If `gated` is not as wide as `groups`.

    Notes
    -----
    Eq. 6 shows class weights w that the text does not define: it calls the pooled channels themselves the logits, and
    so does the authors' code, which has no w.
    """
    pooled = groups.max_pool(gated, keep)  # (B, D) -> (B, C)
    return functional.cross_entropy(pooled if class_weights is None else class_weights * pooled, labels)


def channel_diversity_loss(gated: Tensor, groups: Groups, scale: float = 1.0) -> Tensor:
    """Push every class group to keep at least one strongly open channel.

    Equation: L = 1 - (1 / (B * C)) * sum_b sum_c max_{d in group c} gated[b, d] / scale   [CAFE, Eqs. 7-8]

    Parameters
    ----------
    gated : float32, shape (B, D)
        Mask times feature, no channel dropped.
    groups : Groups
    scale : float > 0, dimensionless

    Returns
    -------
    float32, shape ()
        1.0 when every group's best channel is 0; not bounded from below.

    Raises
    ------
    MismatchError
        If `gated` is not as wide as `groups`.

    Notes
    -----
    Eq. 8 sums over classes and divides by the group's size c = 73: `scale=73 / 7`. The authors' code also averages
    over the 7 classes: `scale=73`.
    """
    return 1 - groups.max_pool(gated).mean() / scale
