"""Thumbnails of units: from the pixels of a store, else from the files of the dataset, read when they are needed."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache.errors import CacheError
from pipeline.browse.pictures import PICTURE_SIDE, as_jpeg, missing_picture
from pipeline.datasets.roots import Root, open_root
from pipeline.errors import PipelineError
from pipeline.images.preprocess import Preprocess
from pipeline.images.reading import ImageRow, row_picture
from pipeline.images.transform import ImageTransform
from pipeline.tables.samples import SampleTable
from stages.errors import StageError
from stages.names import parse_limited_name
from stages.workflows.browse_units import StoreUnits
from stages.workflows.store_encoder import alignment_of
from stages.workflows.store_identity import box_of, face_of
from stages.workspace import Workspace

__all__ = ["Pictures"]

_KEPT = 4000  # thumbnails in memory, some kB each


class Pictures:
    """The thumbnails of the units of one dataset. Safe in threads; nothing is written.

    Parameters
    ----------
    units : StoreUnits
    tables : folder of sample tables: that of the dataset says where its files are

    Attributes
    ----------
    missing : reason -> how many pictures are grey squares for it
    """

    def __init__(self, units: StoreUnits, tables: Path) -> None:
        self._units, self._tables = units, tables
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._shard: tuple[int, npt.NDArray[Any]] | None = None
        self._root: Root | str | None = None  # or why there is none
        self.missing: Counter[str] = Counter()

    def jpeg(self, row: int) -> bytes:
        """The thumbnail of a row of the store; a grey square with the reason where there is none."""
        with self._lock:
            if row not in self._kept:
                self._kept[row] = as_jpeg(self._picture(row))
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(row)
            return self._kept[row]

    def picture(self, row: int) -> Image.Image:
        """The same, mode RGB, not kept."""
        with self._lock:
            return self._picture(row)

    def _picture(self, row: int) -> Image.Image:
        try:
            return self._read(row)
        except (PipelineError, CacheError, StageError, OSError) as error:
            self.missing[_reason(error)] += 1
            return missing_picture(_reason(error))

    def _read(self, row: int) -> Image.Image:
        store = self._units.store
        columns = store.columns([name for name in ("status", "reason") if name in self._units.columns]).iloc[row]
        if columns["status"] != "ok":
            raise StageError(f"rejected: {columns.get('reason', 'reason not recorded')}")
        if any(array.name == "pixels" for array in store.manifest.schema.arrays):
            return Image.fromarray(self._pixels(row))
        return self._from_root(row)

    def _pixels(self, row: int) -> npt.NDArray[np.uint8]:
        """Shape (H, W, 3), of a shard that stays in memory until another one is read."""
        shard_rows = self._units.store.manifest.schema.shard_rows
        number = row // shard_rows
        if self._shard is None or self._shard[0] != number:
            self._shard = number, self._units.store.read_shard(number, "pixels")
        return np.asarray(self._shard[1][row - number * shard_rows], np.uint8)

    def _from_root(self, row: int) -> Image.Image:
        """What the encoder saw of the picture in the dataset's files."""
        store = self._units.store
        names = [name for name in ("path", "sha256", "box", "face") if name in self._units.columns]
        if not {"path", "sha256"} <= set(names):
            raise StageError("the store has no paths of files")
        values = store.columns(names).iloc[row]
        picture = row_picture(self._opened(), ImageRow(row, values["path"], values["sha256"]))
        alignment = alignment_of(store)
        preprocess = Preprocess.from_json(store.encoder["preprocess"])
        transform = ImageTransform(preprocess, (PICTURE_SIDE,), *((alignment,) if alignment else ()))
        face = face_of(values.get("face", "")) if alignment else None
        return Image.fromarray(transform(picture, box=box_of(values.get("box", "")), face=face)[PICTURE_SIDE])

    def _opened(self) -> Root:
        if self._root is None:
            self._root = self._open()
        if isinstance(self._root, str):
            raise StageError(self._root)
        return self._root

    def _open(self) -> Root | str:
        dataset = self._units.store.dataset
        if limited := parse_limited_name(dataset):  # the first rows of a dataset, whose table has all
            dataset, _ = limited
        path = Workspace(tables=self._tables).table(dataset)
        if not path.exists():
            return f"no table of {dataset} at {path}, which says where its files are"
        info, _ = SampleTable.read_info(path)
        try:
            return open_root(Path(info.root).absolute())
        except PipelineError:
            return f"the files of {dataset} are not at {info.root}"


def _reason(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 150 else f"{text[:147]}..."
