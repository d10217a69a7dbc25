"""Names of devices: torch, whose import takes a second, is asked only where it may find a CUDA device."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

from pipeline.errors import EncoderError

__all__ = ["device_name", "require_device"]

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
# Without one of them torch has no CUDA device: NVIDIA's driver, which torch opens by these names, and AMD's.
_NVIDIA_DRIVERS = ("libcuda.so.1", "libcuda.so")
_AMD_DRIVER = Path("/dev/kfd")


def device_name(name: str) -> str:
    """`cpu`, `cuda`, `cuda:N`: `auto` is CUDA when there is one, else the CPU.

    Raises
    ------
    EncoderError
        If the name is none of `auto`, `cpu`, `cuda`, `cuda:N`, or CUDA is requested and absent: a run of a
        day on the CPU would be noticed too late.
    """
    require_device(name)
    if name == "auto":
        return "cuda:0" if _may_have_cuda() and _has_cuda() else "cpu"
    return name


def require_device(name: str) -> None:
    """EncoderError as of `device_name`: for a caller that may have nothing to compute, and need no torch for `auto`."""
    if name not in ("auto", "cpu"):
        if not _DEVICE.fullmatch(name):
            raise EncoderError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
        _require_cuda(name)


def _may_have_cuda() -> bool:
    """Whether a driver is installed; what it can do is torch's to tell."""
    return _AMD_DRIVER.exists() or any(map(_can_be_loaded, _NVIDIA_DRIVERS))


def _can_be_loaded(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _has_cuda() -> bool:
    import torch  # late: few machines get here without needing it

    return torch.cuda.is_available()


def _require_cuda(name: str) -> None:
    import torch

    n_devices = torch.cuda.device_count()
    if (torch.device(name).index or 0) >= n_devices:
        raise EncoderError(
            f"--device {name}: torch can use {n_devices} CUDA devices of this machine, counted from cuda:0. Use one of "
            "them, or --device cpu"
        )
