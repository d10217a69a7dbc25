"""The one door to a trained head on disk: a run folder, or one that `fer-stage head export` wrote.

Reading is light: torch comes when the head is built, or its encoder loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.encoders import Encoder, EncoderSpec, load_encoder
from pipeline.errors import ConfigError, EncoderError, InputError, MismatchError, PipelineError
from pipeline.identity import differences_text
from pipeline.images.preprocess import Preprocess
from pipeline.models.spec import HEAD_FORMAT, most_weight_bytes
from pipeline.progress import OnProgress, silent
from pipeline.records import HeadRecord, Record, check_record, read_json, read_regular
from pipeline.tensors import check_finite

if TYPE_CHECKING:
    from pipeline.models.head import Head

__all__ = [
    "DEFAULT_HEAD",
    "EXPORTED",
    "EXPORT_FORMAT",
    "HISTORY",
    "RUN",
    "WEIGHTS",
    "SavedHead",
    "note_of",
    "read_record",
    "read_saved",
]

RUN, EXPORTED, WEIGHTS, HISTORY = "run.json", "head.json", "head.safetensors", "history.csv"
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
    def record_path(self) -> Path:
        """The file of the record: run.json or head.json."""
        return _record_path(self.folder)

    @property
    def advice(self) -> str:
        """What to do about a record or weights that are damaged."""
        return _advice(self.record_path)

    @cached_property
    def sha256(self) -> str:
        """Of the weights: what scores and exports of this head name it by."""
        return hashlib.sha256(self.state).hexdigest()

    def require_current(self) -> None:
        """Refuse to pass on what was computed with a head that was replaced on the disk meanwhile.

        Raises
        ------
        MismatchError
            If record or weights in the folder are others now, or are being written.
        """
        try:
            now = read_saved(self.folder)
        except (PipelineError, OSError) as error:
            raise MismatchError(f"{self._replaced}; now {error}") from error
        if now.state != self.state or now.record != self.record:
            raise MismatchError(
                f"{self._replaced}, {self.sha256[:12]}, found {now.sha256[:12]}. Run the same command again"
            )

    @property
    def _replaced(self) -> str:
        return f"{self.folder}: the head was replaced while this command used it: expected the head that was read"

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
        raise InputError(
            f"{self.record_path}: head.encoder: expected a preprocess block, found {prepared!r}. {self.advice}"
        )

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
    path = _record_path(folder)
    record = _read_object(path)
    _require_head_format(record, path)
    checked = check_record(HeadRecord, record, path, _advice(path))
    description, classes = record["head"], record["classes"]
    if description["classes"] != classes:
        raise MismatchError(
            f"{path}: expected one order of classes, found {classes} and {description['classes']}. {_advice(path)}"
        )
    if differences := differences_text(
        record.get("encoder_identity") or description["encoder"], description["encoder"]
    ):
        raise MismatchError(
            f"{path}: expected encoder_identity and head.encoder to be one: {differences}. {_advice(path)}"
        )
    saved = SavedHead(
        folder=folder,
        record=record,
        description=description,
        state=_weights(folder, description, path),
        encoder_spec=checked.encoder_spec or _as_spec(checked.encoder_named),
        temperature=checked.calibration.temperature,
        classes=tuple(classes),
        note=note_of(record),
    )
    if checked.head_sha256 not in ("", saved.sha256):  # older records have none
        raise MismatchError(
            f"{folder}: {WEIGHTS} is not the head that {path.name} describes, by its sha256. {_advice(path)}; if it is "
            "being written at this moment, run this command again"
        )
    check_finite(saved.state, str(folder / WEIGHTS), _advice(path))
    return saved


def read_record(folder: Path) -> dict[str, Any]:
    """The content of run.json or head.json, whole; its fields are what `pipeline.records.Record` has, where they are.

    Raises
    ------
    InputError
        If there is neither, it is no JSON object, or a field is impossible.
    """
    path = _record_path(folder)
    record = _read_object(path)
    check_record(Record, record, path, _advice(path))  # the head is checked where one is built
    return record


def _read_object(path: Path) -> dict[str, Any]:
    record = read_json(path, _advice(path))
    if not isinstance(record, dict):
        raise InputError(f"{path} is damaged: expected a JSON object, found {type(record).__name__}. {_advice(path)}")
    if path.name == EXPORTED and record.get("format") != EXPORT_FORMAT:
        raise InputError(
            f"{path}: expected format {EXPORT_FORMAT}, found {record.get('format')!r:.60}. "
            "Export the head again, or update fer-stage if it is newer"
        )
    return record


def note_of(record: Mapping[str, Any]) -> str:
    """What must be said wherever a number of the head appears that `record` describes; else empty."""
    note, text_note = (str(record.get(name, "")) for name in ("encoder_note", "text_note"))  # older runs have one
    return "; ".join(filter(None, (note, text_note and f"text: {text_note}")))


def _record_path(folder: Path) -> Path:
    for name in (RUN, EXPORTED):
        if (folder / name).exists():
            return folder / name
    raise InputError(
        f"no trained run at {folder}: expected {folder / RUN}, or {EXPORTED} of an exported head. "
        "Run `fer-stage train` first, or name another folder"
    )


def _require_head_format(record: Mapping[str, Any], path: Path) -> None:
    """Refuse what another version wrote before its fields are called wrong."""
    head = record.get("head")
    if isinstance(head, Mapping) and head.get("format") != HEAD_FORMAT:
        raise InputError(
            f"{path}: head.format: expected format {HEAD_FORMAT}, found {head.get('format')!r:.60}. "
            "Train the head again, or update fer-stage if it is newer"
        )


def _weights(folder: Path, description: Mapping[str, Any], path: Path) -> bytes:
    try:
        return read_regular(folder / WEIGHTS, most_weight_bytes(description), _advice(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{folder}: {WEIGHTS} is missing. {_advice(path)}") from error


def _as_spec(named: str) -> str:
    """The name of an encoder in an older record, where it can be read without that machine's params.yaml."""
    try:
        return str(EncoderSpec.parse(named))
    except ConfigError:
        return ""


def _advice(path: Path) -> str:
    return "Train the run again" if path.name == RUN else "Copy the whole folder again, or export the head again"
