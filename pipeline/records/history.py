"""history.csv of a run: one row per epoch, or per value of what was searched."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Mapping
from pathlib import Path

from pipeline.records.files import Advice, read_regular
from pipeline.regular_files import MAX_JSON_BYTES

__all__ = ["History", "read_history"]

History = tuple[Mapping[str, float | None], ...]


def read_history(path: Path, sha256: str, advice: Advice) -> History:
    """The rows of a history; a value is None where none was measured.

    Parameters
    ----------
    sha256 : of the file, as run.json has it
    advice : what to do about another file

    Raises
    ------
    InputError
        If there is no such file, it holds something else, or it is the history of another run.
    """
    problem = f"{path}: expected the table of epochs that train writes, found"
    try:
        data = read_regular(path, MAX_JSON_BYTES, advice)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise advice.error(f"{problem} no such file") from error
    try:
        table = csv.DictReader(io.StringIO(data.decode()), strict=True)
        rows = tuple({name: _measured(value) for name, value in row.items()} for row in table)
    except (TypeError, ValueError, csv.Error) as error:  # TypeError: a row longer than the header
        raise advice.error(f"{problem} something else ({error})") from error
    if sha256 != hashlib.sha256(data).hexdigest():
        raise advice.error(
            f"{problem} another than the one that run.json next to it describes, by its sha256. If it is being trained "
            "at this moment, wait until it is finished"
        )
    return rows


def _measured(text: str | None) -> float | None:
    """A number of the table; None for an empty cell, NaN or infinity."""
    if text is None:
        raise ValueError("a row is shorter than the header")
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None
