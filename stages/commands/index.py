"""fer-stage index: a dataset on disk -> its sample table."""

from __future__ import annotations

from pathlib import Path

import click

from stages.commands.options import folder_option, follow_links_option, format_option, params_option, quiet_option
from stages.output import echo_record

__all__ = ["command"]


@click.command("index")
@click.option("--dataset", required=True, help="Name from params.yaml, or a layout's name.")
@click.option("--layout", help="How it lies on disk, if params.yaml does not say.  [default: of that name]")
@click.option("--root", help="Folder, .tar, .tar.gz or .zip.  [default: params.yaml, else data/DATASET]")
@click.option("--option", "options", multiple=True, help="NAME=VALUE of the layout's own options; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Scan and print, write nothing.")
@folder_option("tables", "Folder of sample tables.")
@params_option
@follow_links_option
@format_option
@quiet_option
def command(
    dataset: str,
    layout: str | None,
    root: str | None,
    options: tuple[str, ...],
    dry_run: bool,
    tables: Path,
    params_path: Path,
    output_format: str,
    quiet: bool,
) -> None:
    """Scan a dataset into its sample table: one row per image, labels by name, splits, digests.

    Prints usable samples per split and label, rejected ones per reason, what the label rule leaves out, rows that are
    in two splits by their bytes, subject or clip, and columns and images that were not read.
    """
    from cache.links import require_inside
    from stages.params import load_params
    from stages.progress import shown_progress
    from stages.workflows.tables import make_table, parse_options, write_table
    from stages.workspace import Workspace

    params = load_params(params_path)
    how = params.dataset(dataset, layout, root)
    stated = dict(parse_options(options))
    how = how.model_copy(update={"options": {**how.options, **stated}})
    path = Workspace(tables=tables).table(dataset)
    require_inside(path, tables)
    with shown_progress(quiet=quiet) as on_progress:
        table = make_table(
            dataset, how, params.sample, on_progress, {"layout": layout, "root": root, "options": stated}
        )
    if not dry_run:
        write_table(table, path)
    echo_record(table.summary() | {"path": str(path)}, output_format)
