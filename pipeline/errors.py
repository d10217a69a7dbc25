"""Errors of the pipeline, grouped by what a caller would do about them.

PipelineError
├── InputError          the user's data or options must be corrected
│   ├── DatasetError        a root, a list file, an archive is not what the layout expects
│   │   └── ChangedImageError   an image is gone or another one since the dataset was indexed
│   ├── LabelError          a label that is in no map
│   │   └── AmbiguousLabelsError    numbers whose meaning only the user knows
│   ├── TableError          a sample table breaks its own rules
│   ├── ImageError          one picture cannot be decoded (becomes a rejected row, never a crash)
│   └── ConfigError         an option has an impossible value
├── EncoderError        an encoder cannot be built: architecture, weights, activation, network
├── MismatchError       two things that do not belong together: head and store, width, classes, encoder
└── TrainingError       training cannot continue: NaN, no rows, one class
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class PipelineError(Exception):
    """Base of every error that pipeline raises on purpose. `kind` is a stable word for machines (append-only).

    Parameters
    ----------
    message : for people: what was expected, what was found, and where
    remedy : steps that resolve the error, in order: the name of a command, as `extract` or `store verify`, and its
        arguments by name. The command line shows them as commands, Python as calls
    purpose : what the steps do, as "to resume"; empty where that is obvious
    """

    kind = "pipeline"

    def __init__(
        self, message: str = "", *, remedy: Sequence[tuple[str, Mapping[str, Any]]] = (), purpose: str = ""
    ) -> None:
        super().__init__(message)
        self.remedy, self.purpose = remedy, purpose


class InputError(PipelineError):
    kind = "input"


class DatasetError(InputError):
    kind = "dataset"


class ChangedImageError(DatasetError):
    kind = "changed-image"


class LabelError(InputError):
    kind = "label"


class AmbiguousLabelsError(LabelError):
    """Labels are numbers, and several known orders of labels fit them.

    Parameters
    ----------
    message : as of every error
    presets : names of the code maps that have all of the numbers
    examples : number, as it is written -> paths of some of its images below the root
    """

    kind = "ambiguous-labels"

    def __init__(self, message: str, presets: Sequence[str], examples: Mapping[str, Sequence[str]]) -> None:
        super().__init__(message)
        self.presets, self.examples = tuple(presets), dict(examples)


class TableError(InputError):
    kind = "table"


class ImageError(InputError):
    kind = "image"


class ConfigError(InputError):
    kind = "config"


class EncoderError(PipelineError):
    kind = "encoder"


class MismatchError(PipelineError):
    kind = "mismatch"


class TrainingError(PipelineError):
    kind = "training"
