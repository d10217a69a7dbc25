"""The records of trained heads, run.json and head.json: read within limits, and every field checked, in one place.

Whoever passes a head on could have written them. What a reader relies on is checked here: a field is what it should
be, or an error names the file and the field.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline import regular_files
from pipeline.calibration import TEMPERATURES
from pipeline.encoders.spec import EncoderSpec
from pipeline.errors import ConfigError, InputError
from pipeline.images.preprocess import MAX_SIZE
from pipeline.regular_files import MAX_JSON_BYTES, RefusedFileError
from pipeline.tables.labels import EXPRESSIONS

__all__ = ["HeadDescription", "HeadRecord", "Record", "check_record", "read_json", "read_regular"]

_MOST_VALUES = 2**16  # a side of a shape, and every whole number among the options of a head
_MOST = 2**53  # of any other count: what JSON carries exactly
_SHOWN = 5  # problems of one record that a message names

Count = Annotated[int, Field(ge=0, le=_MOST)]
Positive = Annotated[int, Field(ge=1, le=_MOST)]
Size = Annotated[int, Field(ge=1, le=_MOST_VALUES)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=10_000)]
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
# The name of a folder: no separator, no leading dot, no control character.
_NAME = r"[^\x00-\x1f\x7f-\x{9f}/.][^\x00-\x1f\x7f-\x{9f}/]{0,254}"
Name = Annotated[str, Field(pattern=rf"^{_NAME}$")]
NameOrNone = Annotated[str, Field(pattern=rf"^({_NAME})?$")]
Temperature = Annotated[float, Field(ge=TEMPERATURES[0], le=TEMPERATURES[1])]


def _canonical(classes: list[str]) -> list[str]:
    if not classes or classes != [name for name in EXPRESSIONS if name in classes]:
        raise ValueError(f"expected expressions in canonical order ({', '.join(EXPRESSIONS)})")
    return classes


def _encoder_spec(text: str) -> str:
    if text:
        try:
            EncoderSpec.parse(text)
        except ConfigError as error:
            raise ValueError(str(error)) from error
    return text


Classes = Annotated[list[str], AfterValidator(_canonical)]
Spec = Annotated[Text, AfterValidator(_encoder_spec)]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Alignment(_Block):
    recipe: Text
    version: Count
    margin: Annotated[float, Field(ge=-0.25, le=2)]
    detector: dict[str, Any] = {}


Channels = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]
Deviations = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=3, max_length=3)]


class _Preprocess(_Block):
    size: Annotated[int, Field(ge=1, le=MAX_SIZE)]
    resize: Literal["shortest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
    mean: Channels = [0.5] * 3
    std: Deviations = [0.5] * 3
    alignment: _Alignment | None = None


class _Features(_Block):
    """Of the encoder whose features a head reads; the encoder itself is compared field by field when it is loaded."""

    encoder: dict[str, Any]
    preprocess: _Preprocess | None = None
    precision: Text = ""


class _Options(_Block):
    """Those of all kinds of heads. Each kind has some of them, and misses one by its name when it is built."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    aligned: bool = False
    backbone: Text = ""
    bias: bool = True
    context: Literal["truncated", "full"] = "truncated"
    dimensions: Size = 1
    hidden: Size = 1
    init_std: NotNegative = 0.0
    n_descriptors: Size = 1
    projection: Literal["linear", "none"] = "none"
    queries: Size = 1
    reduction: Size = 1
    sigmoid: bool = True
    suffix: Text = ""
    temperature: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    text_width: Size = 1
    tokens: Annotated[int, Field(ge=0, le=_MOST_VALUES)] = 0
    words: Text = ""


class HeadDescription(_Block):
    """What rebuilds a head but its weights."""

    format: int
    kind: Text
    classes: Classes
    inputs: dict[
        Annotated[str, Field(pattern=r"^(pooled|tokens|pixels|block-\d{1,4})$")],
        Annotated[list[Size], Field(min_length=1, max_length=4)],
    ]
    encoder: _Features
    dataset: Text
    scale: Literal["raw", "l2", "standard"] = "raw"
    options: _Options = _Options()


class _HeldBack(_Block):
    folds: Positive
    nll_before: NotNegative
    nll_after: NotNegative
    ece_before: Fraction
    ece_after: Fraction


class _Calibration(_Block):
    """What a temperature did; runs that are older than a field lack it."""

    temperature: Temperature = 1.0
    fitted_temperature: Temperature = 1.0
    kept: bool = True
    held_back: _HeldBack | None = None
    ece_before: Fraction | None = None
    ece_after: Fraction | None = None
    ece_expected: Fraction | None = None
    n: Count = 0
    n_left_out: Count = 0
    bins: Positive = 15
    split: Text = "val"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Errors are null exactly where there were no rows; a temperature that is not used is 1."""
        errors = {name: getattr(self, name) for name in ("ece_before", "ece_after", "ece_expected")}
        for name in errors.keys() & self.model_fields_set:
            if (errors[name] is None) != (self.n == 0):
                raise ValueError(f"{name}: expected null exactly if n is 0, found {errors[name]} with n {self.n}")
        if not self.kept and ("fitted_temperature" not in self.model_fields_set or self.temperature != 1):
            raise ValueError("kept: expected a fitted_temperature that is not used, and temperature 1, found another")
        return self


class _Validation(_Block):
    accuracy: Fraction
    uar: Fraction


class _Config(_Block):
    """The options of the method. Any name: which there are is the method's to know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    pretrained: Text | None = None


class _Findings(_Block):
    no_train_rows: list[str] = []


class _Graph(_Block):
    """head.onnx beside head.json."""

    sha256: Digest
    opset: Positive
    inputs: list[str]
    outputs: list[str]
    difference: NotNegative


class Record(_Block):
    """What run.json and head.json hold of a head beside its description.

    Every field may be missing: older runs have fewer, and a reader that needs one says so. The defaults are what a
    record that lacks them is read as; `null` is none of them.
    """

    method: Name = ""
    variant: NameOrNone = ""
    recipe: Text = ""
    encoder: Name = ""
    encoder_named: Text = ""
    encoder_spec: Spec = ""
    encoder_note: Text = ""
    encoder_saw: list[Text] = []
    encoder_identity: dict[str, Any] = {}
    text_note: Text = ""
    text_encoder: dict[str, Any] = {}
    text_key: Digest = ""
    dataset: Name = ""
    seed: Count = 0
    classes: Classes = []
    config: _Config = _Config()
    key: Digest = ""
    run_key: Digest = ""
    rows: Digest = ""
    head_sha256: Digest = ""
    history_sha256: Digest = ""
    method_version: Positive = 1
    is_random: bool = True
    uses_encoder: bool = True
    views: Positive = 1
    dtype: Literal["", "float16", "float32"] = ""
    width: Positive = 1
    epochs: Count = 0
    selected_epoch: Count = 0
    seconds: NotNegative = 0.0
    together: Positive = 1
    device: Text = ""
    n_train: Count = 0
    n_val: Count = 0
    val: _Validation = _Validation(accuracy=0.0, uar=0.0)
    calibration: _Calibration = _Calibration()
    dropped: dict[str, Count] = {}
    findings: _Findings = _Findings()
    versions: dict[str, str] = {}
    scores: list[dict[str, Any]] = []
    onnx: _Graph | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """The fields among themselves."""
        if "epochs" in self.model_fields_set and self.selected_epoch > self.epochs:
            raise ValueError(f"selected_epoch: expected at most epochs {self.epochs}, found {self.selected_epoch}")
        return self


class HeadRecord(Record):
    """A record that a head can be built from."""

    head: HeadDescription
    classes: Classes

    @model_validator(mode="after")
    def _is_one_width(self) -> Self:
        pooled = self.head.inputs.get("pooled")
        if pooled and "width" in self.model_fields_set and pooled != [self.width]:
            raise ValueError(f"width: expected that of head.inputs.pooled, {pooled}, found {self.width}")
        return self


def read_regular(path: Path, most_bytes: int, advice: str) -> bytes:
    """As `pipeline.regular_files.read_regular`, with an error that says what to do.

    Parameters
    ----------
    most_bytes : what such a file holds at most; a larger one is not read
    advice : what to do about a file that is refused

    Raises
    ------
    InputError
        If something else is there, or it is larger.
    OSError
        If nothing is there, or it may not be read.
    """
    try:
        return regular_files.read_regular(path, most_bytes)
    except RefusedFileError as error:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            problem = f"expected at most {most_bytes:,} bytes, found {status.st_size:,}"
        else:
            problem = f"expected a regular file, found {_kind(status.st_mode)}"
        raise InputError(f"{path}: {problem}. {advice}") from error


def read_json(path: Path, advice: str) -> Any:
    """What a JSON file of ours holds.

    Raises
    ------
    InputError
        If it is no regular file, too large, or no JSON.
    """
    data = read_regular(path, MAX_JSON_BYTES, advice)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # RecursionError: lists in lists without end
        raise InputError(f"{path} is damaged ({error}). {advice}") from error


def check_record(model: type[Record], record: Mapping[str, Any], path: Path, advice: str) -> Record:
    """The fields of `record`, checked.

    Raises
    ------
    InputError
        If one of them is missing or impossible; the message names file and fields.
    """
    try:
        return model.model_validate(record)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors(include_url=False, include_context=False)]
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise InputError(
            f"{path}: expected the record of a trained head, found {len(problems)} problem"
            f"{'s' if len(problems) > 1 else ''}: {'; '.join(problems[:_SHOWN])}{more}. {advice}"
        ) from error


def _problem(item: Mapping[str, Any]) -> str:
    where, message = ".".join(map(str, item["loc"])), str(item["msg"]).removeprefix("Value error, ")
    if not where:
        return message  # of several fields, which it names
    found = "" if item["type"] == "missing" else f", found {item['input']!r:.60}"
    return f"{where}: {message}{found}"


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
