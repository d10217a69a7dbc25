"""What runs an image tower: eager PyTorch, or something faster that gives the same. Names are read without torch.

A runtime is no identity: it is in no key. It is used only while its features are those of eager PyTorch, which is
measured on the first batch (`checked`); else eager PyTorch is used instead, with a warning.
"""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.errors import EncoderError

__all__ = ["RUNTIMES", "resolve_runtime"]

RUNTIMES = ("auto", "eager", "compile", "openvino")


def resolve_runtime(name: str, device: str) -> str:
    """`auto` is OpenVINO on a CPU if it is installed, else eager.

    Parameters
    ----------
    name : of `RUNTIMES`
    device : `cpu`, `cuda:0`

    Raises
    ------
    EncoderError
        If the name is unknown, or OpenVINO is requested and not available.
    """
    if name not in RUNTIMES:
        raise EncoderError(f"--runtime {name}: expected {', '.join(RUNTIMES)}")
    installed = find_spec("openvino") is not None
    if name == "auto":
        return "openvino" if installed and device == "cpu" else "eager"
    if name == "openvino" and device != "cpu":
        raise EncoderError(f"--runtime openvino runs on the CPU, the device is {device}. Use --device cpu or another")
    if name == "openvino" and not installed:
        raise EncoderError("--runtime openvino: OpenVINO is not installed: pip install 'fer-stage[openvino]'")
    return name
