"""What several text descriptors per class minimise: CLIPER's losses, and how its descriptors classify.

C classes with K descriptors each; `cosines` are those of images to descriptors, float32 (B, C, K).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.methods.prompts.options import EmptySubclass

__all__ = [
    "closest_descriptors",
    "descriptor_cosines",
    "descriptor_logits",
    "descriptor_margin_loss",
    "fine_grained_loss",
    "modulating_factor",
]

_CODE_EMPTY = -1 / 99  # the count that the authors' code gives to an empty subclass


def descriptor_cosines(vectors: Tensor, descriptors: Tensor) -> Tensor:
    """Cosines of float32 (B, D) images and (C, K, D) descriptors -> (B, C, K)."""
    images, texts = functional.normalize(vectors, dim=-1), functional.normalize(descriptors, dim=-1)
    return torch.einsum("bd,ckd->bck", images, texts)


def descriptor_logits(cosines: Tensor, temperature: float) -> Tensor:
    """The mean over a class's descriptors: (B, C, K) -> (B, C).

    Equation: z[b, k] = (1 / K) * sum_j cos(v_b, T_k^j) / temperature   [CLIPER, Eq. 11]
    """
    return cosines.mean(dim=2) / temperature


def closest_descriptors(cosines: Tensor, labels: Tensor) -> Tensor:
    """Which of its own class's descriptors an image is closest to, the first of equals: int64 (B,) in [0, K)."""
    return _own(cosines, labels).argmax(dim=1)


def modulating_factor(closest: Tensor, labels: Tensor, shape: tuple[int, int], empty: EmptySubclass = "skip") -> Tensor:
    """How much each image counts: more where its subclass has few images in the batch.

    Equation: alpha_b = (N_y / N_y^j) * softmax_j(1 / N_y^j)[j],  j = closest[b], y = labels[b]   [CLIPER, Eq. 7]
    N_y^j counts the batch's images of class y whose closest descriptor is j, and N_y = sum_j N_y^j.

    Parameters
    ----------
    closest : int64 in [0, K), shape (B,)
    labels : int64 in [0, C), shape (B,)
    shape : (C, K)
    empty : what a subclass without images is in the softmax, where 1 / 0 has no value
        `skip`: nothing, so that the factors of a class sum to N_y. `code`: -1 / 99 images, as in the authors' code:
        it gets next to no weight, but each one takes 0.0101 from N_y.

    Returns
    -------
    float32, shape (B,), > 0 and without gradient
    """
    n_classes, n_descriptors = shape
    own = functional.one_hot(labels, n_classes).to(torch.float32)
    bins = functional.one_hot(closest, n_descriptors).to(torch.float32)
    counts = (own.T @ bins)[labels]  # N of the image's own class, per subclass: (B, K)
    if empty == "code":
        counts = torch.where(counts == 0, _CODE_EMPTY, counts)
        shares = (1 / counts).softmax(dim=1)
    else:
        shares = torch.where(counts == 0, -torch.inf, 1 / counts).softmax(dim=1)
    return counts.sum(dim=1) * ((shares / counts.clamp(min=1)) * bins).sum(dim=1)


def fine_grained_loss(
    cosines: Tensor, labels: Tensor, temperature: float, empty: EmptySubclass = "skip", *, modulated: bool = True
) -> Tensor:
    """Pull each image to the closest descriptor of its class, away from every descriptor of the others.

    Equation: L = -(1 / B) * sum_b alpha_b * log [e^{s_b} / (e^{s_b} + sum_{k != y} sum_j e^{cos(v_b, T_k^j) / t})],
    s_b = max_j cos(v_b, T_y^j) / t   [CLIPER, Eq. 6; alpha: `modulating_factor`]

    Parameters
    ----------
    cosines : float32, shape (B, C, K)
    labels : int64 in [0, C), shape (B,)
    temperature : float > 0, t
    empty : see `modulating_factor`
    modulated : False takes alpha = 1 for every image

    Returns
    -------
    float32, shape (), >= 0

    Notes
    -----
    The other descriptors of the own class are neither pulled nor pushed. alpha is a constant in the gradient, as in
    the authors' code; the paper does not say.
    """
    logits = cosines / temperature
    own_class = functional.one_hot(labels, cosines.shape[1]).bool().unsqueeze(2)  # (B, C, 1)
    best = _own(logits, labels).amax(dim=1, keepdim=True)
    others = logits.masked_fill(own_class, -torch.inf).flatten(1)
    losses = torch.cat([best, others], dim=1).logsumexp(dim=1) - best.squeeze(1)
    if not modulated:
        return losses.mean()
    closest = closest_descriptors(cosines.detach(), labels)
    return (modulating_factor(closest, labels, (cosines.shape[1], cosines.shape[2]), empty) * losses).mean()


def descriptor_margin_loss(cosines: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Keep even the farthest descriptor of the own class closer than the closest of every other class.

    Equation: L = -(1 / B) * sum_b log [e^{min_j cos(v_b, T_y^j) / t} / (e^{min_j cos(v_b, T_y^j) / t}
    + sum_{k != y} e^{max_j cos(v_b, T_k^j) / t})]   [CLIPER, Eq. 9]

    Parameters
    ----------
    cosines : float32, shape (B, C, K)
    labels : int64 in [0, C), shape (B,)
    temperature : float > 0, t

    Returns
    -------
    float32, shape (), >= 0
    """
    own_class = functional.one_hot(labels, cosines.shape[1]).bool()
    logits = torch.where(own_class, cosines.amin(dim=2), cosines.amax(dim=2)) / temperature
    return functional.cross_entropy(logits, labels)


def _own(cosines: Tensor, labels: Tensor) -> Tensor:
    """(B, C, K) -> (B, K), the descriptors of the image's own class."""
    index = labels[:, None, None].expand(-1, 1, cosines.shape[2])
    return cosines.gather(1, index).squeeze(1)
