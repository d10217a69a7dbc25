"""A whole sample on disk: pictures or clips, their labels, and what they were drawn from."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.drawn.anatomy import FaceSpec
from pipeline.datasets.drawn.kinds import KINDS, SAMPLES, Kind, kind_of
from pipeline.datasets.drawn.side_by_side import sample_files
from pipeline.differences import changes_text
from pipeline.errors import ConfigError
from pipeline.progress import OnProgress, Progress, silent
from pipeline.regular_files import RefusedFileError, read_json

__all__ = [
    "DrawingProcess",
    "draw_dataset",
    "drawing_changes",
    "is_free",
    "require_drawable",
    "unfinished_drawing",
]

_COLUMNS = ("id", "path", "label", "split", "subject", "intensity")
_TEMPORARY = re.compile(r"\..+\.(?:partial|lock)")  # of a writer that was killed, or has just begun
_STARTED = ".drawing"  # a file that exists in the folder while it is drawn


@dataclass(frozen=True)
class DrawingProcess:
    """How a dataset is drawn.

    Parameters
    ----------
    write : puts a file there; one that replaces files as a whole makes a killed drawing leave no incomplete picture
    n_processes : that draw side by side; None: one for each core that this process may use
    """

    write: Callable[[Path, bytes], object] = Path.write_bytes
    n_processes: int | None = None


_DEFAULT = DrawingProcess()


def draw_dataset(
    sample: str,
    folder: Path,
    n: int = 400,
    seed: int = 0,
    on_progress: OnProgress = silent,
    how: DrawingProcess = _DEFAULT,
) -> None:
    """Draw `n` images or clips into `folder`: `images/` or `clips/`, `labels.csv` and, last of all, `sample.json`.

    A folder without `sample.json` is unfinished; the same call finishes it. One that was drawn from the same sample,
    n and seed by this version is left alone, any other is drawn again. The same arguments give the same bytes.

    Parameters
    ----------
    sample : one of `SAMPLES`
    how : of no effect on the bytes

    Raises
    ------
    ConfigError
        If the sample is unknown, n < 1, `folder` holds files that no drawing made, or clips cannot be encoded.
    """
    kind = kind_of(sample)
    faces = [kind.face(spec) for spec in kind.specs(sample, n, seed)]
    receipt = _receipt(sample, n, seed)
    done = folder / "sample.json"
    require_drawable(folder)
    if _read_receipt(done) == receipt:
        return
    folder.mkdir(parents=True, exist_ok=True)
    how.write(folder / _STARTED, json.dumps(receipt).encode())
    done.unlink(missing_ok=True)
    names = [kind.file_name(sample, face.id) for face in faces]
    _remove_leftovers(folder, {folder / kind.folder / name for name in names})
    (folder / kind.folder).mkdir(exist_ok=True)
    with closing(sample_files(sample, n, seed, how.n_processes)) as files:
        for drawn, (name, data) in enumerate(zip(names, files, strict=True), start=1):
            how.write(folder / kind.folder / name, data)
            on_progress(Progress(f"{kind.folder} drawn", drawn, n, sample))
    how.write(folder / "labels.csv", _labels(faces, kind, names))
    how.write(done, (json.dumps(receipt) + "\n").encode())
    (folder / _STARTED).unlink()


def is_free(folder: Path) -> bool:
    """Whether the folder is missing or empty, or has only temporary files of a writer that was killed."""
    return not folder.exists() or (
        folder.is_dir() and all(_TEMPORARY.fullmatch(path.name) for path in folder.iterdir())
    )


def unfinished_drawing(folder: Path) -> tuple[str, int, int] | None:
    """Sample, n and seed of the drawing of the folder that was started and not finished; None if none is known."""
    receipt = _read_receipt(folder / _STARTED)
    style, n, seed = (receipt.get(name) if isinstance(receipt, dict) else None for name in ("style", "n", "seed"))
    if style not in SAMPLES or not isinstance(n, int) or not isinstance(seed, int):
        return None
    return (style, n, seed) if receipt == _receipt(style, n, seed) else None


def drawing_changes(sample: str, folder: Path, n: int, seed: int) -> str:
    """How the finished sample in `folder` differs from what would be drawn now: `n was 400, is 600`, or empty.

    A folder without a `sample.json` that can be read is not compared: empty.
    """
    drawn, now = _read_receipt(folder / "sample.json"), _receipt(sample, n, seed)
    if not isinstance(drawn, dict):
        return ""
    return changes_text({name: (drawn.get(name), value) for name, value in now.items()})


def _receipt(sample: str, n: int, seed: int) -> dict[str, object]:
    kind = kind_of(sample)
    unit = {} if kind.unit == "image" else {"unit": kind.unit}
    return {"generator": kind.version, "style": sample, "seed": seed, "n": n, **unit}


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


def _remove_leftovers(folder: Path, expected: set[Path]) -> None:
    """Files of an earlier, longer or interrupted drawing, or of one of the other kind; foreign files stay."""
    for kind in KINDS:
        for path in (folder / kind.folder).glob("*"):
            if path not in expected and kind.written.fullmatch(path.name):
                path.unlink()


def _labels(faces: list[FaceSpec], kind: Kind, names: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for face, name in zip(faces, names, strict=True):
        path = f"{kind.folder}/{name}"
        writer.writerow([face.id, path, face.label, face.split, face.subject, f"{face.intensity:.3f}"])
    return text.getvalue().encode()
