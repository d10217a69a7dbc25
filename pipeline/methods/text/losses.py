"""Losses on faces and texts in one space   [KE-FER]"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["contrastive_loss", "self_contrast_loss", "text_similarity_loss", "transformation_loss"]


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


def transformation_loss(visual: Tensor, textual: Tensor, emotional: Tensor) -> Tensor:
    """Make the step from neutral to an expression point the same way in faces as in texts.

    Equation: L = (1 / E) * sum_{b emotional} (1 - cos(dt_b, dv_b))   [KE-FER, Eq. 9]

    Parameters
    ----------
    visual : float32, shape (B, D)
        v - n of every row.
    textual : float32, shape (B, D)
        Text of the row's class minus text of neutral.
    emotional : bool, shape (B,)
        Whether a row is not neutral: the E rows that count; E may be 0.

    Returns
    -------
    float32, shape ()
        In [0, 2]; exactly 0 with zero gradient when E = 0.
    """
    return _mean_over(1 - functional.cosine_similarity(visual, textual), emotional)


def self_contrast_loss(
    vectors: Tensor, neutrals: Tensor, text: Tensor, emotional: Tensor, gamma: float = 2.0
) -> Tensor:
    """Keep the face nearer to its text than the neutral face made from it.

    Equation: L = (1 / E) * sum_{b emotional} (cos(t_b, n_b) - cos(t_b, v_b) + gamma)   [KE-FER, Eq. 10]

    Parameters
    ----------
    vectors, neutrals, text : float32, shape (B, D)
        v, n and the own class's text of every row.
    emotional : bool, shape (B,)
        Whether a row is not neutral: the E rows that count; E may be 0.
    gamma : float
        Shifts the value and has no gradient; 2 keeps it from being negative.

    Returns
    -------
    float32, shape ()
        In [gamma - 2, gamma + 2]; exactly 0 with zero gradient when E = 0.
    """
    negative = functional.cosine_similarity(text, neutrals)
    positive = functional.cosine_similarity(text, vectors)
    return _mean_over(negative - positive + gamma, emotional)


def contrastive_loss(vectors: Tensor, neutrals: Tensor, text: Tensor, emotional: Tensor, temperature: float) -> Tensor:
    """Of a face and the neutral face made from it, let the text choose the face: self-contrast's alternative.

    Equation: L = -(1 / E) * sum_{b emotional} log(e^{p_b} / (e^{p_b} + e^{q_b})),
    p_b = cos(t_b, v_b) / temperature, q_b = cos(t_b, n_b) / temperature   [KE-FER, Fig. 4]

    Parameters
    ----------
    vectors, neutrals, text : float32, shape (B, D)
        Positive v, negative n and anchor t of every row: n, and the own class's text.
    emotional : bool, shape (B,)
        Whether a row is not neutral: the E rows that count; E may be 0.
    temperature : float > 0

    Returns
    -------
    float32, shape ()
        At least 0; ln 2 when v and n are equally near; exactly 0 with zero gradient when E = 0.

    Notes
    -----
    The paper names contrastive learning and gives no formula: this is InfoNCE with its one negative.
    """
    negative = functional.cosine_similarity(text, neutrals)
    positive = functional.cosine_similarity(text, vectors)
    return _mean_over(functional.softplus((negative - positive) / temperature), emotional)


def _mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of the chosen rows; 0, with a gradient of 0, if there is none. Its shapes do not depend on the data."""
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
