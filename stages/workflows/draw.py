"""What `draw` does: the embedded sample, faces or clips, or one picture of several of its people."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache.atomic import write_bytes
from cache.places.links import require_inside
from cache.places.lock import exclusive, lock_path
from pipeline.datasets.drawn import DrawingProcess, draw_dataset, draw_group, kind_of, require_drawable
from pipeline.datasets.drawn.styles import style_named
from pipeline.progress import OnProgress
from stages.params import SampleParams, load_params
from stages.requests import DrawRequest
from stages.results import DrawResult

__all__ = ["draw", "draw_style", "n_drawn"]

_WAIT_S = 3600.0  # for another process that draws the same: `index` draws what is missing
_STYLE_OF_GROUP = "sample-d"  # the most photo-like one


def draw(request: DrawRequest, on_progress: OnProgress) -> DrawResult:
    """Draw a sample into its folder, or a group into its file; nothing is written in a dry run."""
    sample = load_params(request.params).sample
    seed = sample.seed if request.seed is None else request.seed
    style = _STYLE_OF_GROUP if request.style is None else request.style  # without a group it is not None
    if request.group is not None:
        style_named(style)  # refused before any path is made of it
        result = DrawResult(style, request.group, seed, request.out or Path("group.png"), is_group=True)
    else:
        n = request.images or request.clips or n_drawn(style, sample)
        result = DrawResult(style, n, seed, request.out or Path("data", style))
    if request.dry_run:
        return result
    if result.is_group:
        _save(draw_group(style, result.n, seed), result.path)
    else:
        draw_style(style, result.path, result.n, seed, on_progress)
    if request.contact_sheet:
        _save(kind_of(style).sheet(style), request.contact_sheet)
    return result


def n_drawn(style: str, sample: SampleParams) -> int:
    """How many images or clips of a sample params.yaml has."""
    return sample.clips if kind_of(style).unit == "clip" else sample.images


def draw_style(style: str, folder: Path, n: int, seed: int, on_progress: OnProgress) -> None:
    """Draw `n` faces or clips into `folder`, see `draw_dataset`; a process that draws there already is waited for.

    Raises
    ------
    ConfigError
        As of `draw_dataset`.
    StorageError
        If the disk refuses, or a link leads out of the folder.
    """
    require_drawable(folder)
    require_inside(folder / kind_of(style).folder / "file", folder)
    write = partial(write_bytes, durable=False)  # what a power cut takes is drawn again
    with exclusive(lock_path(folder / "sample"), _WAIT_S):
        draw_dataset(style, folder, n, seed, on_progress, DrawingProcess(write))


def _save(picture: npt.NDArray[np.uint8], path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, Image.registered_extensions()[path.suffix.lower()])
    write_bytes(path, buffer.getvalue())
