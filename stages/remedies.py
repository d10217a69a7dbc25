"""What ends an error, worded: as commands for a shell, or as calls of the Python API.

Errors name a command and its arguments as data (`remedy`); nothing below `stages` knows how a command is written.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import click

from stages.names import first_rows

__all__ = ["as_calls", "as_commands", "command_line", "encoder_written"]

Step = tuple[str, Mapping[str, Any]]

_OF_FIRST_ROWS = ("align", "extract")  # commands with a --limit


def as_commands(error: Exception) -> str:
    """The message of an error with its remedy as commands: "no store at x. Run `fer-stage extract --dataset my`"."""
    return _with_steps(error, [f"`{command_line(action, arguments)}`" for action, arguments in _steps(error)])


def as_calls(error: Exception) -> str:
    """The remedy as calls: "Run stages.extract(dataset='my')"; a command that has no function is worded as one."""
    import stages

    steps = [
        f"stages.{name}({_call_arguments(arguments)})"
        if hasattr(stages, name := action.replace("-", "_"))
        else f"`{command_line(action, arguments)}`"
        for action, arguments in _steps(error)
    ]
    return _with_steps(error, steps, "")


def _steps(error: Exception) -> Sequence[Step]:
    remedy: Sequence[Step] = getattr(error, "remedy", ())
    return remedy


def _with_steps(error: Exception, steps: Sequence[str], message: str | None = None) -> str:
    message = str(error) if message is None else message
    if not steps:
        return message
    purpose = getattr(error, "purpose", "")
    run = f"Run {', then '.join(steps)}{f' {purpose}' if purpose else ''}"
    return f"{message.rstrip('.')}. {run}" if message else run


def _call_arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_plain(value)!r}" for name, value in _of_dataset(arguments).items())


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | list | tuple | dict) else str(value)


def command_line(action: str, arguments: Mapping[str, Any]) -> str:
    """A command for a shell, `fer-stage extract --dataset my --limit 12`, with every word quoted where that is needed.

    Parameters
    ----------
    action : name of a command, with its verb: `store verify`
    arguments : value by the name of its parameter. None and defaults are left out; names of datasets that
        --limit made become the options that made them

    Raises
    ------
    KeyError
        If the command has no such parameter: a mistake in the code that names the remedy.
    """
    command = _command(action.split())
    parameters = {parameter.name: parameter for parameter in command.params}
    words = ["fer-stage", *action.split()]
    for name, value in _of_dataset(arguments, limited=action in _OF_FIRST_ROWS).items():
        words += _words(parameters[name], value)
    return shlex.join(words)


def _command(path: Sequence[str]) -> click.Command:
    from stages.cli import cli

    command: click.Command = cli
    with click.Context(cli) as context:
        for name in path:
            found = cast("click.Group", command).get_command(context, name)
            if found is None:
                raise KeyError(name)
            command = found
    return command


def _words(parameter: click.Parameter, value: Any) -> Iterator[str]:
    if value is None or value == parameter.default or str(value) == str(parameter.default):
        return
    if value is False:
        yield from parameter.secondary_opts[:1]  # of a pair such as --reuse/--no-reuse; others are left out
        return
    if isinstance(parameter, click.Argument):
        yield from map(str, value) if isinstance(value, list | tuple) else (str(value),)
        return
    option = parameter.opts[0]
    if value is True:
        yield option
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from (option, f"{name}={json.dumps(one)}")
    elif isinstance(value, list | tuple):
        for one in value if parameter.multiple else (",".join(map(str, value)),):
            yield from (option, str(one))
    else:
        yield from (option, str(value))


def _of_dataset(arguments: Mapping[str, Any], *, limited: bool = True) -> dict[str, Any]:
    """`my.first-12` is no dataset, but what `--limit 12` makes of `my`; `index` reads all rows."""
    found = first_rows(str(arguments.get("dataset", "")))
    if found is None:
        return dict(arguments)
    dataset, limit = found
    return {**arguments, "dataset": dataset, **({"limit": limit} if limited else {})}


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
        if remedy := getattr(error, "remedy", ()):
            error.remedy = tuple(  # type: ignore[attr-defined]  # it is one of ours
                (action, {**arguments, "encoder": written} if arguments.get("encoder") == folder else arguments)
                for action, arguments in remedy
            )
        raise
