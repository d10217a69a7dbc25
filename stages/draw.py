"""fer-stage draw: the embedded sample."""

from __future__ import annotations

from pathlib import Path

import click

from stages.options import params_option, quiet_option
from stages.output import say

__all__ = ["command"]


@click.command("draw")
@click.option("--style", required=True, help="sample-a to sample-e: five looks, like five datasets of the field.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: data/STYLE]")
@click.option("--images", type=click.IntRange(60), help="How many faces.  [default: params.yaml, else 400]")
@click.option("--seed", type=click.IntRange(0), help="Another seed draws other people.  [default: params.yaml, else 0]")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Also write one PNG to look at.")
@click.option("--dry-run", is_flag=True, help="Say what would be drawn; write nothing.")
@params_option
@quiet_option
def command(
    style: str,
    out: Path | None,
    images: int | None,
    seed: int | None,
    contact_sheet: Path | None,
    dry_run: bool,
    params_path: Path,
    quiet: bool,
) -> None:
    """Draw faces with seven expressions in one of five styles. Nothing is downloaded; a seed gives the same files."""
    from PIL import Image

    from pipeline.datasets.sample import draw_contact_sheet, draw_dataset
    from stages.params import load_params
    from stages.progress import shown_progress

    sample = load_params(params_path).sample
    folder, n = out or Path("data", style), images or sample.images
    if contact_sheet and contact_sheet.suffix.lower() not in (".png", ".jpg"):
        raise click.UsageError(f"--contact-sheet: expected a name that ends with .png or .jpg, found {contact_sheet}")
    if dry_run:
        say(f"would draw {n} faces of {style} in {folder}")
        return
    with shown_progress(quiet=quiet) as on_progress:
        draw_dataset(style, folder, n, sample.seed if seed is None else seed, on_progress)
    if contact_sheet:
        contact_sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_contact_sheet(style)).save(contact_sheet)
    say(f"{n} faces of {style} in {folder}")
