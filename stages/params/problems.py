"""What is wrong with params.yaml, or with the arguments of a function, in words: a line per problem."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from pipeline.suggestions import did_you_mean

__all__ = ["explain", "shortened"]

_RENAMED = {"extract.ending": "format"}  # keys of earlier versions

_TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_SHOWN = 80  # characters of a value in a message


def explain(error: ValidationError, model: Any, where: str) -> str:
    """One line per problem: which key, what is wrong, what would be right.

    Parameters
    ----------
    model : class of pydantic, or its dataclass
    where : the file, or the function, for the message
    """
    problems = [_problem(dict(item), model) for item in error.errors()]
    return f"{where}: {len(problems)} problem{'s' if len(problems) > 1 else ''}\n" + "\n".join(
        f"  {p}" for p in problems
    )


def _problem(item: Mapping[str, Any], model: Any) -> str:
    location = _by_name(item["loc"], model)
    key = ".".join(str(part) for part in location) or "file"
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        if key in _RENAMED:
            return f"{key}: unknown key. Its name is {_RENAMED[key]!r} now"
        return f"{key}: unknown key. {did_you_mean(str(location[-1]), _keys_at(model, location[:-1]))}".rstrip()
    hint = _hint(item)
    message = item["msg"].removeprefix("Value error, ")
    if not location or isinstance(item["input"], dict):  # our own check of a whole block, whose message has the value
        return message if key == "file" else f"{key}: {message}"
    return f"{key}: {message}, found {shortened(item['input'])}.{hint}"


def _by_name(location: tuple[Any, ...], model: Any) -> tuple[Any, ...]:
    """The same place, where an argument without a name has the name of its parameter instead of its position."""
    if not location or not isinstance(location[0], int):
        return location
    parameters = inspect.signature(model).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    return (names[location[0]], *location[1:]) if location[0] < len(names) else location


def shortened(value: Any) -> str:
    """The value as Python writes it, its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _hint(item: Mapping[str, Any]) -> str:
    """How a value of another type is written as what is expected, where that is plain."""
    value, kind = item["input"], item["type"]
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return f' YAML reads {value} as a number: write it as "{value}"'
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f" Write it as {int(value)}"
    if kind in ("int_type", "float_type", "string_type") and isinstance(value, bool):
        right = "a text in quotes" if kind == "string_type" else "a number"
        return f" YAML reads yes, on, no and off as true and false: write {right}"
    if kind == "list_type" and isinstance(value, str | int | float) and not isinstance(value, bool):
        return f" Write it as [{value}]"
    if kind in ("dict_type", "model_type") and value is None:
        return " Write {} for what holds by default, or remove the key"
    if not isinstance(value, str):
        return ""
    written = _as_expected(value, kind, item.get("ctx", {}))
    return f" YAML reads {value} as text: write it as {written}, without quotes" if written else ""


def _as_expected(text: str, kind: str, context: Mapping[str, Any]) -> str:
    """The text as the number or truth value that pydantic expected in an error of this kind; empty if it is none."""
    if kind == "bool_type" and text.casefold() in _TRUTHS:
        return _TRUTHS[text.casefold()]
    if not _is_number(text):
        return ""
    number = float(text)
    if kind == "float_type":
        return _as_yaml(number)
    is_whole = kind == "int_type" or (kind == "literal_error" and text in _choices(context))
    return str(int(number)) if is_whole and number.is_integer() else ""


def _choices(context: Mapping[str, Any]) -> list[str]:
    """The values of a literal error, which lists them as `7, 8 or 'mafw'`."""
    return str(context.get("expected", "")).replace(",", " ").split()


def _keys_at(model: Any, location: tuple[Any, ...]) -> list[str]:
    """The keys of the block at a location; none where it is a value, or a mapping with keys of any name."""
    for part in location:
        fields = getattr(model, "__pydantic_fields__", None)
        if fields is None:  # `datasets: {name: {...}}`: the part is a name, and its block is what the mapping holds
            model = next(iter(get_args(model)[1:]), None)
        else:
            model = fields[part].annotation if part in fields else None
    return list(getattr(model, "__pydantic_fields__", ()))


def _as_yaml(number: float) -> str:
    """The number as YAML 1.1 reads it back: 5e-06 is a text to it, 5.0e-06 a number."""
    return re.sub(r"^(-?\d+)e", r"\1.0e", repr(number))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
