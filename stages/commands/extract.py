"""fer-stage extract: images -> feature store."""

from __future__ import annotations

from typing import Any

import click

from pipeline.encoders import RUNTIMES
from stages.commands.options import (
    FiniteRange,
    NamesType,
    device_option,
    face_tables_option,
    features_option,
    folder_option,
    follow_links_option,
    format_option,
    max_rejected_option,
    params_option,
    quiet_option,
    request_of,
)
from stages.output import echo_record
from stages.preloading import preload_torch_unless

__all__ = ["command"]


@click.command("extract")
@click.option("--dataset", required=True, help="Name from params.yaml, or a layout's name.")
@click.option("--encoder", help="Name from params.yaml, or FAMILY:ARCH...  [default: the first of params.yaml]")
@click.option("--layout", help="Layout of the dataset on disk, if params.yaml does not name it; indexes it again.")
@click.option("--root", help="Folder, .tar, .tar.gz, .zip or one shard; indexes it again.")
@click.option(
    "--backend",
    type=click.Choice(["zarr", "hdf5"]),
    help="Backend that writes the store, as .zarr or .h5.  [default: by extract.format of params.yaml]",
)
@click.option(
    "--outputs", type=NamesType(), help="pooled, tokens, block-K, pixels, joined by commas.  [default: params.yaml]"
)
@click.option("--views", type=click.IntRange(1, 64), help="Views of a train image, the plain one included.")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), help="Of features on disk.")
@click.option(
    "--faces", type=click.Choice(["given", "aligned"]), help="Images as they are, or faces as `align` detected them."
)
@click.option("--margin", type=FiniteRange(-0.25, 2), help="Around an aligned face, share of its crop's side.")
@click.option("--missed", type=click.Choice(["reject", "centre"]), help="What an image without a face becomes.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, help="Images per step.")
@click.option(
    "--decoders", type=click.IntRange(1), help="Threads that decode ahead of an encoder.  [default: its cores]"
)
@click.option("--runtime", type=click.Choice(RUNTIMES), default="auto", show_default=True, help="Of the image tower.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that encode; more than 1 start a dask cluster on this machine.",
)
@click.option("--scheduler", help="tcp://HOST:PORT of a dask cluster that is running.")
@click.option(
    "--reuse/--no-reuse",
    default=True,
    help="Copy rows that another store holds, or encode every image.  [default: reuse]",
)
@click.option("--drop-outputs", is_flag=True, help="Drop outputs that the store has and that are not requested.")
@click.option("--limit", type=click.IntRange(1), help="Only the first N rows, into a store of its own.")
@max_rejected_option(
    0.01, "rejected images above which the command ends with code 3; the store is complete nevertheless"
)
@click.option("--dry-run", is_flag=True, help="Print what would be done; encode and write nothing.")
@folder_option("tables", "Folder of sample tables.")
@face_tables_option
@features_option
@device_option
@params_option
@follow_links_option
@format_option
@quiet_option
def command(output_format: str, **options: Any) -> None:
    """Encode every image, or frame of a clip, once, with a frozen encoder, into a feature store.

    A finished store does not change; a stopped extract resumes after its last finished shard; rows that another store
    under --features holds are copied. An image that cannot be used keeps its row, with the reason.
    """
    if options["encoder"] and options["dataset"] and options["workers"] == 1 and not options["dry_run"]:
        folder = options["features"] / options["encoder"]
        preload_torch_unless(*(folder / f"{options['dataset']}{suffix}" for suffix in (".zarr", ".h5")))
    from stages.requests import ExtractRequest
    from stages.running import run
    from stages.workflows.extract import extract

    result = run(extract, request_of(ExtractRequest, options))
    echo_record(result.summary(), output_format)
    result.check()
