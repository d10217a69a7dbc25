"""Drawing one style of the sample into its folder, whoever else wants it too."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cache.atomic import write_bytes
from cache.links import require_inside
from cache.lock import exclusive, lock_path
from pipeline.datasets.drawn import draw_dataset, require_drawable
from pipeline.progress import OnProgress

__all__ = ["draw_style"]

_WAIT_S = 3600.0  # for another process that draws the same: `index` draws what is missing


def draw_style(style: str, folder: Path, n: int, seed: int, on_progress: OnProgress) -> None:
    """Draw `n` faces of a style into `folder`, see `draw_dataset`; a process that draws there already is waited for.

    Raises
    ------
    ConfigError
        As of `draw_dataset`.
    StorageError
        If the disk refuses, or a link leads out of the folder.
    """
    require_drawable(folder)
    require_inside(folder / "images" / "picture", folder)
    write = partial(write_bytes, durable=False)  # what a power cut takes is drawn again
    with exclusive(lock_path(folder / "sample"), _WAIT_S):
        draw_dataset(style, folder, n, seed, on_progress, write)
