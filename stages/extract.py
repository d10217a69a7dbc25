"""fer-stage extract: images -> feature store."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from stages.errors import CheckFailedError
from stages.options import device_option, folder_option, format_option, params_option, quiet_option
from stages.output import echo_record, say

if TYPE_CHECKING:
    from pipeline.progress import OnProgress
    from pipeline.samples import SampleTable
    from stages.encoding import Encoding
    from stages.params import ExtractParams, Params

__all__ = ["command"]


@click.command("extract")
@click.option("--dataset", required=True, help="Name from params.yaml, or a layout's name.")
@click.option("--encoder", help="Name from params.yaml, or FAMILY:ARCH...  [default: the first of params.yaml]")
@click.option("--layout", help="How the dataset lies on disk, if params.yaml does not say; indexes it anew.")
@click.option("--root", help="Folder, .tar, .tar.gz or .zip; indexes it anew.")
@click.option("--backend", type=click.Choice(["zarr", "hdf5"]), help="How the store is kept.  [default: params.yaml]")
@click.option("--outputs", help="pooled, pixels, joined by commas.  [default: params.yaml]")
@click.option("--views", type=click.IntRange(1, 64), help="Views of a train image, the plain one included.")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), help="Of features on disk.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, help="Images a step.")
@click.option(
    "--workers", type=click.IntRange(0), help="Decode processes; 0 decodes in this one.  [default: cores - 1]"
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N rows, into a store of its own.")
@click.option(
    "--max-rejected",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Share of rejected images above which the command ends with code 3; the store is kept.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be done; encode and write nothing.")
@folder_option("tables", "Folder of sample tables.")
@folder_option("features", "Folder of feature stores.")
@device_option
@params_option
@format_option
@quiet_option
def command(**given: Any) -> None:
    """Encode every image of a dataset once, with a frozen encoder, into a feature store.

    A store that is whole already is left alone; a stopped extract goes on after its last finished shard. An image
    that cannot be used keeps its row, with the reason.
    """
    from stages.progress import shown_progress

    with shown_progress(quiet=given["quiet"]) as on_progress:
        encoding = _encoding(given, on_progress)
        if encoding.encoder.note:
            say(f"note: {encoding.encoder.note}")
        summary = encoding.plan() if given["dry_run"] else encoding.run(on_progress)
    echo_record(summary, given["output_format"])
    if summary["rejected"] > given["max_rejected"] * summary["rows"]:
        raise CheckFailedError(
            f"{summary['rejected']} of {summary['rows']} images are rejected, more than --max-rejected "
            f"{given['max_rejected']}. See them: fer-stage query {summary['path']} --where \"status == 'rejected'\""
        )


def _encoding(given: dict[str, Any], on_progress: OnProgress) -> Encoding:
    """From options and params.yaml to what is to be done; the encoder is loaded before any image is read."""
    from cache.backends import backend_name
    from cache.store import store_path
    from pipeline.encoders import load_encoder
    from stages.encoding import Encoding
    from stages.identity import prepared_as
    from stages.params import load_params

    params = load_params(given["params_path"])
    extract = _overlaid(params.extract, given)
    name, spec = params.encoder(given["encoder"] or params.run.encoders[0])
    encoder = prepared_as(load_encoder(spec, given["device"]), extract)
    table, root = _table(given, params, on_progress)
    stem = given["dataset"]
    if given["limit"] and given["limit"] < len(table):
        table, stem = table.head(given["limit"]), f"{stem}.first-{given['limit']}"
    backend = given["backend"] or backend_name(Path(f"{stem}.{extract.ending}"))
    target = store_path(given["features"], name, stem, backend)
    workers = max(1, (os.cpu_count() or 2) - 1) if given["workers"] is None else given["workers"]
    return Encoding(table, root, name, encoder, extract, target, given["batch_size"], workers, _command_line())


def _overlaid(extract: ExtractParams, given: dict[str, Any]) -> ExtractParams:
    changes = {name: given[name] for name in ("views", "dtype") if given[name] is not None}
    if given["outputs"]:
        changes["outputs"] = given["outputs"].split(",")
    return extract.model_copy(update=changes)


def _table(given: dict[str, Any], params: Params, on_progress: OnProgress) -> tuple[SampleTable, Path]:
    """The dataset's sample table and root; it is indexed first if it never was, or if options say what it is."""
    from pipeline.samples import SampleTable
    from stages.tables import make_table, write_table
    from stages.workspace import Workspace

    path = Workspace(tables=given["tables"]).table(given["dataset"])
    if path.exists() and not given["layout"] and not given["root"]:
        table = SampleTable.read(path)
        return table, Path(table.info.root)
    how = params.dataset(given["dataset"], given["layout"], given["root"])
    say(f"indexing {given['dataset']} ({how.layout} at {how.root})")
    table = make_table(given["dataset"], how, params.sample, on_progress)
    if not given["dry_run"]:
        write_table(table, path)
    return table, Path(how.root)


def _command_line() -> str:
    """This command with the options that it was given, to be run again."""
    context = click.get_current_context()
    words = ["fer-stage", "extract"]
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and not getattr(
            parameter, "is_flag", False
        ):
            words += [parameter.opts[0], str(context.params[name])]
    return shlex.join(words)
