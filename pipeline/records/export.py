"""head.json of an exported head: what run.json has of the head, without what belongs to the machine that trained it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_serializer, model_validator

from pipeline.encoders.spec import EncoderSpec
from pipeline.records.fields import (
    Classes,
    Count,
    Digest,
    Name,
    NameOrNone,
    NotNegative,
    Positive,
    Record,
    Sha256,
    Spec,
    Text,
    Texts,
    Versions,
    checked,
    without_image_unit,
)
from pipeline.records.files import Advice
from pipeline.records.fold import FoldRecord
from pipeline.records.head import (
    Calibration,
    Config,
    Diagnostics,
    HeadDescription,
    OwnHeadDescription,
    Validation,
)
from pipeline.records.run import (
    HeadFacts,
    MethodCode,
    OwnRun,
    Run,
    read_object,
    require_format,
    require_one_order,
)
from pipeline.records.score import Score
from pipeline.records.scores import require_rates
from pipeline.tables.sample import Unit

__all__ = ["EXPORT_FORMAT", "Export", "Graph", "OwnExport", "export_of", "read_export"]

EXPORT_FORMAT = 1
COPY_AGAIN = Advice("Copy the whole folder again, or export the head again")


class Graph(Record):
    """head.onnx in the same folder: `difference` is the largest of its probabilities from PyTorch's, measured."""

    sha256: Sha256
    opset: Positive
    inputs: Texts
    outputs: Texts
    difference: NotNegative


class Export(Record, HeadFacts):
    """head.json of an exported head; fields of a run have the names that they have there.

    Digests and `dtype` are empty, and versions 0, where a head was exported before they were recorded.

    Parameters
    ----------
    encoder_spec : the encoder as `--encoder` takes it; of a file of weights only the name is left
    uses_encoder : False for an image network on pixels alone
    scores : of this head on test splits, as scores.json has them
    onnx : of head.onnx, if that is there; else not in the file
    fold : as in run.json; not in the file of a head of the table's splits
    """

    format: Literal[1]
    method: Name
    variant: NameOrNone
    recipe: Text
    dataset: Name
    seed: Count
    classes: Classes
    config: Config
    epochs: Count
    selected_epoch: Count
    run_key: Digest
    rows: Digest
    method_version: Count
    is_random: bool
    views: Positive
    dtype: Literal["", "float16", "float32"]
    n_train: Count
    n_val: Count
    dropped: dict[Text, Count]
    val: Validation
    calibration: Calibration
    findings: Diagnostics
    key: Sha256
    encoder: Name
    encoder_note: Text
    encoder_saw: Texts
    text_note: Text
    text_encoder: dict[str, Any]
    text_key: Digest
    versions: Versions
    encoder_spec: Spec
    uses_encoder: bool
    head: HeadDescription
    head_sha256: Sha256
    scores: Annotated[tuple[Score, ...], Field(strict=False)]
    onnx: Graph | None = None
    fold: FoldRecord | None = None
    unit: Unit = "image"

    _without_unit = model_serializer(mode="wrap")(without_image_unit)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Check fields against each other."""
        if self.selected_epoch > self.epochs:
            raise ValueError(f"selected_epoch: expected at most epochs {self.epochs}, found {self.selected_epoch}")
        if any(score.head_sha256 != self.head_sha256 for score in self.scores):
            raise ValueError("scores: expected those of the head of this folder, found another's")
        return self

    @property
    def encoder_named(self) -> str:
        """The encoder as `--encoder` takes it on a machine that has it under its own name."""
        return self.encoder_spec

    def _dumped(self) -> dict[str, Any]:
        return self.model_dump(exclude={name for name in ("onnx", "fold") if getattr(self, name) is None})


class OwnExport(Export):
    """head.json of a head whose method is no part of the package.

    Its code is not in the folder, and the record runs none: `method_code` is the name and the sha256 of the file, or of
    the module of an entry point, that whoever uses the head has to name.
    """

    head: OwnHeadDescription
    method_code: MethodCode


def export_of(record: Run | Export, scores: Iterable[Score], *, uses_encoder: bool) -> Export:
    """The record of an exported head.

    Parameters
    ----------
    record : of the run, or of a head that was exported before
    scores : what is known of it on test splits
    uses_encoder : whether prediction needs the encoder
    """
    kind = OwnExport if isinstance(record, OwnRun | OwnExport) else Export
    same = {name: getattr(record, name) for name in kind.model_fields if name in type(record).model_fields}
    changed = {
        "format": EXPORT_FORMAT,
        "config": _without_folder(record.config, "pretrained"),
        "encoder_spec": _without_path(record.encoder_spec),
        "uses_encoder": uses_encoder,
        "scores": tuple(scores),
        "onnx": None,
    }
    if isinstance(record, OwnRun | OwnExport):
        changed["method_code"] = _without_folder_of(record.method_code)
    return kind(**{**same, **changed})


def read_export(path: Path) -> Export:
    """The record of an exported head.

    Raises
    ------
    InputError
        If it is no JSON object, of another version, or a field is missing or impossible.
    MismatchError
        If two fields that are of one thing differ.
    OSError
        If the file is missing or may not be read.
    """
    data = read_object(path, COPY_AGAIN)
    if data.get("format") != EXPORT_FORMAT:
        message = f"{path}: expected format {EXPORT_FORMAT}, found {data.get('format')!r:.60}"
        raise COPY_AGAIN.error(f"{message}; update fer-stage if it is newer")
    require_format(data, path, COPY_AGAIN)
    export = checked(
        OwnExport if "method_code" in data else Export, data, str(path), "the record of a trained head", COPY_AGAIN
    )
    require_one_order(export.classes, export.head, path, COPY_AGAIN)
    require_rates(export.scores, f"{path}: scores", COPY_AGAIN)
    return export


def _without_path(spec_text: str) -> str:
    """`timm:resnet18@/home/me/weights.pth` -> `timm:resnet18@weights.pth`."""
    spec = EncoderSpec.parse(spec_text)
    return str(replace(spec, path=Path(spec.path.name)) if spec.path else spec)


def _without_folder_of(code: MethodCode) -> MethodCode:
    """`/home/me/my_head.py:MyHead` -> `my_head.py:MyHead`."""
    file, colon, name = code.code.rpartition(":")
    return MethodCode(code=f"{Path(file).name}{colon}{name}", sha256=code.sha256)


def _without_folder(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options, of whose file `name` only the name is left."""
    return {**options, **({name: Path(options[name]).name} if options.get(name) else {})}
