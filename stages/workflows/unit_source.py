"""What training and evaluation read of a store: its units, images or clips, in its splits or those of a fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.schema import OK
from pipeline.features import Clips, FeatureSource

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StoredClips", "unit_source"]


def unit_source(store: Store) -> FeatureSource:
    """The store itself where its units are images, else its clips."""
    return StoredClips(store) if store.unit == "clip" else store


@dataclass(frozen=True)
class StoredClips:
    """The clips of a store, a `ClipSource`. A clip of which no frame is usable is rejected.

    Clips are in the order of their first rows, frames in that of their numbers.

    Parameters
    ----------
    store : whose rows are frames
    """

    store: Store

    @property
    def dataset(self) -> str:
        return self.store.dataset

    @property
    def key(self) -> str:
        return self.store.key

    @property
    def encoder(self) -> Mapping[str, Any]:
        return self.store.encoder

    @property
    def classes(self) -> tuple[str, ...]:
        return self.store.classes

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        return self.store.row_shape(output)

    def n_views(self) -> int:
        return self.store.n_views()

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return self._of_first_frames("label", split)

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return self._of_first_frames("clip", split)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        return self.store.features_of(self._rows(split), output, view)

    def clips(self, split: str) -> Clips:
        frame = self._frame
        rows = self._rows(split)
        codes = frame["clip_number"].to_numpy()[rows]
        order = np.lexsort((frame["frame"].to_numpy()[rows], codes))
        sizes = np.unique(codes, return_counts=True)[1]
        return Clips(order, np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp))

    def rejected(self, split: str) -> int:
        in_split = self._frame["split"].to_numpy() == split
        numbers = self._frame["clip_number"].to_numpy()
        return len(np.setdiff1d(numbers[in_split], numbers[in_split & self._usable]))

    def rejected_frames(self, split: str) -> int:
        in_split = self._frame["split"].to_numpy() == split
        numbers = self._frame["clip_number"].to_numpy()
        of_used = np.isin(numbers, numbers[in_split & self._usable])
        return int((in_split & ~self._usable & of_used).sum())

    @cached_property
    def _frame(self) -> pd.DataFrame:
        import pandas as pd  # late: it takes half a second

        frame = self.store.columns(["clip", "frame", "label", "split", "status"]).copy()
        frame["clip_number"] = pd.factorize(frame["clip"])[0]
        return frame

    @cached_property
    def _usable(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self._frame["status"] == OK)

    def _rows(self, split: str) -> npt.NDArray[np.intp]:
        return np.flatnonzero((self._frame["split"].to_numpy() == split) & self._usable)

    def _of_first_frames(self, column: str, split: str) -> npt.NDArray[np.str_]:
        clips = self.clips(split)
        values = self._frame[column].to_numpy(dtype=str)[self._rows(split)]
        return np.asarray(values[clips.rows[clips.starts[:-1]]])
