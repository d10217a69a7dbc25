"""From a source to rows, checked: labels among the classes, numbers that can be learnt from."""

from __future__ import annotations

import shlex
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.errors import TrainingError
from pipeline.evaluation import rows_of_classes
from pipeline.tables.labels import label_codes
from pipeline.training import Rows, TrainingData

if TYPE_CHECKING:
    from pipeline.features import FeatureSource
    from pipeline.methods.configs.base import MethodConfig

__all__ = ["Reader", "read_split"]

_CHECKED_BYTES = 64_000_000  # of an array that are looked at together
_TINY_NORM = 1e-6  # of a pooled feature: below it a direction is rounding error


class Reader:
    """The train and val splits of a source, read once however many heads are trained on them.

    Parameters
    ----------
    source : of which no other split is read
    classes : C canonical expressions
    drop : leave rows with other labels out, instead of an error
    """

    def __init__(self, source: FeatureSource, classes: tuple[str, ...], *, drop: bool) -> None:
        self.source, self.classes, self.drop = source, classes, drop
        self.one_at_a_time = threading.Lock()
        self.known: dict[tuple[tuple[str, ...], int], tuple[TrainingData, dict[str, int]]] = {}

    def read(self, config: MethodConfig) -> tuple[TrainingData, dict[str, int]]:
        """What `config` reads of both splits, and label -> rows left out; see `read_split` for errors.

        Raises
        ------
        TrainingError
            If the train split has one class only.
        """
        wanted = (config.reads, self.source.n_views() if config.views == "all" else 1)
        with self.one_at_a_time:
            if wanted not in self.known:
                self.known.clear()  # one set of arrays in memory at a time
                self.known[wanted] = self._read(*wanted)
            return self.known[wanted]

    def _read(self, outputs: tuple[str, ...], n_views: int) -> tuple[TrainingData, dict[str, int]]:
        source, classes = self.source, self.classes
        train, dropped = read_split(source, "train", outputs, classes, drop=self.drop, n_views=n_views)
        val, dropped_val = read_split(source, "val", outputs, classes, drop=self.drop)
        if len(torch.unique(train.labels)) < 2:
            raise TrainingError(
                f"{source.dataset} train: expected rows of two classes, found {classes[int(train.labels[0])]} only. "
                f"Look at the splits with: fer-stage index --dry-run {shlex.join(['--dataset', source.dataset])}"
            )
        names = sorted({*dropped, *dropped_val})
        return TrainingData(train, val), {name: dropped.get(name, 0) + dropped_val.get(name, 0) for name in names}


def read_split(
    source: FeatureSource,
    split: str,
    outputs: tuple[str, ...],
    classes: tuple[str, ...],
    *,
    drop: bool,
    n_views: int = 1,
) -> tuple[Rows, dict[str, int]]:
    """The rows of a split with a label among `classes`, and label -> rows left out.

    Parameters
    ----------
    source : FeatureSource
    split : train or val
    outputs : what is read of every row
    classes : C canonical expressions
    drop : leave rows with other labels out, instead of an error
    n_views : views 0 to n_views - 1 are read

    Raises
    ------
    MismatchError
        If there are other labels and `drop` is False.
    TrainingError
        If there is no row, or a feature is not finite or zero; the message names the first row.
    """
    where = f"{source.dataset} {split}"
    for output in outputs:
        source.row_shape(output)  # says which command makes it, before anything is read
    labels = source.labels(split)
    rows, dropped = rows_of_classes(labels, classes, where, drop=drop)
    if not len(rows):
        raise TrainingError(
            f"{where}: expected rows to {'learn from' if split == 'train' else 'select the epoch on'}, found none. "
            f"Give the dataset a {split} split (its layout's options can set one apart) and index it again"
        )
    arrays, ids = {}, source.ids(split)[rows]
    for output in outputs:
        views = [source.features(split, output, view) for view in range(n_views)]
        # A memory-mapped array stays one: taking all of its rows would read it whole.
        arrays[output] = tuple(view if len(rows) == len(labels) else view[rows] for view in views)
        _require_usable(arrays[output], ids, output, source.dataset, split)
    return Rows(arrays, torch.tensor(label_codes(labels[rows].tolist(), classes)), ids), dropped


def _require_usable(
    views: tuple[npt.NDArray[Any], ...], ids: npt.NDArray[np.str_], output: str, dataset: str, split: str
) -> None:
    if views[0].dtype == np.uint8:
        return
    finite, directed = np.ones(len(ids), bool), np.ones(len(ids), bool)
    for view in views:
        for chunk in _chunks(view):
            values = np.asarray(view[chunk], np.float32).reshape(len(finite[chunk]), -1)
            finite[chunk] &= np.isfinite(values).all(axis=1)
            if output == "pooled":
                directed[chunk] &= ~(np.linalg.norm(values, axis=1) < _TINY_NORM)
    for good, found in ((finite, "NaN or infinity"), (directed, "features of length zero")):
        if not good.all():
            raise TrainingError(
                f"{dataset} {split}: expected finite {output} features with a direction, found {found} in "
                f"{(~good).sum()} rows, first {ids[~good][0]}. Check the store with: fer-stage store verify features; "
                "features too small for float16 need: "
                f"{shlex.join(['fer-stage', 'extract', '--dtype', 'float32', '--dataset', dataset])}"
            )


def _chunks(array: npt.NDArray[Any]) -> list[slice]:
    step = max(1, _CHECKED_BYTES // max(1, array[:1].nbytes))
    return [slice(start, start + step) for start in range(0, len(array), step)]
