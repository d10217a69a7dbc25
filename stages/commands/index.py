"""fer-stage index: a dataset on disk -> its sample table."""

from __future__ import annotations

from typing import Any

import click

from stages.commands.options import (
    folder_option,
    follow_links_option,
    format_option,
    options_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_record

__all__ = ["command"]


@click.command("index")
@click.option("--dataset", required=True, help="Name from params.yaml, or a layout's name.")
@click.option(
    "--layout",
    help="Layout of the dataset on disk; FILE.py:NAME for your own.  [default: params.yaml, else the dataset's name]",
)
@click.option("--root", help="Folder, .tar, .tar.gz, .zip or one shard.  [default: params.yaml, else data/DATASET]")
@options_option("NAME=VALUE of the layout's own options; may be repeated.")
@click.option(
    "--read-all",
    is_flag=True,
    help="Read every image; else only new ones and those whose size, times (mtime, ctime) or inode changed since the "
    "last scan.",
)
@click.option("--dry-run", is_flag=True, help="Scan and print, write nothing.")
@folder_option("tables", "Folder of sample tables.")
@params_option
@follow_links_option
@format_option
@quiet_option
def command(output_format: str, **options: Any) -> None:
    """Scan a dataset into its sample table: labels by name, splits, digests.

    One row is one image, or one frame of a clip. Prints usable images or clips per split and label, rejected ones per
    reason, rows that the label rule excludes, rows that are in two splits by their bytes, subject or clip, and columns
    and images that were not read. A second scan reads images and videos that changed since the first.
    """
    from stages.requests import IndexRequest
    from stages.running import run
    from stages.workflows.index import index

    echo_record(run(index, request_of(IndexRequest, options)).summary(), output_format)
