"""Types of the fields of records, their base class, and how a wrong field is reported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError

from pipeline.encoders.spec import EncoderSpec
from pipeline.errors import ConfigError
from pipeline.learning.spec import MAX_DIMENSION
from pipeline.records.files import Advice
from pipeline.tables.labels import LABELS, in_canonical_order

__all__ = [
    "Classes",
    "Count",
    "Digest",
    "Dtype",
    "Fraction",
    "Name",
    "NameOrNone",
    "NotNegative",
    "Positive",
    "Record",
    "Sha256",
    "Size",
    "Spec",
    "Text",
    "Texts",
    "Versions",
    "checked",
    "conforms_to",
    "json_bytes",
    "without_image_unit",
]

_MAX_COUNT = 2**53  # what JSON carries exactly
_MAX_PROBLEMS = 5  # of one record that a message names

Count = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
Positive = Annotated[int, Field(ge=1, le=_MAX_COUNT)]
Size = Annotated[int, Field(ge=1, le=MAX_DIMENSION)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=10_000)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]  # JSON has lists
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]  # empty where there is nothing to digest, or not known
Dtype = Literal["float16", "float32"]
# The name of a folder: no separator, no leading dot, no control character.
_NAME = r"[^\x00-\x1f\x7f-\x{9f}/.][^\x00-\x1f\x7f-\x{9f}/]{0,254}"
Name = Annotated[str, Field(pattern=rf"^{_NAME}$")]
NameOrNone = Annotated[str, Field(pattern=rf"^({_NAME})?$")]


def _in_canonical_order(classes: tuple[str, ...]) -> tuple[str, ...]:
    if not classes or classes != in_canonical_order(classes):
        raise ValueError(f"expected expressions in canonical order ({', '.join(LABELS)})")
    return classes


def _is_spec(text: str) -> str:
    try:
        EncoderSpec.parse(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return text


def _names_ours(versions: dict[str, str]) -> dict[str, str]:
    if "fer-stage" not in versions:
        raise ValueError("expected that of fer-stage among them")
    return versions


Classes = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_in_canonical_order)]
Spec = Annotated[Text, AfterValidator(_is_spec)]
Versions = Annotated[dict[Text, Text], AfterValidator(_names_ours)]


class Record(BaseModel):
    """Base: frozen, of exact types. Fields are in the order of the file; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    def as_json(self) -> dict[str, Any]:
        """Plain data, in the order of the file."""
        plain: dict[str, Any] = json.loads(json.dumps(self._dumped()))  # without the indent, which is written slowly
        return plain

    def as_bytes(self) -> bytes:
        """The content of the file."""
        return json_bytes(self._dumped())

    def _dumped(self) -> dict[str, Any]:
        return self.model_dump()


def without_image_unit(self: BaseModel, dumped: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """The fields of a record; of a head of images without `unit`: such records are as they always were."""
    data: dict[str, Any] = dumped(self)
    return {name: value for name, value in data.items() if (name, value) != ("unit", "image")}


def conforms_to(model: type[Record]) -> AfterValidator:
    """A field that is a JSON object of these fields and any others, and stays plain data."""

    def check(plain: dict[str, Any]) -> dict[str, Any]:
        try:
            model.model_validate(plain)
        except ValidationError as error:
            raise ValueError("; ".join(_problems(error))) from error
        return plain

    return AfterValidator(check)


def json_bytes(data: Any) -> bytes:
    """Plain data as the bytes of a file."""
    return json.dumps(data, indent=2).encode()


Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], data: Any, where: str, what: str, advice: Advice) -> Model:
    """The record that `data` describes.

    Parameters
    ----------
    data : parsed JSON
    where : the file, and the position in it, for messages
    what : what should be there, in words
    advice : what to do about a wrong field

    Raises
    ------
    InputError
        If a field is missing or impossible; the message names `where` and the fields.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = _problems(error)
        more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
        raise advice.error(
            f"{where}: expected {what}, found {len(problems)} problem{'s' if len(problems) > 1 else ''}: "
            f"{'; '.join(problems[:_MAX_PROBLEMS])}{more}"
        ) from error


def _problems(error: ValidationError) -> list[str]:
    return [_problem(item) for item in error.errors(include_url=False, include_context=False)]


def _problem(item: Mapping[str, Any]) -> str:
    where, message = ".".join(map(str, item["loc"])), str(item["msg"]).removeprefix("Value error, ")
    is_named = item["type"] == "missing" or (item["type"] == "value_error" and isinstance(item["input"], Mapping))
    actual = "" if is_named else f", found {item['input']!r:.60}"
    return f"{where}: {message}{actual}" if where else f"{message}{actual}"
