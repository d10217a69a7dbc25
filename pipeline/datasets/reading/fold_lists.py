"""Folds of clips by lists: a train and a test list for each fold, and every clip in the test list of one fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline.datasets.reading.rows import CONFLICT, REPEATED, Row
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError
from pipeline.tables.sample import Sample

__all__ = ["FoldList", "Folds", "read_folds"]


@dataclass(frozen=True)
class FoldList:
    """The train or the test list of one fold.

    Parameters
    ----------
    fold : 1 or more
    name : file below the root
    clips : names of clips, each with its expression, a pair for each line
    """

    fold: int
    split: Literal["train", "test"]
    name: str
    clips: Sequence[tuple[str, str]]


@dataclass
class _Clip:
    """What all lists together state of a clip: its labels in their order, and the folds that it is in."""

    labels: dict[str, None] = field(default_factory=dict)
    train: set[int] = field(default_factory=set)
    test: set[int] = field(default_factory=set)
    repeats: int = 0


@dataclass(frozen=True)
class Folds:
    """The clips of the lists of all folds, checked.

    Parameters
    ----------
    lists : one or more
    clips : name of a clip -> what the lists state of it
    """

    lists: Sequence[FoldList]
    clips: Mapping[str, _Clip]

    @property
    def first(self) -> int:
        """The fold whose test list is the test split."""
        return min(fold for fold, split in self._known if split == "test")

    @property
    def _known(self) -> set[tuple[int, str]]:
        return {(item.fold, item.split) for item in self.lists}

    def rows(self, path: Callable[[str], str]) -> list[Row]:
        """A row for each clip, and one for each line that repeats another of its list.

        The test split is the test list of the first fold, all other clips are of the train split. A clip that has
        several labels is rejected, and keeps the first of them.

        Parameters
        ----------
        path : where the clip of a name is, or would be
        """
        return [row for name, clip in self.clips.items() for row in self._rows(name, clip, path(name))]

    def _rows(self, name: str, clip: _Clip, path: str) -> list[Row]:
        label, fold = next(iter(clip.labels)), min(clip.test, default=None)
        split = "test" if fold == self.first else "train"
        sample = Sample(name, path, label, split, reason=CONFLICT if len(clip.labels) > 1 else "", fold=fold)
        return [Row(sample), *[Row(sample, excluded=REPEATED)] * clip.repeats]

    def notes(self) -> Iterator[str]:
        """Which fold the splits are of, and where lists of folds do not agree."""
        folds = sorted({item.fold for item in self.lists})
        yield f"split test is the test list of fold {self.first} of folds {', '.join(map(str, folds))}"
        if halves := [
            f"{split} of fold {fold}" for fold in folds for split in ("train", "test") if self._lacks(fold, split)
        ]:
            yield f"lists that are not there: {', '.join(halves)}"
        if several := {name: clip for name, clip in self.clips.items() if len(clip.labels) > 1}:
            name, clip = next(iter(several.items()))
            yield (
                f"{len(several):,} clips have several labels in the lists and are rejected, first {name} "
                f"({', '.join(clip.labels)})"
            )
        if untested := [name for name, clip in self.clips.items() if not clip.test]:
            yield f"{len(untested):,} clips are in no test list and have no fold: {some(untested)}"
        if missing := [f"{name} in that of fold {fold}" for name, fold in self._missing()]:
            yield f"clips are missing in train lists, {len(missing):,} times: {some(missing)}"

    def _lacks(self, fold: int, split: str) -> bool:
        return (fold, split) not in self._known

    def _missing(self) -> Iterator[tuple[str, int]]:
        """Clips that are in neither list of a fold that has both."""
        folds = {
            fold for fold, split in self._known if not self._lacks(fold, "train") and not self._lacks(fold, "test")
        }
        for name, clip in self.clips.items():
            for fold in sorted(folds - clip.train - clip.test):
                yield name, fold


def read_folds(root: Root, lists: Sequence[FoldList]) -> Folds:
    """The clips of the lists.

    Raises
    ------
    DatasetError
        If a fold has two lists of one split, no fold has a test list, or a clip is in the train and the test list of a
        fold, or in the test lists of two.
    """
    names: dict[tuple[int, str], str] = {}
    for item in lists:
        if (first := names.setdefault((item.fold, item.split), item.name)) != item.name:
            raise DatasetError(
                f"{root.path}: expected one {item.split} list of fold {item.fold}, found {some([first, item.name])}. "
                "Point the root below one of them"
            )
    if not any(split == "test" for _, split in names):
        raise DatasetError(
            f"{root.path}: expected a test list of at least one fold, found only {some(list(names.values()))}. Unpack "
            "the test lists, too"
        )
    clips: dict[str, _Clip] = {}
    for item in lists:
        _add(clips, item)
    _refuse_crossing(root, clips, names)
    return Folds(lists, clips)


def _add(clips: dict[str, _Clip], item: FoldList) -> None:
    for name, label in item.clips:
        clip = clips.setdefault(name, _Clip())
        clip.labels[label] = None
        folds = clip.train if item.split == "train" else clip.test
        clip.repeats += item.fold in folds
        folds.add(item.fold)


def _refuse_crossing(root: Root, clips: Mapping[str, _Clip], names: Mapping[tuple[int, str], str]) -> None:
    both = {name: min(clip.train & clip.test) for name, clip in clips.items() if clip.train & clip.test}
    if both:
        name, fold = next(iter(both.items()))
        raise DatasetError(
            f"{root.path}: expected every clip in the train or in the test list of a fold, found {len(both):,} in "
            f"both, first {name} in {names[fold, 'train']} and {names[fold, 'test']}. Copy the lists again, or "
            "remove it from one of them"
        )
    if twice := {name: sorted(clip.test) for name, clip in clips.items() if len(clip.test) > 1}:
        name, folds = next(iter(twice.items()))
        raise DatasetError(
            f"{root.path}: expected every clip in the test list of one fold, found {len(twice):,} in several, first "
            f"{name} in {some([names[fold, 'test'] for fold in folds])}. Copy the lists again, or remove it from all "
            "but one of them"
        )
