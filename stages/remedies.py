"""Remedies of errors as text: commands for a shell, or calls of the Python API.

Errors name a command and its arguments as data (`remedy`); no room below `stages` contains the syntax of a command.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from stages.names import parse_limited_name

__all__ = [
    "as_calls",
    "as_commands",
    "command_line",
    "encoder_note",
    "encoder_written",
    "function_name",
    "parameter_names",
]

Step = tuple[str, Mapping[str, Any]]

_EMPTY: tuple[Any, ...] = ((), [], {})  # of options that are repeated: as if they were not named
_OTHER_NAMES = {"store info": "describe_store"}  # of functions that are not named after their command
_OF_FIRST_ROWS = ("align", "extract")  # commands with a --limit


def as_commands(error: Exception, params: Path | None = None) -> str:
    """The message of an error with its remedy as commands: "no store at x. Run `fer-stage extract --dataset my`".

    Parameters
    ----------
    params : params.yaml of what failed, which the steps read too
    """
    steps = [f"`{command_line(action, arguments)}`" for action, arguments in _steps(error, params)]
    return _with_steps(error, steps, str(error))


def as_calls(error: Exception, params: Path | None = None) -> str:
    """The remedy as calls: "Run stages.extract(dataset='my')"; a command that has no function is worded as one."""
    steps = [
        f"stages.{name}({_call_arguments(action, arguments)})"
        if (name := function_name(action))
        else f"`{command_line(action, arguments)}`"
        for action, arguments in _steps(error, params)
    ]
    return _with_steps(error, steps, "")


def function_name(action: str) -> str | None:
    """The function of `stages` for a command, `export_head` for `head export`; None if it has none.

    A command has a function where there is a request, `ExportHeadRequest`.
    """
    from stages import requests

    name = _OTHER_NAMES.get(action) or "_".join(reversed(action.replace("-", "_").split()))
    request = f"{name.replace('_', ' ').title().replace(' ', '')}Request"
    return name if request in requests.__all__ else None


def _steps(error: Exception, params: Path | None = None) -> Sequence[Step]:
    """The steps of a remedy; with `params`, those that read a params.yaml read that one."""
    remedy: Sequence[Step] = getattr(error, "remedy", ())
    if params is None:
        return remedy
    return [
        (action, {**arguments, "params": params} if "params" in _parameters(action) else arguments)
        for action, arguments in remedy
    ]


def _with_steps(error: Exception, steps: Sequence[str], message: str) -> str:
    if not steps:
        return message
    purpose = getattr(error, "purpose", "")
    run = f"Run {', then '.join(steps)}{f' {purpose}' if purpose else ''}"
    ended = message if message.endswith(("?", "!")) else f"{message.rstrip('.')}."
    return f"{ended} {run}" if message else run


def _call_arguments(action: str, arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{parameter.name}={_plain(value)!r}" for parameter, value in _arguments(action, arguments))


def _plain(value: Any) -> Any:
    """Paths, and places in object stores, as texts."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value if isinstance(value, bool | int | float | str) else str(value)


def command_line(action: str, arguments: Mapping[str, Any]) -> str:
    """A command for a shell, `fer-stage extract --dataset my --limit 12`, with every word quoted where that is needed.

    Parameters
    ----------
    action : name of a command, with its verb: `store verify`
    arguments : value by the name of its parameter. None and defaults are left out; the name of a dataset that --limit
        made becomes the options that made it

    Raises
    ------
    KeyError
        If the command has no such parameter: a mistake in the code that names the remedy.
    """
    words = ["fer-stage", *action.split()]
    for parameter, value in _arguments(action, arguments):
        words += _words(parameter, value)
    return shlex.join(words)


def _arguments(action: str, arguments: Mapping[str, Any]) -> Iterator[tuple[click.Parameter, Any]]:
    """The arguments that are no defaults, each with the parameter of its name."""
    parameters = _parameters(action)
    for name, value in _of_dataset(arguments, limited=action in _OF_FIRST_ROWS).items():
        parameter = parameters[name]
        default = parameter.to_info_dict().get("default")  # `parameter.default` may be a sentinel of click
        if value is not None and value not in _EMPTY and str(value) != str(default):
            yield parameter, value


def parameter_names(action: str) -> frozenset[str]:
    """The names of the parameters that a command takes."""
    return frozenset(name for name in _parameters(action) if name)


def _parameters(action: str) -> dict[str | None, click.Parameter]:
    return {parameter.name: parameter for parameter in _command(action.split()).params}


def _command(path: Sequence[str]) -> click.Command:
    from stages.command_group import cli

    command: click.Command = cli
    with click.Context(cli) as context:
        for name in path:
            child = cast("click.Group", command).get_command(context, name)
            if child is None:
                raise KeyError(name)
            command = child
    return command


def _words(parameter: click.Parameter, value: Any) -> Iterator[str]:
    if isinstance(parameter, click.Argument):
        yield from map(str, value) if isinstance(value, list | tuple) else (str(value),)
        return
    option = parameter.opts[0]
    if isinstance(value, bool):
        yield from (option,) if value else parameter.secondary_opts[:1]  # --reuse/--no-reuse
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from (option, f"{name}={json.dumps(one)}")
    elif isinstance(value, list | tuple):
        for one in value if parameter.multiple else (",".join(map(str, value)),):
            yield from (option, str(one))
    else:
        yield from (option, str(value))


def _of_dataset(arguments: Mapping[str, Any], *, limited: bool = True) -> dict[str, Any]:
    """`my.first-12` is not a dataset, but the first 12 rows of `my` (`--limit 12`); `index` reads all rows."""
    limited_name = parse_limited_name(str(arguments.get("dataset", "")))
    if limited_name is None:
        return dict(arguments)
    dataset, limit = limited_name
    return {**arguments, "dataset": dataset, **({"limit": limit} if limited else {})}


def encoder_note(error: Exception, params: Path) -> str:
    """An explanation of a remedy, as " (...)", where an encoder in it is only the name of a folder.

    The folder of a store is named after its encoder, and `cache` has no other name for it; but no command accepts
    open_clip-ViT-B-32-quickgelu-openai for the encoder open_clip:ViT-B-32-quickgelu/openai.

    Parameters
    ----------
    params : params.yaml of what failed; the defaults hold if the file is not there

    Returns
    -------
    Empty where every encoder is a name that a command takes.
    """
    named = [str(arguments["encoder"]) for _, arguments in _steps(error) if arguments.get("encoder")]
    folder = next((name for name in named if not _is_encoder(name, params)), None)
    if folder is None:
        return ""
    return (
        f" ({folder} is the folder of that encoder: write the encoder as it was written when the folder was made, such "
        "as open_clip:ARCH/TAG, or by its name in params.yaml)"
    )


def _is_encoder(name: str, params: Path) -> bool:
    from pipeline.errors import PipelineError
    from stages.errors import StageError
    from stages.params import load_params

    try:
        load_params(params).encoder(name)
    except (PipelineError, StageError):
        return not name[:1].isalnum()  # a placeholder, such as <name>
    return True


@contextmanager
def encoder_written(folder: str, written: str) -> Iterator[None]:
    """Remedies of errors inside name an encoder as `--encoder` takes it, and not by its folder.

    Parameters
    ----------
    folder : its name below features/, such as open_clip-ViT-B-32-quickgelu-openai
    written : a name in params.yaml, or open_clip:ViT-B-32-quickgelu/openai
    """
    try:
        yield
    except Exception as error:
        if remedy := _steps(error):
            error.remedy = tuple(  # type: ignore[attr-defined]  # it is one of ours
                (action, {**arguments, "encoder": written} if arguments.get("encoder") == folder else arguments)
                for action, arguments in remedy
            )
        raise
