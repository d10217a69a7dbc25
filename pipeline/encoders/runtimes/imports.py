"""Runtime libraries, imported with their reports to their makers turned off."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

__all__ = ["import_onnxruntime", "import_openvino"]

_OPENVINO_TELEMETRY = "openvino_telemetry"


def import_onnxruntime() -> Any:
    """ONNX Runtime without its telemetry, an extra.

    From 1.29 on, importing it writes a device id and a queue of events for its makers into the user's cache. What
    another part of the process imported before is as it is.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return import_module("onnxruntime")


def import_openvino() -> Any:
    """OpenVINO without its telemetry, an extra: importing it reports to its makers, and so does every conversion.

    It does without the package that sends if that cannot be imported.
    """
    if "openvino" not in sys.modules:
        sys.modules[_OPENVINO_TELEMETRY] = None  # type: ignore[assignment]  # so that Python refuses to import it
    return import_module("openvino")
