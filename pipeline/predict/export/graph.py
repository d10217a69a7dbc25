"""A head as ONNX: from the outputs in a store to logits and calibrated probabilities."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.encoders.runtimes.imports import import_onnxruntime
from pipeline.errors import ConfigError, InputError
from pipeline.learning.head import Head, as_input
from pipeline.learning.probabilities import softmax

__all__ = ["OUTPUTS", "Graph", "export_graph", "require_packages"]

OUTPUTS = ("logits", "probabilities")
TOLERANCE = 1e-5  # of probabilities; of logits the same, relative to the largest where that is above 1

Arrays = dict[str, npt.NDArray[Any]]

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_BATCHES = (1, 2, 7)  # rows; the batch is dynamic only if all of them go through


@dataclass(frozen=True)
class Graph:
    """A head as an ONNX file.

    Parameters
    ----------
    data : the file
    opset : of ONNX's own operators
    difference : largest distance of its probabilities from PyTorch's, measured on random inputs
    """

    data: bytes
    opset: int
    difference: float


def require_packages() -> None:
    """ConfigError if a package is missing that writes or checks ONNX."""
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise ConfigError(
            f"ONNX needs the packages {', '.join(_PACKAGES)}: found no {', '.join(missing)}. "
            "Run: pip install 'fer-stage[onnx]'"
        )


def export_graph(head: Head, temperature: float) -> Graph:
    """The head as ONNX, run by onnxruntime and compared with PyTorch on random inputs.

    The inputs of the graph have the names of the outputs that the head reads, with any number of rows: `pooled`
    float32 (N, D), `frames` float32 (N, T, D), `tokens` and `block-K` float32 (N, T, W), `pixels` uint8 (N, S, S, 3).
    Its outputs are `logits` and `probabilities` (at `temperature`), both float32 (N, C). Classes and temperature are in
    its metadata.

    Raises
    ------
    ConfigError
        If the packages for it are not installed.
    InputError
        If the head cannot be written as ONNX, or the graph computes something else.
    """
    require_packages()
    if reason := head.not_in_onnx:
        raise InputError(f"head {head.spec.kind} cannot be written as ONNX: {reason}. Export it without --onnx")
    program = _traced(_Calibrated(head.eval(), temperature), _random_inputs(head, 2))
    metadata = {"classes": json.dumps(head.spec.classes), "temperature": repr(temperature)}
    program.model.metadata_props.update({f"fer-stage.{name}": value for name, value in metadata.items()})
    data: bytes = program.model_proto.SerializeToString()
    return Graph(data, int(program.model.opset_imports[""]), _difference(head, temperature, data))


class _Calibrated(nn.Module):
    """The head with positional inputs, in the order of its spec, with probabilities as a second output."""

    def __init__(self, head: Head, temperature: float) -> None:
        super().__init__()
        self.head, self.temperature = head, temperature

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.head.logits(dict(zip(self.head.spec.inputs, inputs, strict=True)))
        return logits, (logits / self.temperature).softmax(dim=1)


def _traced(module: _Calibrated, inputs: Arrays) -> Any:
    rows = torch.export.Dim("N")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own versions; its output is compared
        try:
            return torch.onnx.export(
                module,
                tuple(map(as_input, inputs.values())),
                dynamo=True,
                input_names=list(inputs),
                output_names=list(OUTPUTS),
                dynamic_shapes=(tuple({0: rows} for _ in inputs),),
                verbose=False,
            )
        except RuntimeError as error:
            lines = str(error).strip().splitlines()
            raise InputError(
                f"head {module.head.spec.kind}: PyTorch {torch.__version__} cannot write it as ONNX: "
                f"{lines[0] if lines else type(error).__name__}. Export it without --onnx"
            ) from error


def _difference(head: Head, temperature: float, data: bytes) -> float:
    """The largest distance of the graph's probabilities from PyTorch's; InputError if they or the logits differ."""
    session = import_onnxruntime().InferenceSession(data, providers=["CPUExecutionProvider"])
    largest = 0.0
    for n in _BATCHES:
        inputs = _random_inputs(head, n)
        expected = head.predict(inputs)
        logits, probabilities = session.run(OUTPUTS, inputs)
        difference = float(np.abs(probabilities - softmax(expected, temperature)).max())
        scale = max(1.0, float(np.abs(expected).max()))
        if not (difference <= TOLERANCE and np.abs(logits - expected).max() <= TOLERANCE * scale):
            raise InputError(
                f"head {head.spec.kind} as ONNX: expected PyTorch's probabilities within {TOLERANCE:g}, found a "
                f"difference of {difference:.2g}. Export it without --onnx, and report it"
            )
        largest = max(largest, difference)
    return largest


def _random_inputs(head: Head, n: int) -> Arrays:
    """`n` random rows, around the mean of the train features where the head has it."""
    rng = np.random.default_rng(n)
    rows: Arrays = {}
    for name, shape in head.spec.inputs.items():
        if name == "pixels":
            rows[name] = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
        else:
            rows[name] = rng.standard_normal((n, *shape), dtype=np.float32)
    if head.spec.scale == "standard" and (scaled := head.spec.scaled_input):
        rows[scaled] = rows[scaled] * head.scale.std.numpy() + head.scale.mean.numpy()
    return rows
