"""Splits in RAM (or memory-mapped), read from a source and checked: labels among the classes, usable numbers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from pipeline.errors import TrainingError
from pipeline.learning.clip_arrays import ClipArray
from pipeline.learning.clips import CLIP_FRAMES, FRAMES, ClipSampler, stored_output
from pipeline.learning.evaluation import none_of_the_classes, rows_of_classes
from pipeline.learning.head import as_input
from pipeline.learning.options import MethodConfig
from pipeline.learning.rows import Array, Rows, TrainingData
from pipeline.learning.soft_labels import soft_labels
from pipeline.sources import ClipSource, FeatureSource

__all__ = ["SplitLoader", "UnitReading", "read_split"]

_CHECKED_BYTES = 64_000_000  # of an array that are looked at together
_TINY_NORM = 1e-6  # of a pooled feature: below it a direction is rounding error


@dataclass(frozen=True)
class UnitReading:
    """What is read of every unit.

    Parameters
    ----------
    n_views : of an image, views 0 to n_views - 1
    clip_frames : T, of a clip
    random_frames : whether `Rows.draw` takes random ones
    """

    n_views: int = 1
    clip_frames: int = CLIP_FRAMES
    random_frames: bool = False


_PLAIN = UnitReading()
_Request = tuple[tuple[str, ...], bool, UnitReading]  # outputs, whether soft labels, how


class SplitLoader:
    """The train and val splits of a source, read once however many heads are trained on them.

    Parameters
    ----------
    source : of which no other split is read
    classes : C canonical expressions
    drop : leave rows with other labels out, instead of an error
    """

    def __init__(self, source: FeatureSource, classes: tuple[str, ...], *, drop: bool) -> None:
        self.source, self.classes, self.drop = source, classes, drop
        self.lock = threading.Lock()
        self.loaded: dict[_Request, tuple[TrainingData, dict[str, int]]] = {}

    def load(self, config: MethodConfig) -> tuple[TrainingData, dict[str, int]]:
        """What `config` reads of both splits, and label -> rows left out; see `read_split` for errors.

        Raises
        ------
        TrainingError
            If the train split has one class only.
        """
        n_views = self.source.n_views() if config.views == "all" else 1
        reading = UnitReading(n_views, config.clip_frames, config.clip_sampling == "random")
        request = (config.reads, config.learns_distributions, reading)
        with self.lock:
            if request not in self.loaded:
                self.loaded.clear()  # one set of arrays in memory at a time
                self.loaded[request] = self._load(*request)
            return self.loaded[request]

    def release(self) -> None:
        """Keep nothing in memory: what is loaded next is read again."""
        with self.lock:
            self.loaded.clear()

    def _load(self, outputs: tuple[str, ...], soft: bool, reading: UnitReading) -> tuple[TrainingData, dict[str, int]]:
        source, classes = self.source, self.classes
        train, dropped = read_split(source, "train", outputs, classes, drop=self.drop, reading=reading)
        if soft:
            train = replace(train, soft_labels=soft_labels(source, "train", train.ids, classes))
        plain = UnitReading(clip_frames=reading.clip_frames)
        val, dropped_val = read_split(source, "val", outputs, classes, drop=self.drop, reading=plain)
        if len(torch.unique(train.labels)) < 2:
            raise TrainingError(
                f"{source.dataset} train: expected rows of two classes, found {classes[int(train.labels[0])]} only",
                remedy=[("index", {"dataset": source.dataset, "dry_run": True})],
                purpose="to look at the splits",
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
    reading: UnitReading = _PLAIN,
) -> tuple[Rows, dict[str, int]]:
    """The rows of a split with a label among `classes`, and label -> rows left out; where units are clips, of clips.

    Parameters
    ----------
    source : FeatureSource
    split : train or val
    outputs : what is read of every row
    classes : C canonical expressions
    drop : leave rows with other labels out, instead of an error
    reading : which views of an image, and frames of a clip

    Raises
    ------
    MismatchError
        If there are other labels and `drop` is False, or only others.
    TrainingError
        If there is no row, or a feature is not finite or zero; the message names the first row.
    """
    where = f"{source.dataset} {split}"
    for output in outputs:
        source.row_shape(
            stored_output(output)
        )  # its error names the command that makes the output, before anything is read
    labels = source.labels(split)
    rows, dropped = rows_of_classes(labels, classes, where, drop=drop)
    if not len(rows) and dropped:
        raise TrainingError(f"{where}: expected rows to learn from, {none_of_the_classes(classes, dropped)}")
    if not len(rows):
        raise TrainingError(
            f"{where}: expected rows to {'learn from' if split == 'train' else 'select the epoch on'}, found none. "
            f"Give the dataset a {split} split (its layout's options can set one apart) and index it again"
        )
    ids, codes = source.ids(split)[rows], torch.from_numpy(_codes(labels[rows], classes))
    if isinstance(source, ClipSource):
        sampler = ClipSampler(source.clips(split).take(rows), reading.clip_frames, reading.random_frames)
        return Rows(
            _clip_arrays(source, split, outputs, reading.n_views, sampler, ids), codes, ids, sampler=sampler
        ), dropped
    if FRAMES in outputs:
        raise TrainingError(
            f"{where}: expected clips, found images: the method reads the frames of a clip in their order. "
            "Train it on a dataset of clips, or another method on this one"
        )
    arrays: dict[str, tuple[Array, ...]] = {}
    for output in outputs:
        views = [source.features(split, output, view) for view in range(reading.n_views)]
        # A memory-mapped array stays one: taking all of its rows would read it whole.
        arrays[output] = tuple(view if len(rows) == len(labels) else view[rows] for view in views)
        _require_usable(source, split, output, arrays[output], ids)
    return Rows(arrays, codes, ids), dropped


def _clip_arrays(
    source: FeatureSource,
    split: str,
    outputs: tuple[str, ...],
    n_views: int,
    sampler: ClipSampler,
    ids: npt.NDArray[np.str_],
) -> dict[str, tuple[ClipArray, ...]]:
    """What heads read of clips, whose frames are checked as images are; `ids` are those of the clips."""
    stored = {
        name: [source.features(split, name, view) for view in range(n_views)] for name in map(stored_output, outputs)
    }
    clips = sampler.clips
    for name, views in stored.items():
        _require_usable(source, split, name, views, np.repeat(ids, clips.n_frames), clips.rows)
    return {name: tuple(ClipArray(name, view, sampler) for view in stored[stored_output(name)]) for name in outputs}


def _codes(labels: npt.NDArray[np.str_], classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Positions in `classes` of labels that are all among them, without an object of each row."""
    codes = np.zeros(len(labels), np.int64)
    for code, name in enumerate(classes):
        codes[labels == name] = code
    return codes


def _require_usable(
    source: FeatureSource,
    split: str,
    output: str,
    views: Sequence[Array],
    ids: npt.NDArray[np.str_],
    rows: npt.NDArray[np.intp] | None = None,
) -> None:
    """Refuse features that are not finite, or of length zero.

    Parameters
    ----------
    ids : shape (M,): what is named of each row that is looked at
    rows : shape (M,): which these are; by default all M of `views`
    """
    if views[0].dtype == np.uint8:
        return
    finite, directed = np.ones(len(ids), bool), np.ones(len(ids), bool)
    for view in views:
        for chunk in _chunks(view, len(ids)):
            chosen = view[chunk] if rows is None else view[rows[chunk]]
            values = as_input(chosen).reshape(len(finite[chunk]), -1)
            finite[chunk] &= values.isfinite().all(dim=1).numpy()
            if output == "pooled":
                directed[chunk] &= ~(torch.linalg.vector_norm(values, dim=1) < _TINY_NORM).numpy()
    for good, found in ((finite, "NaN or infinity"), (directed, "features of length zero")):
        if not good.all():
            raise TrainingError(
                f"{source.dataset} {split}: expected finite {output} features with a direction, found {found} in "
                f"{(~good).sum()} rows, first {ids[~good][0]}. Features too small for float16 need dtype float32",
                remedy=[
                    ("store verify", {"stores": ["features"]}),
                    ("extract", {"dataset": source.dataset, "dtype": "float32"}),
                ],
                purpose="to check the store, and to encode again in float32",
            )


def _chunks(array: Array, n_rows: int) -> list[slice]:
    step = max(1, _CHECKED_BYTES // max(1, array[:1].nbytes))
    return [slice(start, start + step) for start in range(0, n_rows, step)]
