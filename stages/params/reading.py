"""Reads params.yaml: once, strictly, with all that is wrong in one error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.encoders.families.file_family import allow
from pipeline.encoders.spec import EncoderSpec
from pipeline.methods import METHODS
from pipeline.methods.own import declare_methods
from stages.errors import ParamsError
from stages.params.models import Params, parse_method
from stages.params.problems import explain, shortened
from stages.yaml_files import YAML_ERRORS, YamlDocument, read_yaml_strictly

__all__ = ["load_params", "parse_params"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # a template may hold tabs and line ends


def load_params(path: Path) -> Params:
    """Read and check params.yaml; the defaults if the file is not there.

    Raises
    ------
    ParamsError
        All that is wrong at once: unknown keys with the nearest known one, wrong types, bad YAML.
    """
    params = _load_params(path)
    declare_methods(params.own_methods)
    for text in params.encoders.values():
        allow(EncoderSpec.parse(text))
    return params


def _load_params(path: Path) -> Params:
    if not path.exists():
        return Params()
    if not path.is_file():
        raise ParamsError(f"{path}: expected a YAML file, found {'a folder' if path.is_dir() else 'no regular file'}")
    document = _read_document(path)
    params = Params() if document.data is None else parse_params(document.data, str(path))
    if document.two_meanings:
        raise ParamsError(
            f"{path}: expected values that DVC reads as we do, found {', '.join(document.two_meanings[:12])}. Write "
            "numbers as 10 or 0.001, truth values as true or false, and texts in quotes"
        )
    return params


def _read_document(path: Path) -> YamlDocument:
    try:
        return read_yaml_strictly(path)
    except YAML_ERRORS as error:
        raise ParamsError(f"{path} is not YAML that can be read: {error}") from error
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}") from error


def parse_params(data: Any, where: str) -> Params:
    """Check what params.yaml holds.

    Parameters
    ----------
    data : as YAML reads it
    where : the file, for messages

    Raises
    ------
    ParamsError
        All that is wrong at once, with the file and each field.
    """
    if not isinstance(data, dict):
        raise ParamsError(f"{where}: expected names with values, found {type(data).__name__}")
    if unprintable := _with_control_characters(data):
        raise ParamsError(f"{where}: expected text without control characters, found {'; '.join(unprintable[:3])}")
    try:
        params = Params.model_validate(data)
    except ValidationError as error:
        raise ParamsError(explain(error, Params, where)) from error
    for name in params.methods.keys() & METHODS.keys():  # those of one's own are checked when their code is run
        try:
            params.method(name)
            _check_grids(params, name)
        except ParamsError as error:
            raise ParamsError(f"{where}: {error}", remedy=error.remedy, purpose=error.purpose) from error
    return params


def _check_grids(params: Params, name: str) -> None:
    """Every value of a grid by itself; ParamsError for one that its option cannot have."""
    options = params.options(name)[1]
    for grid in params.grids(name):
        for option, values in grid.items():
            for value in values:
                parse_method(name, {**options, option: value})


def _with_control_characters(data: Any) -> list[str]:
    """`datasets.x.root: '\\x00'` for each text, names too, that no path, name or sentence can hold."""
    problems: list[str] = []
    pending, visited = [("", data)], set()
    while pending:
        field, value = pending.pop()
        if isinstance(value, str):
            problems += [f"{field}: {shortened(value)}"] if _CONTROL.search(value) else []
        elif isinstance(value, dict | list) and id(value) not in visited:  # an alias of YAML is the same object
            visited.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            pending += [(f"{field}.{name}".lstrip("."), item) for name, item in items]
            pending += [(f"{field} (a name)".lstrip(), name) for name in value if isinstance(value, dict)]
    return problems
