"""Trained heads on disk: a run folder, or one that `fer-stage head export` wrote.

Reading is light: torch comes when the head is built, or its encoder loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.differences import differences_text
from pipeline.encoders import Encoder, EncoderSpec, ImageEncoder, load_encoder, require_image_encoder
from pipeline.errors import ConfigError, EncoderError, InputError, MismatchError, PipelineError
from pipeline.images.preprocess import Preprocess
from pipeline.methods import METHODS, config_class
from pipeline.methods.own import is_own, own_method, use_named_code
from pipeline.plugins import Origin
from pipeline.predict.head_folder import EXPORTED, RUN, WEIGHTS, advice_on, read_record, read_weights
from pipeline.progress import OnProgress, silent
from pipeline.records.export import Export, OwnExport, export_of
from pipeline.records.files import Advice
from pipeline.records.run import OwnRun, Run
from pipeline.records.score import Score
from pipeline.tensors import check_finite

if TYPE_CHECKING:
    from pipeline.learning.head import Head

__all__ = ["DEFAULT_HEAD", "SavedHead", "read_saved"]

DEFAULT_HEAD = Path(__file__).parent / "default_head"  # the exported head that the package carries


@dataclass(frozen=True)
class SavedHead:
    """A trained head on disk.

    Parameters
    ----------
    folder : where it is
    record : run.json or head.json
    state : the weights, safetensors
    """

    folder: Path
    record: Run | Export = field(repr=False)
    state: bytes = field(repr=False)

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """What rebuilds the head but its weights, plain JSON: `record.head`."""
        return self.record.head.as_json()

    @property
    def encoder_spec(self) -> str:
        """The encoder as `--encoder` takes it; `@FILE` is a file of the machine that trained."""
        return self.record.encoder_spec

    @property
    def temperature(self) -> float:
        """Divides the logits before the softmax, > 0; 1 where calibration did not help."""
        return self.record.temperature

    @property
    def classes(self) -> tuple[str, ...]:
        """C canonical expressions, the order of the logits."""
        return self.record.classes

    @property
    def note(self) -> str:
        """What must be stated wherever a number of the head appears; else empty."""
        return self.record.note

    @property
    def record_path(self) -> Path:
        """The file of the record: run.json or head.json."""
        return self.folder / (RUN if isinstance(self.record, Run) else EXPORTED)

    @property
    def advice(self) -> Advice:
        """What to do about a record or weights that are damaged."""
        return advice_on(self.record)

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
            raise MismatchError(f"{self._replaced}; now {error}", remedy=getattr(error, "remedy", ())) from error
        if now.state != self.state or now.record != self.record:
            raise MismatchError(
                f"{self._replaced}, {self.sha256[:12]}, found {now.sha256[:12]}. Run the same command again"
            )

    @property
    def _replaced(self) -> str:
        return f"{self.folder}: the head was replaced while this command used it: expected the head that was read"

    @property
    def preprocess(self) -> Preprocess:
        """How pictures were prepared for the encoder when the head's features were made."""
        return Preprocess.from_json(self.record.head.encoder.preprocess)

    @property
    def alignment(self) -> Mapping[str, Any] | None:
        """How its faces were aligned, plain JSON; None where pictures were taken as they were."""
        return self.record.head.alignment

    def require_method(self) -> None:
        """Refuse a head whose method is code that is not here, or other code than that which trained it.

        Raises
        ------
        InputError
            If the code of its method was not named: a head from elsewhere chooses no code that is run here.
        MismatchError
            If that code is another one than that which trained it.
        """
        name = self.record.method
        if not isinstance(self.record, OwnRun | OwnExport):
            if name not in METHODS and is_own(name):  # in this order: the second reads what is installed, 20 ms
                raise self.advice.error(
                    f"{self.record_path}: method_code: expected the sha256 of the code of {name}, found none"
                )
            return
        code = self.record.method_code
        if name in METHODS:
            raise self.advice.error(
                f"{self.record_path}: method_code: expected none of {name}, a method of fer-stage, found {code.code}"
            )
        use_named_code(name, Origin(code.code, code.sha256))
        if not is_own(name):
            raise InputError(
                f"{self.record_path}: the method {name} is no part of fer-stage: expected its code, {code.code} with "
                f"sha256 {code.sha256[:12]}, found none. Name it with --method FILE.py:NAME, or in params.yaml as "
                f"`methods: {{{name}: {{code: FILE.py:NAME}}}}`"
            )
        if (named := own_method(name).origin).sha256 != code.sha256:
            message = (
                f"{self.record_path}: the head was trained by {code.code} with sha256 {code.sha256[:12]}, found "
                f"{named.code} with {named.sha256[:12]}"
            )
            if isinstance(self.record, OwnExport):
                raise MismatchError(f"{message}. Get that file from whoever exported the head, and name it")
            raise self.advice.error(message, MismatchError)

    @property
    def is_trained(self) -> bool:
        """Whether its method trains anything; InputError if the method is not known."""
        self.require_method()
        try:
            return config_class(self.record.method).is_trained
        except ConfigError as error:
            raise self.advice.error(f"{self.record_path}: method: {str(error).rstrip('.')}") from error

    @property
    def needs_encoder(self) -> bool:
        """Whether the head is a part of its encoder, and is built with it; InputError if its kind is not known."""
        from pipeline.methods.packing import head_class  # late: it brings torch

        self.require_method()
        try:
            return head_class(self.record.head.kind).needs_encoder
        except PipelineError as error:
            raise type(error)(f"{self.folder}: {error}", remedy=error.remedy, purpose=error.purpose) from error

    @property
    def uses_encoder(self) -> bool:
        """Whether prediction needs the encoder: an image network on the pixels needs none."""
        return self.needs_encoder or set(self.record.head.inputs) != {"pixels"}

    def build(self, encoder: Encoder | None = None) -> Head:
        """The head itself, on the CPU.

        Parameters
        ----------
        encoder : needed by heads that are a part of one; ignored by others

        Raises
        ------
        InputError
            If description or weights are damaged or of another version, or an encoder is missing.
        MismatchError
            If description, weights and encoder do not belong together.
        """
        from pipeline.encoders.torch_encoder import require_torch_encoder  # late: they bring torch
        from pipeline.methods.packing import unpack

        self.require_method()
        try:
            network = require_torch_encoder(encoder) if encoder and self.needs_encoder else None
            return unpack(self.state, self.description, network)
        except PipelineError as error:
            raise type(error)(f"{self.folder}: {error}", remedy=error.remedy, purpose=error.purpose) from error

    def export(self, scores: Iterable[Score]) -> Export:
        """The record of this head where it is exported, with what is known of it on test splits.

        Raises
        ------
        InputError
            If no method has its name, its code was not named, or the kind of the head is not known.
        """
        _ = self.is_trained  # the model card states it
        return export_of(self.record, scores, uses_encoder=self.uses_encoder)

    def require_encoder(self, encoder: Encoder, advice: str = "") -> ImageEncoder:
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
        expected = self.record.head.encoder.encoder
        if differences := differences_text(expected, encoder.identity):
            raise MismatchError(
                f"{self.folder}: the head reads features of {expected['family']}:{expected['architecture']} with the "
                f"weights that it was trained on, found another encoder. {differences}. "
                f"{advice or f'Name its own encoder with --encoder, {self.encoder_spec}'}, "
                "or train a head on features of this one"
            )
        return require_image_encoder(encoder).with_preprocess(self.preprocess)

    def load_encoder(
        self, named: str = "", device: str = "auto", runtime: str = "auto", on_progress: OnProgress = silent
    ) -> ImageEncoder:
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
        try:
            encoder = load_encoder(EncoderSpec.parse(named or self.encoder_spec), device, runtime, on_progress)
        except EncoderError as error:
            if named:
                raise
            raise EncoderError(
                f"{self.folder}: its encoder {self.encoder_spec} cannot be loaded: {error}. "
                "If it is elsewhere on this machine, name it with --encoder",
                remedy=error.remedy,
                purpose=error.purpose,
            ) from error
        advice = ""
        if not named or EncoderSpec.parse(named) == EncoderSpec.parse(self.encoder_spec):
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
    saved = SavedHead(folder, record, read_weights(folder, record))
    if record.head_sha256 != saved.sha256:
        raise saved.advice.error(
            f"{folder}: {WEIGHTS} is not the head that {saved.record_path.name} describes, by its sha256. If it is "
            "being written at this moment, wait until it is finished",
            MismatchError,
        )
    _require_finite(saved)
    return saved


def _require_finite(saved: SavedHead) -> None:
    advice = saved.advice
    try:
        check_finite(saved.state, str(saved.folder / WEIGHTS), advice.words or "It is damaged")
    except InputError as error:
        raise InputError(str(error), remedy=advice.remedy, purpose=advice.purpose) from error
