"""fer-stage audit: what is in several datasets, and in several splits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    FiniteRange,
    NamesType,
    device_option,
    features_option,
    folder_option,
    follow_links_option,
    format_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_record, echo_rows, say

if TYPE_CHECKING:
    from stages.results import AuditResult

__all__ = ["command"]

_KINDS = ("bytes", "pixels", "phash")
_COLUMNS = ("kind", "rows in", "equal in", "groups", "pictures", "share", "other_pictures", "conflicts")


@click.command("audit")
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@click.option(
    "--kinds",
    type=NamesType(),
    default=_KINDS,
    show_default=",".join(_KINDS),
    help="What is compared, joined by commas: bytes (in any case), pixels, phash, features.",
)
@click.option(
    "--max-bits",
    type=click.IntRange(0, 16),
    default=4,
    show_default=True,
    help="Of phash: bits of 64 that may differ.",
)
@click.option("--encoder", help="Whose features, of the stores below --features.  [default: params.yaml]")
@click.option(
    "--min-cosine", type=FiniteRange(0, 1), default=0.98, show_default=True, help="Of features: cosine of two pictures."
)
@click.option("--pairs", type=click.Path(path_type=Path), help="Also write every pair: .csv or .parquet.")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Also write a PNG of up to 48 pairs.")
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Do the labels fit another order, by the predictions of this head? Its folder; `default` is the head of "
    "fer-stage.",
)
@click.option("--zero-shot", is_flag=True, help="The same by zero-shot with --encoder.")
@click.option("--threads", type=click.IntRange(1), help="Threads that read and decode.  [default: cores]")
@click.option("--dry-run", is_flag=True, help="Compare and print; write nothing.")
@folder_option("tables", "Folder of sample tables, and of what is known of their pictures.")
@features_option
@folder_option("audits", "Folder of the record that evaluate and report read.")
@device_option
@params_option
@follow_links_option
@format_option
@quiet_option
def command(output_format: str, **options: Any) -> None:
    """Compare the pictures of one dataset, or of several, within and across their splits.

    Prints, for every kind of equality, how many rows of a split have an equal in another split, in another dataset or
    in the same split, and how many of them have another label; and people and clips that are in two splits. A row is
    counted under the strictest kind only. Pictures are decoded once: a second audit reads none.

    The exit code is 3 if anything is found.
    """
    from stages.requests import AuditRequest
    from stages.running import run
    from stages.workflows.audit import audit

    result = run(audit, request_of(AuditRequest, options))
    _echo(result, output_format)
    for name, finding in result.label_order.items():
        say(f"{name}: {finding.text()}")
    for note in result.notes:
        say(f"note: {note}")
    result.check()
    say("nothing is found twice")


def _echo(result: AuditResult, output_format: str) -> None:
    summary = result.summary()
    if output_format == "json":
        echo_record(summary, output_format)
        return
    rows = summary["findings"]
    if output_format == "csv":
        echo_rows(rows, output_format, list(result.frame.columns))
        return
    echo_rows([_with_places(row) for row in rows], output_format, _COLUMNS)
    for kind, sizes in summary["groups"].items():
        if sizes["groups"]:
            say(f"{kind}: {sizes['groups']:,} groups of {sizes['rows']:,} rows, the largest of {sizes['largest']:,}")


def _with_places(row: dict[str, Any]) -> dict[str, Any]:
    places = (f"{row['dataset']} {row['split']}", f"{row['other_dataset']} {row['other_split']}")
    return row | dict(zip(("rows in", "equal in"), places, strict=True)) | {"share": f"{row['share']:.2%}"}
