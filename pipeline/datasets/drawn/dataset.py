"""A whole style on disk: pictures, their labels, and what they were drawn from."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pipeline.datasets.drawn.anatomy import FaceSpec
from pipeline.datasets.drawn.pictures import sample_specs
from pipeline.datasets.drawn.side_by_side import image_files
from pipeline.datasets.drawn.styles import STYLES, style_named
from pipeline.differences import changes_text
from pipeline.errors import ConfigError
from pipeline.progress import OnProgress, Progress, silent
from pipeline.regular_files import RefusedFileError, read_json

__all__ = [
    "GENERATOR_VERSION",
    "draw_dataset",
    "drawing_changes",
    "is_free",
    "require_drawable",
    "unfinished_drawing",
]

GENERATOR_VERSION = 1
"""Raise it whenever a change of this package changes a byte of any picture."""

_COLUMNS = ("id", "path", "label", "split", "subject", "intensity")
_IMAGE_NAME = re.compile(r"\.?[a-e]\d{5}\.(png|jpg)(\.[0-9a-f]{8}\.partial)?")
_TEMPORARY = re.compile(r"\..+\.(?:partial|lock)")  # of a writer that was killed, or has just begun
_STARTED = ".drawing"  # a file that exists in the folder while it is drawn


def draw_dataset(
    style: str,
    folder: Path,
    n: int = 400,
    seed: int = 0,
    on_progress: OnProgress = silent,
    write: Callable[[Path, bytes], object] = Path.write_bytes,
    n_processes: int | None = None,
) -> None:
    """Draw `n` images of a style into `folder`: `images/`, `labels.csv` and, last of all, `sample.json`.

    A folder without `sample.json` is unfinished; the same call finishes it. One that was drawn from the same style,
    n and seed by this version is left alone, any other is drawn again. The same arguments give the same bytes.

    Parameters
    ----------
    write : puts a file there; one that replaces files as a whole makes a killed drawing leave no incomplete picture
    n_processes : that draw side by side; None: one for each core that this process may use

    Raises
    ------
    ConfigError
        If the style is unknown, n < 1, or `folder` holds files that no drawing made.
    """
    specs = sample_specs(style, n, seed)
    receipt = _receipt(style, n, seed)
    done = folder / "sample.json"
    require_drawable(folder)
    if _read_receipt(done) == receipt:
        return
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / _STARTED, json.dumps(receipt).encode())
    done.unlink(missing_ok=True)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(images, {_file_name(spec, style) for spec in specs})
    with closing(image_files(style, n, seed, n_processes)) as files:
        for drawn, (spec, data) in enumerate(zip(specs, files, strict=True), start=1):
            write(images / _file_name(spec, style), data)
            on_progress(Progress("images drawn", drawn, n, style))
    write(folder / "labels.csv", _labels(specs, style))
    write(done, (json.dumps(receipt) + "\n").encode())
    (folder / _STARTED).unlink()


def is_free(folder: Path) -> bool:
    """Whether the folder is missing or empty, or has only temporary files of a writer that was killed."""
    return not folder.exists() or (
        folder.is_dir() and all(_TEMPORARY.fullmatch(path.name) for path in folder.iterdir())
    )


def unfinished_drawing(folder: Path) -> tuple[str, int, int] | None:
    """Style, n and seed of the drawing of the folder that was started and not finished; None if none is known."""
    receipt = _read_receipt(folder / _STARTED)
    style, n, seed = (receipt.get(name) if isinstance(receipt, dict) else None for name in ("style", "n", "seed"))
    if style not in STYLES or not isinstance(n, int) or not isinstance(seed, int):
        return None
    return (style, n, seed) if receipt == _receipt(style, n, seed) else None


def drawing_changes(style: str, folder: Path, n: int, seed: int) -> str:
    """How the finished sample in `folder` differs from what would be drawn now: `n was 400, is 600`, or empty.

    A folder without a `sample.json` that can be read is not compared: empty.
    """
    drawn, now = _read_receipt(folder / "sample.json"), _receipt(style, n, seed)
    if not isinstance(drawn, dict):
        return ""
    return changes_text({name: (drawn.get(name), value) for name, value in now.items()})


def _receipt(style: str, n: int, seed: int) -> dict[str, object]:
    return {"generator": GENERATOR_VERSION, "style": style, "seed": seed, "n": n}


def require_drawable(folder: Path) -> None:
    """Refuse a file, and a folder that holds something but no sign of a finished or an interrupted drawing.

    Raises
    ------
    ConfigError
        With what to choose instead.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: expected a folder, or a name that is free")
    is_drawing = (folder / "sample.json").exists() or (folder / _STARTED).exists()
    if not is_drawing and not is_free(folder):
        raise ConfigError(f"{folder} holds files that are no drawn sample: choose an empty folder, or a new name")


def _read_receipt(path: Path) -> object:
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError, RefusedFileError, ValueError):
        return None  # there is none yet, or it is not the JSON that this module writes


def _remove_leftovers(images: Path, expected: set[str]) -> None:
    """Pictures of an earlier, longer or interrupted drawing; other files stay."""
    for path in images.iterdir():
        if path.name not in expected and _IMAGE_NAME.fullmatch(path.name):
            path.unlink()


def _file_name(spec: FaceSpec, style: str) -> str:
    return spec.id + style_named(style).suffix


def _labels(specs: list[FaceSpec], style: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for spec in specs:
        path = f"images/{_file_name(spec, style)}"
        writer.writerow([spec.id, path, spec.label, spec.split, spec.subject, f"{spec.intensity:.3f}"])
    return text.getvalue().encode()
