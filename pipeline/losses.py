"""What heads minimise: pure functions of tensors, with the equation each one stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.models.channels import Groups

__all__ = [
    "channel_diversity_loss",
    "channel_separation_loss",
    "self_contrast_loss",
    "text_similarity_loss",
    "transformation_loss",
]


def channel_separation_loss(gated: Tensor, labels: Tensor, groups: Groups, keep: Tensor) -> Tensor:
    """Make each class group, by its best kept channel alone, tell its class from the others.

    Equation: L = -(1 / B) * sum_b log softmax(z_b)[y_b],  z_b[c] = max_{d in group c} gated[b, d] * keep[b, d]
    [CAFE, Eqs. 4-6]

    Parameters
    ----------
    gated : float32, shape (B, D)
        Mask times feature.
    labels : int64 in [0, C), shape (B,)
    groups : Groups
    keep : float32, 0 or 1, shape (1, D) or (B, D)
        0 drops a channel: it becomes 0, which still wins over negative channels, as in the paper.

    Returns
    -------
    float32, shape ()

    Raises
    ------
    MismatchError
        If `gated` is not as wide as `groups`.

    Notes
    -----
    Eq. 6 shows class weights w; neither text nor the authors' code defines any, and none are used here.
    """
    return functional.cross_entropy(groups.max_pool(gated * keep), labels)


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


def text_similarity_loss(vectors: Tensor, text: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Pull each face towards the text of its class and away from the other texts.

    Equation: L = -(1 / B) * sum_b log softmax_c(cos(t_c, v_b) / temperature)[y_b]   [KE-FER, Eqs. 4-5]

    Parameters
    ----------
    vectors : float32, shape (B, D)
    text : float32, shape (C, D)
    labels : int64 in [0, C), shape (B,)
    temperature : float > 0

    Returns
    -------
    float32, shape ()
    """
    cosines = functional.normalize(vectors, dim=1) @ functional.normalize(text, dim=1).T  # (B, D) -> (B, C)
    return functional.cross_entropy(cosines / temperature, labels)


def transformation_loss(visual: Tensor, textual: Tensor) -> Tensor:
    """Make the step from neutral to an expression point the same way in faces as in texts.

    Equation: L = (1 / E) * sum_e (1 - cos(dt_e, dv_e))   [KE-FER, Eq. 9]

    Parameters
    ----------
    visual : float32, shape (E, D)
        v - n of the E rows that are not neutral; E may be 0.
    textual : float32, shape (E, D)
        Text of the row's class minus text of neutral.

    Returns
    -------
    float32, shape ()
        In [0, 2]; exactly 0 with zero gradient when E = 0.
    """
    return _mean_or_zero(1 - functional.cosine_similarity(visual, textual))


def self_contrast_loss(vectors: Tensor, neutrals: Tensor, text: Tensor, gamma: float = 2.0) -> Tensor:
    """Keep the face nearer to its text than the neutral face made from it.

    Equation: L = (1 / E) * sum_e (cos(t_e, n_e) - cos(t_e, v_e) + gamma)   [KE-FER, Eq. 10]

    Parameters
    ----------
    vectors, neutrals, text : float32, shape (E, D)
        v, n and the own class's text of the E rows that are not neutral; E may be 0.
    gamma : float
        Shifts the value and has no gradient; 2 keeps it from being negative.

    Returns
    -------
    float32, shape ()
        In [gamma - 2, gamma + 2]; exactly 0 with zero gradient when E = 0.
    """
    negative = functional.cosine_similarity(text, neutrals)
    positive = functional.cosine_similarity(text, vectors)
    return _mean_or_zero(negative - positive + gamma)


def _mean_or_zero(values: Tensor) -> Tensor:
    # A mean over no row is NaN and poisons every weight; an empty sum is 0 and has a gradient of 0.
    return values.sum() / max(len(values), 1)
