"""What `browse` writes on request: the page with copies of its pictures as a folder, and the sheet of mistakes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from shutil import rmtree

from cache.atomic import write_bytes
from cache.places.links import require_inside
from cache.places.refusals import storage_errors
from pipeline.browse.sheet import MOST_ON_SHEET, Mistake, draw_mistakes
from pipeline.browse.units import NO_CLASS, confident_mistakes
from pipeline.progress import OnProgress, Progress
from stages.errors import StageError
from stages.workflows.browse_page import BrowsePage

__all__ = ["require_free", "write_folder", "write_sheet"]

_IGNORED = "# pictures of people: they stay out of repositories\n*\n"


def require_free(out: Path) -> None:
    """StageError if there is anything but an empty folder at the place of a page."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        found = "one with files" if out.is_dir() else "a file"
        raise StageError(f"--out {out}: expected a new or empty folder, found {found}. Name another one")


def write_folder(page: BrowsePage, out: Path, on_progress: OnProgress) -> None:
    """Write all files of a page into a new folder, which has its name when it is whole.

    Raises
    ------
    StageError, StorageError
        If something is there, or the disk refuses.
    """
    require_free(out)
    place = out.resolve()  # `.` has no name
    begun = place.with_name(f".{place.name}.unfinished")
    require_inside(begun, begun.parent)
    rmtree(begun, ignore_errors=True)
    try:
        with storage_errors(out):
            _write_files(page, begun, on_progress)
            if place.exists():
                place.rmdir()
            os.replace(begun, place)
    finally:
        rmtree(begun, ignore_errors=True)


def _write_files(page: BrowsePage, folder: Path, on_progress: OnProgress) -> None:
    write_bytes(folder / ".gitignore", _IGNORED.encode())  # before any picture: the program may be killed
    names = list(page.names())
    for number, name in enumerate(names):
        if not number % 100:
            on_progress(Progress("files of the page", number, len(names)))
        file = page.file(name)
        assert file is not None  # `names` are those that there are
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file[1])


def write_sheet(page: BrowsePage, path: Path) -> None:
    """Write the most confident mistakes of the one run of a page on its one dataset as a PNG."""
    browsed, run = page.maps[0], page.runs[0]
    wrong = confident_mistakes(browsed.view, run)
    mistakes = []
    for unit in wrong[:MOST_ON_SHEET].tolist():
        pictures, row = browsed.pictures[0], browsed.parts[0].middle(unit)
        label = browsed.view.labels[browsed.view.label[unit]]
        predicted = f"{run.classes[run.prediction[unit]]} {100 * run.probability[unit]:.1f} %"
        id_ = str(browsed.parts[0].ids[unit])
        mistakes.append(Mistake(pictures.picture(row), predicted, f"label {label}", id_))
    n_scored = int((run.prediction != NO_CLASS).sum())
    title = (
        f"{run.name}\n{browsed.view.datasets[0]}: the {len(mistakes)} most confident of {len(wrong):,} mistakes "
        f"of {n_scored:,}. Pictures of people: not for publication"
    )
    out = io.BytesIO()
    draw_mistakes(title, mistakes).save(out, "PNG")
    write_bytes(path, out.getvalue())
