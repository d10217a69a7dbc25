"""fer-stage store export: rows and features for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from stages.commands.options import (
    NamesType,
    StoreType,
    export_options,
    folder_option,
    follow_links_option,
    format_option,
    with_options,
)
from stages.output import echo_record, say

if TYPE_CHECKING:
    from cache.places import AnyPath
    from stages.results import ExportResult

__all__ = ["command"]

_OF_OUTPUT = ("feature", "view", "rejected", "dtype", "plain_list", "croissant")
_OF_ATLAS = ("projection", "neighbors", "run", "images", "tables")


def _atlas_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What the file of `--atlas` has beside the rows."""
    options = (
        click.option(
            "--projection",
            type=click.Choice(["pca", "tsne"]),
            default="pca",
            show_default=True,
            help="Of --atlas: places in the plane.",
        ),
        click.option(
            "--neighbors",
            type=click.IntRange(0),
            default=15,
            show_default=True,
            help="Of --atlas: nearest rows of each row.",
        ),
        click.option("--run", type=click.Path(path_type=Path), help="Of --atlas: a run whose predictions are columns."),
        click.option("--images", is_flag=True, help="Of --atlas: pictures too; the file then holds faces."),
        folder_option("tables", "Of --images: folder of the table that says where files are."),
    )
    return with_options(command, options)


@click.command("export")
@click.argument("store", type=StoreType())
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Where to: .parquet, .npy (and .npy.csv) or .safetensors (and .csv). An earlier export there is replaced.",
)
@click.option(
    "--atlas",
    type=click.Path(path_type=Path),
    help="In place of --output: a .parquet for embedding-atlas, with places in a plane and nearest rows.",
)
@click.option("--where", help="Only rows that meet a condition, as of `fer-stage query`.  [default: all]")
@click.option("--columns", type=NamesType(), help="Joined by commas.  [default: all]")
@click.option("--feature", default="pooled", show_default=True, help="Which output of the store.")
@click.option("--view", type=click.IntRange(0), default=0, show_default=True, help="Which view; 0 is the plain image.")
@export_options
@click.option("--croissant", is_flag=True, help="Of .parquet: also .croissant.json, which describes the file.")
@_atlas_options
@follow_links_option
@format_option
def command(
    store: AnyPath,
    output: Path | None,
    atlas: Path | None,
    where: str | None,
    columns: tuple[str, ...] | None,
    output_format: str,
    **options: Any,
) -> None:
    """Write rows of STORE with their features, shard by shard. The features are raw, as they are stored.

    A row without a feature (its image was rejected, or has no such view) is kept as null or NaN, and counted; with
    --atlas it is left out.
    """
    chosen = {"where": where, "columns": columns}
    if output and not atlas:
        done = _exported(store, output, chosen, options)
    elif atlas and not output:
        done = _exported_atlas(store, atlas, chosen, options)
    else:
        raise click.UsageError("expected --output or --atlas, and not both")
    if done.note:
        say(f"note: {done.note}")
    echo_record(done.summary(), output_format)


def _exported(store: AnyPath, output: Path, chosen: dict[str, Any], options: dict[str, Any]) -> ExportResult:
    from stages.workflows.exports import ExportSelection, export_form, export_store

    _refuse_others(_OF_ATLAS, "--atlas")
    form = export_form(*(options[name] for name in ("rejected", "dtype", "plain_list")))
    selected = ExportSelection(**chosen, feature=options["feature"], view=options["view"])
    return export_store(store, output, selected, form=form, croissant=options["croissant"])


def _exported_atlas(store: AnyPath, output: Path, chosen: dict[str, Any], options: dict[str, Any]) -> ExportResult:
    from stages.progress import progress_display
    from stages.workflows.atlas import AtlasContent, export_atlas

    _refuse_others(_OF_OUTPUT, "--output")
    named = {name: options[name] for name in ("projection", "run", "images", "tables")}
    content = AtlasContent(n_neighbors=options["neighbors"], **named)
    with progress_display(quiet=False) as on_progress:
        return export_atlas(store, output, on_progress, content=content, **chosen)


def _refuse_others(names: tuple[str, ...], owner: Literal["--output", "--atlas"]) -> None:
    """UsageError if an option was given that is of no effect without `owner`."""
    context = click.get_current_context()
    options = {option.name: option.opts[0] for option in context.command.params}
    given = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        raise click.UsageError(f"{', '.join(options[name] for name in given)}: of {owner} only")
