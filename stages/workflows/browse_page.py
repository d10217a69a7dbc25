"""The page as files: what each name holds, made when it is requested. A server sends them, a folder has them all.

Names are numbers of maps, units and runs: no name becomes a path of the disk.
"""

from __future__ import annotations

import base64
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.errors import CacheError, QueryError
from cache.neighbors import FlatIndex
from cache.query import names_in, row_mask, unknown_values
from pipeline.browse.page_files import (
    ROWS_AT_ONCE,
    asset,
    data_script,
    head_script,
    map_script,
    page_html,
    run_script,
)
from pipeline.browse.units import NO_CLASS, STATUSES, Predicted, UnitMap
from stages.workflows.browse_pictures import Pictures
from stages.workflows.browse_units import StoreUnits

__all__ = ["BrowsePage", "BrowsedMap", "policy"]

_N_NEAR = 12
_MOST_NEAR_FILES = 20_000  # units of a map whose neighbors a folder of files has
_HTML, _SCRIPT, _STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_ASSETS = {"page.js": _SCRIPT, "scatter.js": _SCRIPT, "views.js": _SCRIPT, "page.css": _STYLE}

File = tuple[str, bytes]  # content type, content


def policy(*, is_live: bool) -> str:
    """The content security policy: nothing but the page's own files; in a folder also by the scheme of files."""
    own = "'self'" if is_live else "'self' file:"
    return (
        f"default-src 'none'; script-src {own}; style-src {own}; img-src {own} data:; "
        f"connect-src {own if is_live else chr(39) + 'none' + chr(39)}; base-uri 'none'; form-action 'none'"
    )


@dataclass(frozen=True, eq=False)
class BrowsedMap:
    """Units of test sets under one encoder, and where they come from.

    Parameters
    ----------
    view : what the page shows of them
    parts : the units of each dataset, in the order of `view`
    pictures : of each of `parts`
    """

    view: UnitMap
    parts: tuple[StoreUnits, ...]
    pictures: tuple[Pictures, ...]

    @cached_property
    def offsets(self) -> npt.NDArray[np.intp]:
        """The first unit of each part, and the number of all."""
        return np.concatenate([[0], np.cumsum([len(part) for part in self.parts])]).astype(np.intp)

    def located(self, unit: int) -> tuple[int, int]:
        """The part of a unit, and its number in it."""
        part = int(np.searchsorted(self.offsets, unit, side="right")) - 1
        return part, unit - int(self.offsets[part])

    def ids(self) -> npt.NDArray[np.object_]:
        """Of all units, shape (U,)."""
        return np.concatenate([part.ids for part in self.parts])

    def row_of(self, unit: int, frame: int | None = None) -> tuple[Pictures, int] | None:
        """Where the picture of a unit is, or one of the frames of its strip; None if it has no such frame."""
        part, local = self.located(unit)
        if frame is None:
            return self.pictures[part], self.parts[part].middle(local)
        frames = self.parts[part].frames(local)
        return (self.pictures[part], int(frames[frame])) if frame < len(frames) else None

    def texts(self, chunk: int) -> list[dict[str, str]]:
        """What is known of the units of a chunk."""
        start, stop = chunk * ROWS_AT_ONCE, min((chunk + 1) * ROWS_AT_ONCE, len(self.view))
        result: list[dict[str, str]] = []
        for part, first in zip(self.parts, self.offsets.tolist(), strict=False):
            inside = range(max(start - first, 0), min(stop - first, len(part)))
            result += part.texts(inside) if len(inside) else []
        return result

    def neighbors(self, units: npt.NDArray[np.intp]) -> list[dict[str, Any]]:
        """The nearest other units of each, by the cosine of their features, of all datasets of the map."""
        vectors = np.stack([self.parts[part].features[local] for part, local in map(self.located, units.tolist())])
        usable = np.isfinite(vectors.astype(np.float32)).all(axis=1)
        results: list[dict[str, Any]] = [
            {"units": [], "cosines": [], "note": "It has no feature: it was rejected"} for _ in units
        ]
        if not usable.any():
            return results
        answers = [index.nearest(vectors[usable], _N_NEAR + 1) for index in self._indexes]
        rows = np.concatenate([found.rows + first for found, first in zip(answers, self.offsets[:-1], strict=True)], 1)
        scores = np.concatenate([found.scores for found in answers], axis=1)
        for at, unit_rows, unit_scores in zip(np.flatnonzero(usable), rows, scores, strict=True):
            order = [i for i in np.argsort(-unit_scores, kind="stable") if unit_rows[i] != units[at]][:_N_NEAR]
            cosines = [round(float(unit_scores[i]), 4) for i in order]
            note = f"By cosine of features, among the {len(self.view):,} units of this page"
            results[at] = {"units": [int(unit_rows[i]) for i in order], "cosines": cosines, "note": note}
        return results

    @cached_property
    def _indexes(self) -> list[FlatIndex]:
        return [FlatIndex(part.features) for part in self.parts]

    def column(self, name: str) -> pd.Series[Any] | None:
        """A column of the stores over all units; empty text, or NaN, where a store lacks it. None where all do."""
        if name == "dataset":
            return pd.Series(
                np.repeat([part.store.dataset for part in self.parts], np.diff(self.offsets)), dtype=object
            )
        known = {i: part.column(name) for i, part in enumerate(self.parts) if name in part.columns}
        if not known:
            return None
        lacks = np.nan if pd.api.types.is_numeric_dtype(next(iter(known.values()))) else ""
        columns = [known.get(i, pd.Series([lacks] * len(part))) for i, part in enumerate(self.parts)]
        return columns[0] if len(columns) == 1 else pd.concat(columns, ignore_index=True)


@dataclass(frozen=True, eq=False)
class BrowsePage:
    """The files of the page by their names.

    Parameters
    ----------
    maps : at least one
    runs : each with the number of its map
    is_live : whether a server answers with them
    warning : that the page shows people, and where their pictures are
    """

    maps: tuple[BrowsedMap, ...]
    runs: tuple[Predicted, ...]
    is_live: bool
    warning: str
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def file(self, name: str) -> File | None:
        """A file of the page; None if there is none of this name."""
        if name in ("", "index.html"):
            return _HTML, page_html(is_live=self.is_live, policy=policy(is_live=self.is_live)).encode()
        if name in _ASSETS:
            return _ASSETS[name], asset(name)
        for pattern, make in self._numbered:
            if match := re.fullmatch(pattern, name, re.ASCII):
                return make(*(None if part is None else int(part) for part in match.groups()))
        return None

    @cached_property
    def _numbered(self) -> tuple[tuple[str, Callable[..., File | None]], ...]:
        n = r"(\d{1,9})"
        return (
            (r"data/head\.js", self._head),
            (rf"data/map-{n}\.js", self._map),
            (rf"data/run-{n}\.js", self._run),
            (rf"data/rows-{n}-{n}\.js", self._rows),
            (rf"data/near-{n}-{n}\.js", self._near),
            (rf"pictures/{n}-{n}(?:-{n})?\.jpg", self._picture),
        )

    def _head(self) -> File:
        note = f"A folder has neighbors of up to {_MOST_NEAR_FILES:,} units; a page that is served has all"
        settings = {"warning": self.warning, "nearNote": note}
        return _SCRIPT, head_script([one.view for one in self.maps], self.runs, settings)

    def _map(self, number: int) -> File | None:
        return (_SCRIPT, map_script(number, self.maps[number].view)) if number < len(self.maps) else None

    def _run(self, number: int) -> File | None:
        return (_SCRIPT, run_script(number, self.runs[number])) if number < len(self.runs) else None

    def _has(self, number: int, unit: int) -> bool:
        return number < len(self.maps) and unit < len(self.maps[number].view)

    def _rows(self, number: int, chunk: int) -> File | None:
        if not self._has(number, chunk * ROWS_AT_ONCE):
            return None
        with self._lock:
            return _SCRIPT, data_script(f"rows-{number}-{chunk}", self.maps[number].texts(chunk))

    def _near(self, number: int, unit: int) -> File | None:
        if not self._has(number, unit):
            return None
        with self._lock:
            near = self.maps[number].neighbors(np.array([unit]))[0]
        return _SCRIPT, data_script(f"near-{number}-{unit}", near)

    def _picture(self, number: int, unit: int, frame: int | None) -> File | None:
        if not self._has(number, unit) or (place := self.maps[number].row_of(unit, frame)) is None:
            return None
        pictures, row = place
        return "image/jpeg", pictures.jpeg(row)

    def where(self, number: int, run: int, text: str) -> Mapping[str, Any]:
        """For each unit whether a condition holds: `bits`, base64, the first unit in the lowest bit; or an `error`."""
        try:
            with self._lock:
                mask, note = self._condition(self.maps[number], self.runs[run] if run >= 0 else None, text)
        except (QueryError, CacheError) as error:
            return {"error": str(error)}
        return {"bits": base64.b64encode(np.packbits(mask, bitorder="little").tobytes()).decode(), "note": note}

    def _condition(self, browsed: BrowsedMap, run: Predicted | None, text: str) -> tuple[npt.NDArray[np.bool_], str]:
        added = _columns_of(run, browsed.view) if run else {}
        names = names_in(text)
        columns = {name: added[name] if name in added else browsed.column(name) for name in names}
        if any(values is None for values in columns.values()):  # refused, with the names that there are
            known = ["dataset", *added, *dict.fromkeys(name for part in browsed.parts for name in part.columns)]
            row_mask(text, pd.DataFrame({name: pd.Series([], dtype=object) for name in known}))
        frame = pd.DataFrame(columns, index=pd.RangeIndex(len(browsed.view)))
        mask = row_mask(text, frame)
        return mask, "" if mask.any() else "; ".join(_why_none(text, frame)) or "no unit meets the condition"

    def names(self) -> Iterator[str]:
        """The names of all files of a folder, index.html last: with it the folder is whole."""
        yield from _ASSETS
        yield "data/head.js"
        yield from (f"data/run-{number}.js" for number in range(len(self.runs)))
        for number, browsed in enumerate(self.maps):
            n_units = len(browsed.view)
            yield f"data/map-{number}.js"
            yield from (f"data/rows-{number}-{chunk}.js" for chunk in range(-(-n_units // ROWS_AT_ONCE)))
            for unit in range(n_units):
                yield f"pictures/{number}-{unit}.jpg"
                yield from (f"pictures/{number}-{unit}-{i}.jpg" for i in range(int(browsed.view.n_frames[unit])))
            if n_units <= _MOST_NEAR_FILES:
                yield from (f"data/near-{number}-{unit}.js" for unit in range(n_units))
        yield "index.html"

    @property
    def n_pictures(self) -> int:
        """Pictures of a folder, frames of strips included."""
        return sum(len(one.view) + int(one.view.n_frames.astype(np.int64).sum()) for one in self.maps)

    def missing(self) -> Counter[str]:
        """Reason -> pictures that were replaced by a grey square until now."""
        return sum((pictures.missing for one in self.maps for pictures in one.pictures), Counter())


def _columns_of(run: Predicted, units: UnitMap) -> dict[str, pd.Series[Any]]:
    """What a condition may name besides the columns of the stores; `correct` is 1 or 0, missing unless scored."""
    correct = np.where(run.prediction == NO_CLASS, np.nan, ~run.is_wrong(units))
    classes = np.array([*run.classes, *[""] * (NO_CLASS + 1 - len(run.classes))], dtype=object)
    statuses = np.array(STATUSES, dtype=object)
    return {
        "prediction": pd.Series(classes[run.prediction], dtype=object),
        "probability": pd.Series(run.probability),
        "correct": pd.Series(correct),
        "result": pd.Series(statuses[run.status], dtype=object),
    }


def _why_none(text: str, frame: pd.DataFrame) -> Sequence[str]:
    return [
        f"no unit has {column} == {value!r}" + (f"; did you mean {nearest!r}?" if nearest else "")
        for column, value, nearest in unknown_values(text, frame)
    ]
