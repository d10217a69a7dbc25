"""What the file formats say of a store by themselves: shapes, dtypes, chunks, and the members that have to be there.

A member is a file below a Zarr store, or a dataset inside an HDF5 file. Nothing here decides whether a store is whole:
`cache.upkeep.integrity` compares this with the manifest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Protocol

from cache.backends.base import COLUMNS, MANIFEST, damage_reported
from cache.backends.expected import Layout
from cache.backends.hdf5_store import dataset_layout, opened
from cache.backends.zarr_metadata import array_metadata, layout_of
from cache.places import Place, files_below, reachable
from cache.places.objects import METADATA_FILE

__all__ = ["LAYOUTS", "Layout", "Layouts"]


class Layouts(Protocol):
    """What one file format says. Names are `pooled`, `columns/id`, ..."""

    def layout(self, path: Place, name: str) -> Layout | None:
        """Of one array; None if there is no such array. StoreDamagedError if its description cannot be read."""

    def members(self, path: Place) -> set[str]:
        """Everything that lies in the store, by name."""

    def required(self, outputs: Mapping[str, Layout]) -> dict[str, range | None]:
        """Members of these arrays that cannot be missing -> the rows of features in each, None where it has none."""

    def allowed(self, columns: Mapping[str, Layout]) -> set[str]:
        """Members that may be there besides: those of the columns, whose values have digests of their own."""


class _ZarrLayouts:
    def layout(self, path: Place, name: str) -> Layout | None:
        metadata = array_metadata(path, name)
        return layout_of(metadata) if metadata else None

    def members(self, path: Place) -> set[str]:
        top = f"{path.as_posix()}/"
        with reachable(path):
            return {file.as_posix().removeprefix(top) for file in files_below(path)}

    def required(self, outputs: Mapping[str, Layout]) -> dict[str, range | None]:
        members: dict[str, range | None] = {METADATA_FILE: None}
        for name, layout in outputs.items():
            members[f"{name}/{METADATA_FILE}"] = None
            members |= _chunks(name, layout)
        return members

    def allowed(self, columns: Mapping[str, Layout]) -> set[str]:
        names = {f"{COLUMNS}/{METADATA_FILE}"}
        for name, layout in columns.items():
            names |= {f"{name}/{METADATA_FILE}", *_chunks(name, layout)}
        return names


def _chunks(name: str, layout: Layout) -> dict[str, range]:
    """Every chunk's file -> its rows. Outputs are (V, N, ...): rows are the second axis, of columns the first."""
    chunks = layout.chunks or layout.shape
    counts = [math.ceil(size / chunk) for size, chunk in zip(layout.shape, chunks, strict=True)]
    axis = min(1, len(counts) - 1)
    rows = [range(i * chunks[axis], min((i + 1) * chunks[axis], layout.shape[axis])) for i in range(counts[axis])]
    indices = itertools.product(*(range(count) for count in counts))
    return {"/".join([name, "c", *map(str, index)]): rows[index[axis]] for index in indices}


class _Hdf5Layouts:
    def layout(self, path: Place, name: str) -> Layout | None:
        with damage_reported(f"{path}: the description of {name}"), opened(path) as file:
            return dataset_layout(file, name)

    def members(self, path: Place) -> set[str]:
        names: list[str] = []
        with damage_reported(f"{path}: the list of arrays"), opened(path) as file:
            file.visit(names.append)
        return set(names)

    def required(self, outputs: Mapping[str, Layout]) -> dict[str, range | None]:
        return {MANIFEST: None, **{name: range(layout.shape[1]) for name, layout in outputs.items()}}

    def allowed(self, columns: Mapping[str, Layout]) -> set[str]:
        return {COLUMNS, *columns}


LAYOUTS: dict[str, Layouts] = {"zarr": _ZarrLayouts(), "hdf5": _Hdf5Layouts()}  # by the name of the backend
