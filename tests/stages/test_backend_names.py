"""Backends have one registry; the names that users write are typed in `stages`, and are those of the registry."""

from __future__ import annotations

from typing import get_args, get_type_hints

import click

from cache.backends import BACKENDS
from stages.commands.extract import command
from stages.params import ExtractParams
from stages.requests import ExtractRequest


def test_extract_takes_every_backend_and_no_other() -> None:
    [option] = [parameter for parameter in command.params if parameter.name == "backend"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(BACKENDS)


def test_a_request_takes_every_backend_and_no_other() -> None:
    names, nothing = get_args(get_type_hints(ExtractRequest)["backend"])
    assert (get_args(names), nothing) == (tuple(BACKENDS), type(None))


def test_params_take_every_suffix_and_no_other() -> None:
    suffixes = tuple(backend.suffix.removeprefix(".") for backend in BACKENDS.values())
    assert suffixes in [get_args(field.annotation) for field in ExtractParams.model_fields.values()]
