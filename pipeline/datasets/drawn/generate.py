"""A whole style on disk, a sheet of it for people to look at, and several people in one picture."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.datasets.drawn.anatomy import FaceSpec
from pipeline.datasets.drawn.canvas import Canvas
from pipeline.datasets.drawn.painter import paint
from pipeline.datasets.drawn.styles import IMAGES_PER_SUBJECT, STYLES, draw_face, finished, sample_specs, style_named
from pipeline.differences import changes_text
from pipeline.errors import ConfigError
from pipeline.progress import OnProgress, Progress, silent
from pipeline.regular_files import RefusedFileError, read_json
from pipeline.tables.labels import expressions

__all__ = [
    "GENERATOR_VERSION",
    "MOST_PEOPLE",
    "begun_drawing",
    "draw_contact_sheet",
    "draw_dataset",
    "draw_group",
    "drawing_changes",
    "group_specs",
    "is_free",
    "require_drawable",
]

GENERATOR_VERSION = 1
"""Raise it whenever a change of this package changes a byte of any picture."""

_COLUMNS = ("id", "path", "label", "split", "subject", "intensity")
_IMAGE_NAME = re.compile(r"\.?[a-e]\d{5}\.(png|jpg)(\.[0-9a-f]{8}\.partial)?")
_NOT_DRAWN = re.compile(r"\..+\.(?:partial|lock)")  # what a writer left that was killed, or has just begun
_JPEG_QUALITY = 88
_STARTED = ".drawing"  # stands in the folder while it is drawn
_RAREST_OF_400 = 20  # images of the rarest expression


def draw_dataset(
    style: str,
    folder: Path,
    n: int = 400,
    seed: int = 0,
    on_progress: OnProgress = silent,
    write: Callable[[Path, bytes], object] = Path.write_bytes,
) -> None:
    """Draw `n` images of a style into `folder`: `images/`, `labels.csv` and, last of all, `sample.json`.

    A folder without `sample.json` is unfinished; the same call finishes it. One that was drawn from the same style,
    n and seed by this version is left alone, any other is drawn again. The same arguments give the same bytes.

    Parameters
    ----------
    write : puts a file there; one that replaces files as a whole makes a killed drawing leave no half picture

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
    for drawn, spec in enumerate(specs, start=1):
        write(images / _file_name(spec, style), _encoded(draw_face(spec, style), style))
        on_progress(Progress("images drawn", drawn, n, style))
    write(folder / "labels.csv", _labels(specs, style))
    write(done, (json.dumps(receipt) + "\n").encode())
    (folder / _STARTED).unlink()


def is_free(folder: Path) -> bool:
    """Whether nothing is in the folder, or nothing but what a writer left that was killed at once."""
    return not folder.exists() or (
        folder.is_dir() and all(_NOT_DRAWN.fullmatch(path.name) for path in folder.iterdir())
    )


def begun_drawing(folder: Path) -> tuple[str, int, int] | None:
    """Style, n and seed of a drawing of the folder that was begun and has not ended; None if none is known."""
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
    ours = (folder / "sample.json").exists() or (folder / _STARTED).exists()
    if not ours and not is_free(folder):
        raise ConfigError(f"{folder} holds files that are no drawn sample: choose an empty folder, or a new name")


def _read_receipt(path: Path) -> object:
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError, RefusedFileError, ValueError):  # none yet, or not ours
        return None


def _remove_leftovers(images: Path, wanted: set[str]) -> None:
    """Pictures of an earlier, longer or interrupted drawing; files that are not ours stay."""
    for path in images.iterdir():
        if path.name not in wanted and _IMAGE_NAME.fullmatch(path.name):
            path.unlink()


def _file_name(spec: FaceSpec, style: str) -> str:
    return spec.id + style_named(style).suffix


def _encoded(picture: npt.NDArray[np.uint8], style: str) -> bytes:
    scene, buffer = style_named(style), io.BytesIO()
    image = Image.fromarray(picture[..., 0] if scene.grey else picture)
    if scene.suffix == ".jpg":
        image.save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    else:
        image.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def _labels(specs: list[FaceSpec], style: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for spec in specs:
        path = f"images/{_file_name(spec, style)}"
        writer.writerow([spec.id, path, spec.label, spec.split, spec.subject, f"{spec.intensity:.3f}"])
    return text.getvalue().encode()


def draw_contact_sheet(style: str, columns: int = 10, seed: int = 0) -> npt.NDArray[np.uint8]:
    """One row for each of the seven expressions, in canonical order: uint8, shape (7 * H, columns * W, 3).

    Raises
    ------
    ConfigError
        If the style is unknown or columns < 1.
    """
    if columns < 1:
        raise ConfigError(f"columns: expected at least 1, found {columns}")
    specs = sample_specs(style, 400 * math.ceil(columns / _RAREST_OF_400), seed)
    rows = [[spec for spec in specs if spec.label == label][:columns] for label in expressions(7)]
    return np.concatenate([np.concatenate([draw_face(spec, style) for spec in row], axis=1) for row in rows])


MOST_PEOPLE = 100

# In face units: a head is about 1.6 wide and 2.3 high. Rows are so far apart that nobody hides another's mouth.
_APART, _ROWS_APART, _ABOVE, _BELOW, _BESIDE = 2.5, 2.6, 1.75, 2.0, 0.6
_STRAY = 0.12  # of places, face units
_WIDER_THAN_HIGH = 1.6


def draw_group(style: str, n: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """`n` people of a style in rows, the hindmost first, each with an expression and nothing before the face.

    Parameters
    ----------
    style : one of `STYLES`
    n : of people, in [1, 100]
    seed : another seed draws other people; the same one gives the same pixels

    Returns
    -------
    uint8, shape (H, W, 3); faces as large as in the style's own pictures

    Raises
    ------
    ConfigError
        If the style is unknown or n is out of range.
    """
    people, scene = group_specs(style, n, seed), style_named(style)
    unit = scene.unit * scene.size[1]
    places, size = _places(n, np.random.default_rng(seed))
    width, height = (math.ceil(unit * side) for side in size)
    canvas = Canvas((width, height), unit, (0.0, 0.0), scene.supersample)
    for spec, place in zip(people, places, strict=True):
        canvas.centre = (float(place[0] * unit), float(place[1] * unit))
        paint(spec, canvas, scene.look, np.random.default_rng(spec.seed))
    # Light and shade are those of one large ball: the light is the same for all people.
    canvas.unit, canvas.centre = float(max(width, height)), (width / 2, height / 2)
    return finished(canvas, scene, np.random.default_rng(people[0].seed))


def group_specs(style: str, n: int, seed: int = 0) -> list[FaceSpec]:
    """The people of a group, the hindmost row first; raises as `draw_group` does."""
    if not 1 <= n <= MOST_PEOPLE:
        raise ConfigError(f"group: expected 1 to {MOST_PEOPLE} people, found {n}")
    specs = sample_specs(style, n * IMAGES_PER_SUBJECT, seed)
    shown = [specs[person * IMAGES_PER_SUBJECT + person % IMAGES_PER_SUBJECT] for person in range(n)]
    return [replace(spec, occlusion="none") for spec in shown]


def _places(n: int, rng: np.random.Generator) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Where the faces' middles are, back rows first, and the size (width, height) of the picture; in face units."""
    n_rows = max(1, round(math.sqrt(n / _WIDER_THAN_HIGH)))
    rows = [n // n_rows + (row >= n_rows - n % n_rows) for row in range(n_rows)]  # the longer ones in front
    width = _APART * (rows[-1] + (0.5 if n_rows > 1 else 0.0)) + _BESIDE
    places = []
    for row, people in enumerate(rows):
        between = _APART / 4 * (-1) ** row if n_rows > 1 else 0.0  # behind the gaps of the row before them
        for i in range(people):
            stray_x, stray_y = rng.uniform(-_STRAY, _STRAY, 2).tolist()
            x = width / 2 + (i - (people - 1) / 2) * _APART + between
            places.append((x + stray_x, _ABOVE + row * _ROWS_APART + stray_y))
    return places, (width, _ABOVE + (n_rows - 1) * _ROWS_APART + _BELOW)
