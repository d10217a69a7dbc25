"""The one door to a trained head on disk: a run folder, or one that `fer-stage head export` wrote.

Reading is light: torch comes when the head is built, or its encoder loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.encoders import Encoder, EncoderSpec, load_encoder
from pipeline.errors import ConfigError, EncoderError, InputError, MismatchError, PipelineError
from pipeline.identity import differences_text
from pipeline.preprocess import Preprocess
from pipeline.progress import OnProgress, silent

if TYPE_CHECKING:
    from pipeline.models.head import Head

__all__ = [
    "DEFAULT_HEAD",
    "EXPORTED",
    "EXPORT_FORMAT",
    "RUN",
    "WEIGHTS",
    "SavedHead",
    "note_of",
    "read_record",
    "read_saved",
]

RUN, EXPORTED, WEIGHTS = "run.json", "head.json", "head.safetensors"
DEFAULT_HEAD = Path(__file__).parent / "predict" / "default_head"  # the exported head that the package carries
EXPORT_FORMAT = 1


@dataclass(frozen=True)
class SavedHead:
    """A trained head as it lies on disk.

    Parameters
    ----------
    folder : where it is
    record : all of run.json or head.json
    description : what rebuilds the head but its weights
    state : the weights, safetensors
    encoder_spec : the head's encoder as `--encoder` takes it; `@FILE` is a file of the machine that trained. Empty
        where an older run does not say
    temperature : > 0, divides the logits before the softmax; 1 for runs that were not calibrated
    classes : C canonical expressions, the order of the logits
    note : what must be said wherever a number of the head appears, else empty
    """

    folder: Path
    record: Mapping[str, Any] = field(repr=False)
    description: Mapping[str, Any] = field(repr=False)
    state: bytes = field(repr=False)
    encoder_spec: str
    temperature: float
    classes: tuple[str, ...]
    note: str

    @property
    def encoder_identity(self) -> Mapping[str, Any]:
        """Of the encoder whose features it reads: `encoder`, `preprocess` and `precision`, plain JSON."""
        identity: Mapping[str, Any] = self.description.get("encoder", {})
        return identity

    @property
    def preprocess(self) -> Preprocess:
        """How pictures were prepared for the encoder when the head's features were made."""
        return Preprocess.from_json(self._prepared)

    @property
    def alignment(self) -> Mapping[str, Any] | None:
        """How its faces were aligned, plain JSON; None where pictures were taken as they were."""
        alignment: Mapping[str, Any] | None = self._prepared.get("alignment")
        return alignment

    @property
    def _prepared(self) -> Mapping[str, Any]:
        if isinstance(prepared := self.encoder_identity.get("preprocess"), Mapping):
            return prepared
        path = _record_path(self.folder)
        raise InputError(f"{path}: head.encoder: expected a preprocess block, found {prepared!r}. {_advice(path)}")

    @property
    def needs_encoder(self) -> bool:
        """Whether the head is a part of its encoder, and is built with it; InputError if its kind is not known."""
        from pipeline.models.packing import head_class  # late: it brings torch

        try:
            return head_class(str(self.description.get("kind"))).needs_encoder
        except PipelineError as error:
            raise type(error)(f"{self.folder}: {error}") from error

    @property
    def uses_encoder(self) -> bool:
        """Whether prediction needs the encoder: an image network on the pixels knows nothing of it."""
        return self.needs_encoder or set(self.description.get("inputs", ())) != {"pixels"}

    def build(self, encoder: Encoder | None = None) -> Head:
        """The head itself, on the CPU.

        Parameters
        ----------
        encoder : needed by heads that are a part of one; others do not look at it

        Raises
        ------
        InputError
            If description or weights are damaged or of another version, or an encoder is missing.
        MismatchError
            If description, weights and encoder do not belong together.
        """
        from pipeline.models.packing import unpack  # late: it brings torch

        try:
            return unpack(self.state, self.description, encoder)  # type: ignore[arg-type]  # all that load are its kind
        except PipelineError as error:
            raise type(error)(f"{self.folder}: {error}") from error

    def require_encoder(self, encoder: Encoder, advice: str = "") -> Encoder:
        """`encoder`, prepared as when the head's features were made.

        Precision and device are no part of the comparison: a head that was trained on a GPU predicts on a CPU.

        Parameters
        ----------
        advice : what to do about another one; by default to name the encoder that the head was trained with

        Raises
        ------
        MismatchError
            If it is another one; the message names the fields.
        """
        expected = self.encoder_identity.get("encoder", {})
        if differences := differences_text(expected, encoder.identity):
            named = f", {self.encoder_spec}" if self.encoder_spec else ""
            advice = advice or f"Name its own encoder with --encoder{named}"
            raise MismatchError(
                f"{self.folder}: the head reads features of {expected.get('family')}:{expected.get('architecture')} "
                f"with its weights of then, found another encoder. {differences}. {advice}, "
                "or train a head on features of this one"
            )
        return encoder.with_preprocess(self.preprocess)

    def load_encoder(
        self, named: str = "", device: str = "auto", runtime: str = "auto", on_progress: OnProgress = silent
    ) -> Encoder:
        """The head's encoder, prepared as when its features were made: see `require_encoder`.

        Parameters
        ----------
        named : the encoder as it is written on this machine; by default as it was where the head was trained
        device, runtime, on_progress : as `pipeline.encoders.load_encoder` takes them

        Raises
        ------
        EncoderError, ConfigError
            If it cannot be loaded.
        MismatchError
            If it is another encoder than the head's.
        """
        if not (named or self.encoder_spec):
            raise ConfigError(
                f"{self.folder}: its record, of an older fer-stage, does not say which encoder it needs. "
                "Name it with --encoder, or train the run again"
            )
        try:
            encoder = load_encoder(EncoderSpec.parse(named or self.encoder_spec), device, runtime, on_progress)
        except EncoderError as error:
            if named:
                raise
            raise EncoderError(
                f"{self.folder}: its encoder {self.encoder_spec} cannot be loaded: {error}. "
                "If it is elsewhere on this machine, name it with --encoder"
            ) from error
        advice = ""
        if not named or (self.encoder_spec and EncoderSpec.parse(named) == EncoderSpec.parse(self.encoder_spec)):
            # It is the head's own name that means other weights now: to name it again would not help.
            advice = f"{self.encoder_spec} means other weights now: name a copy of the earlier ones with --encoder"
        return self.require_encoder(encoder, advice)


def read_saved(folder: Path) -> SavedHead:
    """The head in a run folder (run.json, head.safetensors) or an exported one (head.json, head.safetensors).

    Raises
    ------
    InputError
        If there is none, a file is missing, damaged or of another version.
    MismatchError
        If the weights are not those that the record describes.
    """
    record = read_record(folder)
    path = _record_path(folder)
    said = _checked(record, path)
    if said.head.get("classes", said.classes) != said.classes:
        raise MismatchError(
            f"{path}: expected one order of classes, found {said.classes} and {said.head['classes']}. {_advice(path)}"
        )
    return SavedHead(
        folder=folder,
        record=record,
        description=said.head,
        state=_weights(folder, said.head_sha256, path),
        encoder_spec=said.encoder_spec or _as_spec(said.encoder_named),
        temperature=said.calibration.temperature,
        classes=tuple(said.classes),
        note=note_of(record),
    )


def read_record(folder: Path) -> dict[str, Any]:
    """What run.json or head.json says, whole.

    Raises
    ------
    InputError
        If there is neither, or it is no JSON object.
    """
    path = _record_path(folder)
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}). {_advice(path)}") from error
    if not isinstance(record, dict):
        raise InputError(f"{path} is damaged: expected a JSON object, found {type(record).__name__}. {_advice(path)}")
    return record


def note_of(record: Mapping[str, Any]) -> str:
    """What must be said wherever a number of the head appears that `record` describes; else empty."""
    note, text_note = (str(record.get(name, "")) for name in ("encoder_note", "text_note"))  # older runs have one
    return "; ".join(filter(None, (note, text_note and f"text: {text_note}")))


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Calibrated(_Block):
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class _Record(_Block):
    """What a record must say to give a head. Older runs lack all that has a default."""

    head: dict[str, Any]
    classes: list[str]
    head_sha256: str = ""
    encoder_spec: str = ""
    encoder_named: str = ""
    calibration: _Calibrated = _Calibrated()


def _record_path(folder: Path) -> Path:
    for name in (RUN, EXPORTED):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"no trained run at {folder}: expected {folder / RUN}, or {EXPORTED} of an exported head. "
        "Run `fer-stage train` first, or name another folder"
    )


def _checked(record: Mapping[str, Any], path: Path) -> _Record:
    if path.name == EXPORTED and record.get("format") != EXPORT_FORMAT:
        raise InputError(
            f"{path}: expected format {EXPORT_FORMAT}, found {record.get('format')!r}. "
            "Export the head again, or update fer-stage if it is newer"
        )
    try:
        return _Record.model_validate(record)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise InputError(
            f"{path}: expected the record of a trained head, found {len(problems)} problem"
            f"{'s' if len(problems) > 1 else ''}: {'; '.join(problems)}. {_advice(path)}"
        ) from error


def _weights(folder: Path, sha256: str, path: Path) -> bytes:
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(f"{folder}: {WEIGHTS} is missing. {_advice(path)}")
    state = weights.read_bytes()
    if sha256 not in ("", hashlib.sha256(state).hexdigest()):  # older records have none
        raise MismatchError(f"{folder}: {WEIGHTS} is not the head that {path.name} describes. {_advice(path)}")
    return state


def _as_spec(named: str) -> str:
    """The name of an encoder in an older record, where it can be read without that machine's params.yaml."""
    try:
        return str(EncoderSpec.parse(named))
    except ConfigError:
        return ""


def _advice(path: Path) -> str:
    return "Train the run again" if path.name == RUN else "Copy the whole folder again, or export the head again"
