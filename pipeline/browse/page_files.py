"""The files of the page: one HTML file, its script and style, and data that the script loads when it is needed.

Data are scripts that call `loaded(name, value)`: a page that was opened as a file may load scripts, and nothing else.
Arrays are base64 of their bytes, little-endian.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from pipeline.browse.units import STATUSES, Predicted, UnitMap

__all__ = ["ROWS_AT_ONCE", "asset", "data_script", "head_script", "map_script", "page_html", "run_script"]

ROWS_AT_ONCE = 256  # units whose texts are one file
_TEMPLATES = Path(__file__).parent / "templates"


def page_html(*, is_live: bool, policy: str) -> str:
    """The page.

    Parameters
    ----------
    is_live : whether a program answers its requests; else it is a folder of files
    policy : content security policy
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.browse"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html.j2").render(is_live=is_live, policy=policy)


def asset(name: str) -> bytes:
    """`page.js` or `page.css`."""
    return (_TEMPLATES / name).read_bytes()


def data_script(name: str, value: Any) -> bytes:
    """A file of data: ASCII, so that no text of a user ends a line or a script."""
    return f"loaded({json.dumps(name)}, {json.dumps(value, allow_nan=False)});\n".encode("ascii")


def head_script(maps: Sequence[UnitMap], runs: Sequence[Predicted], settings: Mapping[str, Any]) -> bytes:
    """What the page needs first: which maps and runs there are.

    Parameters
    ----------
    settings : plain data that the script reads besides
    """
    head = {
        **settings,
        "rowsAtOnce": ROWS_AT_ONCE,
        "statuses": STATUSES,
        "maps": [
            {
                "name": units.name,
                "n": len(units),
                "labels": units.labels,
                "datasets": units.datasets,
                "notes": units.notes,
                "planes": [{"name": name, "caption": plane.caption} for name, plane in units.planes.items()],
            }
            for units in maps
        ],
        "runs": [{"name": run.name, "map": run.map, "classes": run.classes} for run in runs],
    }
    return data_script("head", head)


def map_script(number: int, units: UnitMap) -> bytes:
    """The arrays of a map."""
    arrays = {"label": _packed(units.label), "dataset": _packed(units.dataset), "frames": _packed(units.n_frames)}
    for position, plane in enumerate(units.planes.values()):
        arrays[f"x{position}"] = _packed(np.ascontiguousarray(plane.places[:, 0]))
        arrays[f"y{position}"] = _packed(np.ascontiguousarray(plane.places[:, 1]))
    return data_script(f"map-{number}", arrays)


def run_script(number: int, run: Predicted) -> bytes:
    """The arrays of a run."""
    arrays = {
        "status": _packed(run.status),
        "prediction": _packed(run.prediction),
        "probability": _packed(run.probability),
    }
    return data_script(f"run-{number}", arrays)


def _packed(values: npt.NDArray[Any]) -> dict[str, str]:
    return {
        "dtype": str(values.dtype),
        "data": base64.b64encode(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()).decode("ascii"),
    }
