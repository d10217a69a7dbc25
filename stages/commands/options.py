"""Options that several commands share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from pipeline.images.rejects import N_ALIKE
from stages.durations import seconds
from stages.output import FORMATS

__all__ = [
    "DurationType",
    "FiniteRange",
    "NamesType",
    "StoreType",
    "device_option",
    "export_options",
    "face_tables_option",
    "features_option",
    "folder_option",
    "follow_links_option",
    "format_option",
    "max_rejected_option",
    "method_code_option",
    "options_option",
    "params_option",
    "quiet_option",
    "request_of",
    "with_options",
]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Request = TypeVar("Request")

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="Format of stdout.",
)


def _named_file_exists(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """A file that was named must exist, the default need not. Error messages need the path, too."""
    is_named = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if is_named and not value.is_file():
        raise click.BadParameter(f"no file at {value}")
    context.ensure_object(dict)["params"] = value
    return value


params_option = click.option(
    "--params",
    type=click.Path(path_type=Path),
    callback=_named_file_exists,
    default=Path("params.yaml"),
    show_default=True,
    help="Parameters; the defaults are used if the file does not exist.",
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress on stderr.")
method_code_option = click.option(
    "--method", metavar="FILE.py:NAME", help="Code of a method of your own, if params.yaml does not name it."
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto (CUDA when there is one, else cpu), cpu, cuda or cuda:N."
)


class FiniteRange(click.FloatRange):
    """A range of numbers without `nan`, which no comparison excludes, and `inf`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a finite number, found {value}", param, ctx)
        return number


class DurationType(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A duration such as 2s, 0.5 or 500ms, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _PlaceType(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A folder, or a place in an object store."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from cache.places import as_path  # late: it imports a library that `--help` does not need

        return as_path(value)


class StoreType(_PlaceType):
    """The location of a store, or of several: a slash at the end is ignored, ~ is the home folder."""

    name = "store"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("expected the path of a store, found an empty text", param, ctx)
        location = super().convert(value.rstrip("/") or value if isinstance(value, str) else value, param, ctx)
        return location.expanduser() if isinstance(location, Path) else location


class NamesType(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Names joined by commas, as a tuple."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else tuple(value)


features_option = click.option(
    "--features",
    type=_PlaceType(),
    default="features",
    show_default=True,
    help="Root of feature stores: a folder, or s3://BUCKET/PREFIX.",
)


face_tables_option = click.option(
    "--face-tables",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("faces"),
    show_default=True,
    help="Folder of face tables, which `align` writes.",
)


def _follow_links(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from cache.places.links import links_followed  # late: it imports a library that `--help` does not need

        context.with_resource(links_followed())


follow_links_option = click.option(
    "--follow-links",
    is_flag=True,
    envvar="FER_STAGE_FOLLOW_LINKS",
    expose_value=False,
    callback=_follow_links,
    help="Also write through links that lead out of the folder of an output.",
)


def max_rejected_option(default: float, share: str) -> Decorator:
    """`--max-rejected`, of commands that read many images.

    Parameters
    ----------
    default : in [0, 1]
    share : what the share is of, and its effect: "rejected images above which ..."
    """
    return click.option(
        "--max-rejected",
        type=FiniteRange(0, 1),
        default=default,
        show_default=True,
        help=f"Share of {share}. Unless it is 1, the command stops where the first {N_ALIKE} images are all rejected "
        "for one reason.",
    )


def export_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--rejected`, `--dtype` and `--list`: how rows are written for other programs."""
    options = (
        click.option(
            "--rejected",
            type=click.Choice(["keep", "drop"]),
            default="keep",
            show_default=True,
            help="Rows without a feature: null in .parquet and NaN (0 in pixels) in arrays, or left out.",
        ),
        click.option(
            "--dtype",
            type=click.Choice(["stored", "float32"]),
            default="stored",
            show_default=True,
            help="Of features.",
        ),
        click.option("--list", "plain_list", is_flag=True, help="Of .parquet: plain lists, not of a fixed size."),
    )
    return with_options(command, options)


def with_options(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """A command with several options, which its help lists in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def _parsed_options(context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]) -> Mapping[str, Any]:
    if not pairs:
        return {}
    from stages.yaml_files import parse_options  # late: it imports libraries that `--help` does not need

    return parse_options(pairs)


def options_option(help_text: str) -> Decorator:
    """`--option NAME=VALUE`, repeated: a mapping, each value as YAML reads it."""
    return click.option("--option", "options", multiple=True, callback=_parsed_options, help=help_text)


def folder_option(name: str, what: str) -> Decorator:
    """`--tables`, `--runs` or `--reports`: a folder, by default below the current one."""
    return click.option(
        f"--{name}", type=click.Path(path_type=Path, file_okay=False), default=Path(name), show_default=True, help=what
    )


def request_of(kind: type[Request], options: Mapping[str, Any]) -> Request:
    """The request that the options of the current command make.

    Raises
    ------
    click.UsageError
        If a value is wrong, or options exclude each other; the message names them as options.
    """
    from pydantic import ValidationError  # late: `--help` does not need it

    names: dict[str | None, str] = {p.name: p.opts[0] for p in click.get_current_context().command.params}
    try:
        return kind(**options)
    except ValidationError as error:
        raise click.UsageError("; ".join(_problem(dict(item), names) for item in error.errors())) from error


def _problem(item: Mapping[str, Any], names: Mapping[str | None, str]) -> str:
    """A problem that pydantic reports, with options for parameters: --contact-sheet for `contact_sheet`."""
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return re.sub(r"`(\w+)`", lambda match: names.get(match[1], match[0]), message)
    return f"{names.get(item['loc'][0], item['loc'][0])}: {message}, found {item['input']}"
