"""Image networks on clips: each frame goes through by itself, and the means of what comes out are the clip's.

Equation: v = (1 / T) * sum_t f(x_t)   [CLIPER: v = mean of frame embeddings]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.learning.eager import eager_function
from pipeline.learning.head import Head, Inputs

__all__ = ["FRAMES_AT_ONCE", "Tensors", "clip_shape", "frame_means", "means_of_input"]

# Frames whose activations are in memory at a time: as many images as a usual batch has.
FRAMES_AT_ONCE = 64

Tensors = tuple[Tensor, ...]


def clip_shape(head: Head, inputs: Inputs, name: str) -> tuple[int, int] | None:
    """(B, T) where an input of a head is of clips, (B, T, *row_shape); None of images."""
    if name not in inputs or inputs[name].ndim == len(head.spec.inputs[name]) + 1:
        return None
    n_clips, n_frames = inputs[name].shape[:2]
    return n_clips, n_frames


def means_of_input(head: Head, inputs: Inputs, name: str, embed: Callable[[Tensor], Tensor]) -> Tensor:
    """What a network makes of one input of a head: of images as it is, of clips the means over their frames.

    Parameters
    ----------
    inputs : as `Head.logits` takes them
    embed : (F, *row_shape) to float32 (F, D)

    Returns
    -------
    float32, shape (B, D)
    """
    if (shape := clip_shape(head, inputs, name)) is None:
        return embed(inputs[name])
    frames = inputs[name].flatten(0, 1)
    return frame_means(head, lambda positions: (embed(frames[positions]),), shape)[0]


def frame_means(network: nn.Module, embed: Callable[[Tensor], Tensors], shape: tuple[int, int]) -> Tensors:
    """The means over the T frames of each of B clips of what a network makes of a frame.

    At most `FRAMES_AT_ONCE` frames go through together. In training the activations of more are computed again when
    their gradients are, so that those of one part are held at a time: the gradients are those of all frames at once.

    Parameters
    ----------
    network : whose parts compute as `embed` does
    embed : positions of F frames, int64 (F,), frame t of clip b being b * T + t, to tensors of shape (F, ...). It draws
        nothing, and computes the same each time
    shape : (B, T)

    Returns
    -------
    float32, each of shape (B, ...)

    Notes
    -----
    A batch norm in training has the statistics of the frames that go through together, of several clips or of a part
    of one, and its running statistics are updated once by each part.
    """
    n_clips, n_frames = shape
    positions = torch.arange(n_clips * n_frames, device=next(network.parameters()).device)
    parts = positions.tensor_split(-(-len(positions) // FRAMES_AT_ONCE))  # of equal sizes: no part of a single frame
    if len(parts) > 1 and torch.is_grad_enabled():
        embedded = [_recomputed(network, embed, part) for part in parts]
    else:
        embedded = [embed(part) for part in parts]
    return tuple(_by_clip(torch.cat(values), shape).mean(dim=1) for values in zip(*embedded, strict=True))


def _by_clip(values: Tensor, shape: tuple[int, int]) -> Tensor:
    return values.view(*shape, *values.shape[1:])


def _recomputed(network: nn.Module, embed: Callable[[Tensor], Tensors], part: Tensor) -> Tensors:
    result: Tensors = eager_function(checkpoint)(
        embed,
        part,
        use_reentrant=False,
        preserve_rng_state=False,  # nothing is drawn
        context_fn=lambda: (nullcontext(), _same_running_statistics(network)),
    )
    return result


@contextmanager
def _same_running_statistics(network: nn.Module) -> Iterator[None]:
    """The second pass over the same frames must not update them again."""
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) and part.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, n_batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, n_batches
