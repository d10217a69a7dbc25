"""params.yaml: what to run. Read once, checked as a whole; library code gets objects.

Everything here changes a result. What does not (device, batch size, workers) is an option of a command only.

reading     load_params: the file, or the defaults
models      the whole file
blocks      its parts
problems    what is wrong with it, in words
"""

from __future__ import annotations

from stages.params.blocks import DatasetParams, ExtractParams, SampleParams
from stages.params.models import Params, parse_method
from stages.params.problems import explain
from stages.params.reading import load_params, parse_params

__all__ = [
    "DatasetParams",
    "ExtractParams",
    "Params",
    "SampleParams",
    "explain",
    "load_params",
    "parse_method",
    "parse_params",
]
