"""The arithmetic that features are promised in: float32, or float16 where autocast holds that to be safe on CUDA.

Other things can change it without a trace in a key: environment variables of the libraries below torch, and torch's
process-wide settings. What can be set for a call is set; what cannot is refused; and a small product is measured.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from pipeline.errors import EncoderError

if TYPE_CHECKING:
    import torch

__all__ = ["float32_arithmetic", "float32_error", "precision_of", "require_exact_environment", "require_float32"]

# Variable -> values that leave float32 as it is. They are read below torch, whose own settings do not override them.
_ENVIRONMENT = {
    "ONEDNN_DEFAULT_FPMATH_MODE": ("", "STRICT"),
    "DNNL_DEFAULT_FPMATH_MODE": ("", "STRICT"),  # its older name, which is read as well
    "NVIDIA_TF32_OVERRIDE": ("", "0"),
}
_LARGEST_ERROR = 3e-5  # of the largest value: float32 stays below 5e-6, TensorFloat-32 is at 1e-4, bfloat16 at 1e-3


def precision_of(device: str, half: bool) -> str:
    """What an encoder computes in: `amp-float16` on CUDA if `half`, else `float32`."""
    return "amp-float16" if device.startswith("cuda") and half else "float32"


def require_exact_environment() -> None:
    """Refuse environment variables that would make float32 arithmetic something else.

    Raises
    ------
    EncoderError
        Naming the variable; it is read by libraries when they are loaded, so that it must not be set before the start.
    """
    for name, exact in _ENVIRONMENT.items():
        value = os.environ.get(name, "")
        if value.upper() not in exact:
            raise EncoderError(
                f"{name}={value} is set: products of float32 numbers would be computed in another precision than the "
                f"float32 that keys of stores and heads promise. Unset it: env -u {name} fer-stage ..."
            )


@contextmanager
def float32_arithmetic() -> Iterator[None]:
    """Float32 as it is written while the block runs, whatever torch was set to; the settings come back afterwards.

    They are those of the process: where blocks of several threads overlap, they come back after the last of them.
    """
    _blocks.enter()
    try:
        yield
    finally:
        _blocks.leave()


class _Blocks:
    """The blocks of `float32_arithmetic` that run, and what sets torch back after them."""

    def __init__(self) -> None:
        self._lock, self._n_running = threading.Lock(), 0
        self._restore: list[Callable[[], object]] = []

    def enter(self) -> None:
        import torch  # late: this module is imported by commands that encode nothing

        with self._lock:
            if self._n_running == 0:
                self._restore = _exact(torch)
            self._n_running += 1

    def leave(self) -> None:
        with self._lock:
            self._n_running -= 1
            if self._n_running == 0:
                for undo in self._restore:
                    undo()


_blocks = _Blocks()


def _exact(torch: Any) -> list[Callable[[], object]]:
    """Set everything that rounds the operands of float32 products; returns what sets it back, in order.

    Matrix products and cuDNN are set by torch's older names for them: those set the newer ones as well, and torch
    refuses to compute where both disagree.
    """
    backends = torch.backends
    restore: list[Callable[[], object]] = [
        partial(torch.set_default_dtype, torch.get_default_dtype()),
        partial(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()),
        partial(setattr, backends.cudnn, "allow_tf32", _allows_tf32(backends.cudnn)),
    ]
    newer = hasattr(backends, "fp32_precision")  # torch 2.9 and later; `none` takes the setting one level up
    above = [backends, backends.cudnn, backends.mkldnn] if newer else []
    by_older = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn] if newer else []
    others = [backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn] if newer else []
    blocks = [*above, *by_older, *others]
    restore += [partial(setattr, block, "fp32_precision", block.fp32_precision) for block in blocks]
    for block in above:
        block.fp32_precision = "none"
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    backends.cudnn.allow_tf32 = False
    for block in others:
        block.fp32_precision = "ieee"
    return restore


def _allows_tf32(cudnn: Any) -> bool:
    try:
        return bool(cudnn.allow_tf32)
    except RuntimeError:  # the older and the newer name disagree: the newer one is set back last
        return True


def float32_error(device: torch.device) -> float:
    """The largest error of a matrix product and of a convolution in float32, as a share of the largest value."""
    import torch

    draw = torch.Generator().manual_seed(0)
    pictures, kernels = torch.randn(16, 64, 14, 14, generator=draw), torch.randn(64, 64, 3, 3, generator=draw)
    left, right = torch.randn(256, 512, generator=draw), torch.randn(512, 256, generator=draw)
    pairs = (
        (left.to(device) @ right.to(device), left.double() @ right.double()),
        (
            torch.nn.functional.conv2d(pictures.to(device), kernels.to(device)),
            torch.nn.functional.conv2d(pictures.double(), kernels.double()),
        ),
    )
    return max(float((computed.cpu().double() - exact).abs().max() / exact.abs().max()) for computed, exact in pairs)


@cache
def require_float32(device: torch.device) -> None:
    """Measure once in a process whether float32 is float32 on a device.

    Raises
    ------
    EncoderError
        If something makes it coarser: features would not be those of their key.
    """
    import torch

    with torch.inference_mode(), float32_arithmetic():
        error = float32_error(device)
    if not error <= _LARGEST_ERROR:  # not `>`: a NaN is no agreement
        raise EncoderError(
            f"{device}: products of float32 numbers are off by {error:.1e} of the largest value, expected at most "
            f"{_LARGEST_ERROR:.0e}: something outside fer-stage makes them coarser. Look for variables of oneDNN, MKL "
            "or CUDA in the environment, and for autocast around the call"
        )
