"""How batches get to an encoder's device: on CUDA the next one is copied while the last one is encoded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = ["BatchTransfer", "Stage", "staging"]

BatchTransfer: TypeAlias = Callable[[], Any]
Stage: TypeAlias = Callable[[npt.NDArray[np.uint8]], BatchTransfer]


def staging(device: str) -> Stage:
    """What starts the way of a batch to `device`.

    Returns
    -------
    Stage
        uint8 (B, S, S, 3) -> a call that gives what `ImageEncoder.encode_images` takes: on the CPU the array itself; on
        CUDA a tensor there, whose copy runs on a stream of its own from pinned memory. The copy begins at once; the
        call belongs into the thread that encodes.
    """
    if not device.startswith("cuda"):
        return lambda pixels: lambda: pixels
    import torch  # late: torch takes seconds, and this module is imported by commands that encode nothing

    return partial(_to_cuda, torch.cuda.Stream(device))  # type: ignore[no-untyped-call]  # torch has no type for it


def _to_cuda(copying: torch.cuda.Stream, pixels: npt.NDArray[np.uint8]) -> BatchTransfer:
    import torch

    with torch.cuda.stream(copying):
        copy = torch.from_numpy(pixels).pin_memory().to(copying.device, non_blocking=True)
        copied = copying.record_event()

    def wait_for_copy() -> torch.Tensor:
        encoding = torch.cuda.current_stream(copying.device)
        encoding.wait_event(copied)
        copy.record_stream(encoding)  # else its memory could be reused by the next copy while it is being read
        return copy

    return wait_for_copy
