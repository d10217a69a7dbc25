"""fer-stage draw: the embedded sample."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stages.commands.options import follow_links_option, params_path_option, quiet_option
from stages.output import say

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["command"]


@click.command("draw")
@click.option("--style", help="sample-a to sample-e: five looks, like five datasets; of --group by default sample-d.")
@click.option("--group", type=click.IntRange(1), help="One picture of so many people instead, for fer-stage predict.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: data/STYLE; of --group: group.png]")
@click.option("--images", type=click.IntRange(60), help="How many faces.  [default: params.yaml, else 1200]")
@click.option("--seed", type=click.IntRange(0), help="Another seed draws other people.  [default: params.yaml, else 0]")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Also write one PNG to look at.")
@click.option("--dry-run", is_flag=True, help="Say what would be drawn; write nothing.")
@follow_links_option
@params_path_option
@quiet_option
def command(
    style: str | None,
    group: int | None,
    out: Path | None,
    images: int | None,
    seed: int | None,
    contact_sheet: Path | None,
    dry_run: bool,
    params_path: Path,
    quiet: bool,
) -> None:
    """Draw faces with seven expressions in one of five styles. Nothing is downloaded; a seed gives the same files.

    With --group one picture of several people is drawn, to try `fer-stage predict` on.
    """
    from stages.params import load_params

    sample = load_params(params_path).sample
    seed = sample.seed if seed is None else seed
    if group is not None:
        if images or contact_sheet:
            raise click.UsageError("--group draws one picture: --images and --contact-sheet belong to a whole style")
        _draw_group(style or "sample-d", group, out or Path("group.png"), seed, dry_run=dry_run)
    elif style is None:
        raise click.UsageError("--style: expected sample-a to sample-e, found none")
    else:
        folder = out or Path("data", style)
        _draw_style(style, folder, images or sample.images, seed, contact_sheet, dry_run=dry_run, quiet=quiet)


def _draw_style(
    style: str, folder: Path, n: int, seed: int, contact_sheet: Path | None, *, dry_run: bool, quiet: bool
) -> None:
    from pipeline.datasets.drawn import draw_contact_sheet
    from pipeline.datasets.drawn.styles import style_named
    from stages.progress import shown_progress
    from stages.workflows.draw import draw_style

    style_named(style)  # refused before anything is said of it
    if contact_sheet:
        _require_picture("--contact-sheet", contact_sheet)
    if dry_run:
        say(f"would draw {n} faces of {style} in {folder}")
        return
    with shown_progress(quiet=quiet) as on_progress:
        draw_style(style, folder, n, seed, on_progress)
    if contact_sheet:
        _save(draw_contact_sheet(style), contact_sheet)
    say(f"{n} faces of {style} in {folder}")


def _draw_group(style: str, n: int, path: Path, seed: int, *, dry_run: bool) -> None:
    from pipeline.datasets.drawn import draw_group
    from pipeline.datasets.drawn.styles import style_named

    style_named(style)
    _require_picture("--out", path)
    if dry_run:
        say(f"would draw {n} people of {style} in {path}")
        return
    _save(draw_group(style, n, seed), path)
    say(f"{n} people of {style} in {path}")


def _require_picture(option: str, path: Path) -> None:
    if path.suffix.lower() not in (".png", ".jpg"):
        raise click.UsageError(f"{option}: expected a name that ends with .png or .jpg, found {path}")


def _save(picture: npt.NDArray[np.uint8], path: Path) -> None:
    from PIL import Image

    from cache.atomic import write_bytes

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, Image.registered_extensions()[path.suffix.lower()])
    write_bytes(path, buffer.getvalue())
