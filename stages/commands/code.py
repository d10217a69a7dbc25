"""fer-stage code: what DVC compares of methods, encoders and layouts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from stages.commands.options import folder_option, follow_links_option, format_option, params_option, request_of
from stages.output import echo_rows

__all__ = ["command"]


@click.command("code")
@folder_option("tables", "Folder of the file.")
@params_option
@follow_links_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Write TABLES/code.json: the version or sha256 of each method, encoder and layout that params.yaml names.

    Stages of dvc.yaml depend on their entries in it: DVC makes again what a changed file of your own makes.
    """
    from stages.requests import CodeRequest
    from stages.running import run
    from stages.workflows.code import code

    echo_rows(map(asdict, run(code, request_of(CodeRequest, options)).code), output_format)
