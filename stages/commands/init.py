"""fer-stage init: the files of a new project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import follow_links_option, format_option, request_of
from stages.output import echo_rows, echo_text, say

if TYPE_CHECKING:
    from stages.results import InitResult

__all__ = ["command"]

_WOULD_BE = {"written": "would be written", "unchanged": "is there already", "kept": "is there, and not changed to"}


def _by_dataset(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> Mapping[str, str]:
    """`NAME=VALUE` as NAME -> VALUE; a value alone is that of the one dataset that is named."""
    datasets: Sequence[str] = list(dict.fromkeys(context.params.get("datasets", ())))
    named = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (sign and name in datasets):
            if len(datasets) != 1:
                names = ", ".join(datasets) or "none: name one with --dataset"
                raise click.BadParameter(f"expected NAME={text}, where NAME is one of the datasets ({names})")
            name, value = datasets[0], text
        if name in named:
            raise click.BadParameter(f"expected one of {name}, found several")
        named[name] = value
    return named


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    is_eager=True,  # the options below need the names
    help="What heads are trained and tested on; may be repeated.  [default: two styles of the drawn sample]",
)
@click.option(
    "--layout",
    "layouts",
    metavar="[NAME=]LAYOUT",
    multiple=True,
    callback=_by_dataset,
    help="How a dataset is laid out: `datasets` lists them.  [default: the layout of its name]",
)
@click.option(
    "--root",
    "roots",
    metavar="[NAME=]PATH",
    multiple=True,
    callback=_by_dataset,
    help="Folder, archive or shard; a relative one is below the project.  [default: data/NAME]",
)
@click.option(
    "--role",
    "roles",
    metavar="[NAME=]ROLE",
    multiple=True,
    callback=_by_dataset,
    help="train, test or both.  [default: both]",
)
@click.option("--git/--no-git", default=True, help="Make a Git repository of a folder that is in none.  [default: git]")
@click.option("--versions", is_flag=True, help="Only bring pipeline/versions.json of a project up to this fer-stage.")
@click.option("--dry-run", is_flag=True, help="Print the files; write nothing.")
@follow_links_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Start a project of your own in FOLDER: then `dvc repro` makes its report. No file that is there is changed.

    Writes params.yaml (what to run, with the roles of each dataset), dvc.yaml (the stages), the settings of DVC, a
    .gitignore that keeps faces and features out of Git, and a README. Nothing is downloaded.
    """
    from stages.requests import InitRequest
    from stages.running import run
    from stages.workflows.init import init

    result = run(init, request_of(InitRequest, options))
    if options["dry_run"] and output_format == "table":
        for file in result.files:
            echo_text(f"# {result.folder / file.path}: {_WOULD_BE[file.state]}\n")
            echo_text(file.text if file.state != "unchanged" else "")
    else:
        echo_rows(result.rows(), output_format)
    for line in _notes(result):
        say(line)


def _notes(result: InitResult) -> Iterator[str]:
    """What was not done, and what comes next."""
    for file in result.kept:
        path = result.folder / file.path
        yield f"note: {path} is there with other content and is not changed: --dry-run prints what would be written"
    if result.not_ignored:
        folders = [line for line in result.not_ignored if line.startswith("/")]
        of_files = [] if len(folders) == len(result.not_ignored) else ["the patterns of files that --dry-run prints"]
        yield (
            f"warning: {result.folder / '.gitignore'} was there, and Git may take faces or what is made of them. Add "
            f"to it: {' '.join([*folders, *of_files])}"
        )
    if result.git == "made":
        yield f"{result.folder}: {'would become' if result.dry_run else 'is now'} a Git repository"
    if result.git == "none":
        yield f"note: {result.folder} is in no Git repository: DVC works without one, and compares no commits"
    if not result.has_dvc:
        yield "note: the program dvc is not installed: pip install 'fer-stage[dvc]'. `status` names commands without it"
