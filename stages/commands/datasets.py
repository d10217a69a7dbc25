"""fer-stage datasets: what is configured, what can be read, and what is on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from stages.commands.options import folder_option, format_option, params_option, request_of
from stages.output import echo_record, echo_rows

__all__ = ["command"]


@click.command("datasets")
@click.option(
    "--about",
    metavar="NAME",
    help="Print what is known of this dataset or layout instead: licence, labels, published counts, traps, options.",
)
@folder_option("tables", "Folder of sample tables.")
@params_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Every configured dataset and every layout: its root, whether that exists, rows of its table if it is indexed.

    `outdated` names the differences between the table and params.yaml; `extract` then indexes the dataset again.
    """
    from stages.requests import DatasetsRequest
    from stages.running import run
    from stages.workflows.datasets import datasets

    result = run(datasets, request_of(DatasetsRequest, options))
    if result.about is None:
        echo_rows(map(asdict, result.datasets), output_format)
    else:
        echo_record(result.about.as_json() if output_format == "json" else result.about.summary(), output_format)
