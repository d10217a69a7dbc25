"""run.json: what was trained, from what, and the results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, ValidationError, model_serializer, model_validator

from pipeline.differences import differences_text
from pipeline.errors import MismatchError
from pipeline.learning.spec import HEAD_FORMAT
from pipeline.records.fields import (
    Classes,
    Count,
    Digest,
    Dtype,
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
from pipeline.records.files import Advice, read_json
from pipeline.records.fold import FoldRecord
from pipeline.records.head import (
    Calibration,
    Config,
    Diagnostics,
    FeatureIdentity,
    HeadDescription,
    OwnHeadDescription,
    Validation,
)
from pipeline.tables.sample import Unit

__all__ = [
    "HeadFacts",
    "MethodCode",
    "OwnRun",
    "Run",
    "joined_notes",
    "read_object",
    "read_run",
    "require_format",
    "require_one_order",
    "train_again",
]

TRAIN_AGAIN = "Train the run again"


def joined_notes(encoder_note: str, text_note: str) -> str:
    """What must be stated wherever a number of a head appears: of its encoder, and of that of its text; else empty."""
    return "; ".join(filter(None, (encoder_note, text_note and f"text: {text_note}")))


class _Trained(Record):
    """What names a run."""

    method: Name
    dataset: Name
    encoder_named: Annotated[Text, Field(min_length=1)]
    seed: Count
    fold: FoldRecord | None = None


class HeadFacts:
    """What runs and exported heads have in common, apart from their fields."""

    if TYPE_CHECKING:  # pydantic would put them before the fields of a record
        encoder_note: str
        text_note: str
        calibration: Calibration
        findings: dict[str, Any]
        variant: str
        fold: FoldRecord | None

    @property
    def note(self) -> str:
        """What must be stated wherever a number of the head appears; else empty."""
        return joined_notes(self.encoder_note, self.text_note)

    @property
    def temperature(self) -> float:
        """Divides the logits before the softmax, > 0."""
        return self.calibration.temperature

    @property
    def classes_without_train_rows(self) -> tuple[str, ...]:
        """The classes that the train split has no row of."""
        return tuple(self.findings.get("no_train_rows", ()))

    @property
    def settings(self) -> str:
        """The variant without its fold: equal for heads that differ in their fold only."""
        return self.variant.removesuffix(self.fold.name).rstrip(",") if self.fold else self.variant


class Run(Record, HeadFacts):
    """run.json of a trained head. Its history and its weights are named by their digests.

    Parameters
    ----------
    encoder : folder of the features' encoder below features/
    encoder_named, encoder_spec : as `--encoder` takes it with the params.yaml of training, and anywhere
    encoder_note : a caution about a stand-in encoder, for wherever a number appears; else empty
    encoder_saw : layouts whose train split the encoder itself was trained on
    text_note : as `encoder_note`, of another encoder whose text was used
    key : of the store trained on; `rows` of its train and validation rows with their labels
    run_key : of everything that makes the head
    is_random : another seed gives another head
    views, dtype, width : of the features that were read
    together : how many heads were trained as one batch, this one included
    n_train, n_val : units that were used; `dropped` counts those of other labels
    unit : what is counted, and what the head was trained on: `image`, then not in the file, or `clip`
    fold : that the head is tested on, and was not trained on; not in the file of a head of the table's splits
    """

    method: Name
    variant: NameOrNone
    recipe: Text
    encoder: Name
    encoder_named: Annotated[Text, Field(min_length=1)]
    encoder_spec: Spec
    encoder_note: Text
    encoder_saw: Texts
    text_note: Text
    encoder_identity: FeatureIdentity
    dataset: Name
    seed: Count
    classes: Classes
    config: Config
    key: Sha256
    run_key: Sha256
    rows: Sha256
    method_version: Positive
    is_random: bool
    views: Positive
    dtype: Dtype
    text_key: Digest
    text_encoder: dict[str, Any]
    width: Positive
    epochs: Count
    selected_epoch: Count
    seconds: NotNegative
    together: Positive
    device: Text
    n_train: Count
    n_val: Count
    val: Validation
    calibration: Calibration
    dropped: dict[Text, Count]
    findings: Diagnostics
    versions: Versions
    head: HeadDescription
    head_sha256: Sha256
    history_sha256: Sha256
    fold: FoldRecord | None = None
    unit: Unit = "image"

    _without_unit = model_serializer(mode="wrap")(without_image_unit)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Check fields against each other."""
        if self.selected_epoch > self.epochs:
            raise ValueError(f"selected_epoch: expected at most epochs {self.epochs}, found {self.selected_epoch}")
        pooled = self.head.inputs.get("pooled")
        if pooled and pooled != [self.width]:
            raise ValueError(f"width: expected that of head.inputs.pooled, {pooled}, found {self.width}")
        if self.fold and not self.variant.endswith(self.fold.name):
            raise ValueError(f"variant: expected one that ends with {self.fold.name}, found {self.variant!r}")
        return self

    def _dumped(self) -> dict[str, Any]:
        return self.model_dump(exclude={"fold"} if self.fold is None else None)


class MethodCode(Record):
    """The code of a method that is no part of the package: where it was, as `--method` takes it, and its sha256."""

    code: Annotated[Text, Field(min_length=1)]
    sha256: Sha256


class OwnRun(Run):
    """run.json of a head of such a method."""

    head: OwnHeadDescription
    method_code: MethodCode


def read_run(path: Path) -> Run:
    """The record of a trained head.

    Raises
    ------
    InputError
        If it is no JSON object, of another version, or a field is missing or impossible.
    MismatchError
        If two fields that are of one thing differ.
    OSError
        If the file is missing or may not be read.
    """
    data = read_object(path, Advice(TRAIN_AGAIN))
    advice = train_again(data)
    require_format(data, path, advice)
    run = checked(OwnRun if "method_code" in data else Run, data, str(path), "the record of a trained head", advice)
    require_one_order(run.classes, run.head, path, advice)
    if differences := differences_text(run.encoder_identity.as_json(), run.head.encoder.as_json()):
        raise advice.error(
            f"{path}: expected encoder_identity and head.encoder to be one: {differences.rstrip('.')}", MismatchError
        )
    return run


def read_object(path: Path, advice: Advice) -> dict[str, Any]:
    """The JSON object in the file of a record."""
    data = read_json(path, advice)
    if not isinstance(data, dict):
        raise advice.error(f"{path} is damaged: expected a JSON object, found {type(data).__name__}")
    return data


def require_format(data: Mapping[str, Any], path: Path, advice: Advice) -> None:
    """InputError if another version wrote the head, before its fields are called wrong."""
    head = data.get("head")
    if isinstance(head, Mapping) and head.get("format") != HEAD_FORMAT:
        message = f"{path}: head.format: expected format {HEAD_FORMAT}, found {head.get('format')!r:.60}"
        raise advice.error(f"{message}; update fer-stage if it is newer")


def require_one_order(classes: tuple[str, ...], head: HeadDescription, path: Path, advice: Advice) -> None:
    """MismatchError unless record and head have the same classes."""
    if head.classes != classes:
        raise advice.error(
            f"{path}: expected one order of classes, found {list(classes)} and {list(head.classes)}", MismatchError
        )


def train_again(run: Run | Mapping[str, Any]) -> Advice:
    """What to do about a run whose files are damaged: a command, as far as its record tells what was trained."""
    try:
        plain = _Trained.model_validate(run if isinstance(run, Mapping) else dict(run)).as_json()
    except ValidationError:
        return Advice(TRAIN_AGAIN)
    encoder, seeds, fold = plain.pop("encoder_named"), (plain.pop("seed"),), plain.pop("fold")
    if isinstance(run, OwnRun):
        plain["method"] = run.method_code.code
    of_fold = {"fold": (fold["number"],), "folds": fold["n"]} if fold else {}
    remedy = [("train", {**plain, "encoder": encoder, "seeds": seeds, **of_fold})]
    return Advice(remedy=remedy, purpose="with the options of the run")
