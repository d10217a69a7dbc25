"""Shards of a copy by their names: which split each belongs to, and whether all of them are there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from pipeline.datasets.reading.class_folders import CodedOptions
from pipeline.datasets.reading.rows import split_word
from pipeline.datasets.roots.files import some
from pipeline.errors import DatasetError

__all__ = ["Shard", "ShardOptions", "check_complete", "gap_notes", "in_splits", "partial_notes", "shard_of"]

_NUMBERED = re.compile(r"(?P<name>.*?)-?(?P<number>\d{4,})-of-(?P<total>\d{4,})(-[0-9A-Za-z]+)?")
_COUNTED = re.compile(r"(?P<name>.*?)[-_]?(?P<number>\d+)")
_TOKENS = re.compile(r"[^0-9A-Za-z]+")
_PARTIAL = "partial-"  # in front of a split's name: a folder of its first rows, as the hub converts large sets


class ShardOptions(CodedOptions):
    """Options of layouts whose files are shards of a split."""

    splits: dict[str, Literal["train", "val", "test"]] = Field(
        {},
        description="the copy's own split names -> train, val or test, where a name does not mean what it says: "
        "{train: test}",
    )


@dataclass(frozen=True)
class Shard:
    """One shard.

    Parameters
    ----------
    file : of the root; empty if the root itself is the shard
    name : of its split, as the copy writes it; empty if it has none
    split : train, val, test, or empty
    """

    file: str
    name: str = ""
    split: str = ""

    @property
    def folder(self) -> str:
        """The folder of the file, with a slash; empty for the root's own."""
        return self.file[: self.file.rfind("/") + 1]


def shard_of(file: str, names: Iterable[str]) -> Shard:
    """A shard and its split: of a word of the file's name, else of the nearest folder that is named like a split.

    Parameters
    ----------
    names : split names of the copy's own
    """
    own = {name.casefold() for name in names}

    def known(text: str) -> bool:
        return bool(text) and (text.casefold() in own or bool(split_word(text)))

    *folders, base = file.split("/")
    stem = _stem(base)
    of_folders = (word for folder in reversed(folders) for word in (folder, _whole(folder)))
    words = [stem, *reversed(_TOKENS.split(stem)), *of_folders]
    return Shard(file, next((word.casefold() for word in words if known(word)), ""))


def _whole(folder: str) -> str:
    """The split of a folder `partial-train`, if it is one; any other folder as it is."""
    rest = folder.casefold().removeprefix(_PARTIAL)
    return rest if split_word(rest) else folder


def in_splits(shards: Sequence[Shard], splits: Mapping[str, str], where: str) -> list[Shard]:
    """The shards with the splits that their names mean, or that `splits` says they are, in the order of their rows.

    Raises
    ------
    DatasetError
        If `splits` names one that the copy lacks, only some shards have a split, or a split is in two folders.
    """
    own = {name.casefold(): split for name, split in splits.items()}
    names = sorted({shard.name for shard in shards})
    if strange := sorted(own.keys() - set(names)):
        raise DatasetError(
            f"{where}: the option splits names {some(strange)}, found splits {some(names, 9) if any(names) else 'none'}"
            ". Name those of the copy"
        )
    if "" in names and len(names) > 1:
        without = [shard.file for shard in shards if not shard.name]
        raise DatasetError(
            f"{where}: expected a split in the name or folder of every shard, found none for {len(without)} of "
            f"{len(shards)}: {some(without)}. Rename them after their split (train, validation, test), or move them out"
        )
    folders: dict[str, set[str]] = defaultdict(set)
    for shard in shards:
        folders[shard.name].add(shard.folder)
    for name, several in folders.items():
        if len(several) > 1:
            raise DatasetError(
                f"{where}: expected one folder of {name or 'shards'}, found {some(sorted(several), 4)}: two "
                "configurations or two copies. Point the root below one of them"
            )
    known = [replace(shard, split=own.get(shard.name, split_word(shard.name))) for shard in shards]
    return sorted(known, key=lambda shard: (shard.name, _number(shard.file), shard.file))


def check_complete(files: Iterable[str], where: str) -> None:
    """DatasetError if shards are missing that the names of the others count, or one is there twice."""
    stated: dict[tuple[str, int], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        folder, _, base = file.rpartition("/")
        if match := _NUMBERED.fullmatch(base.rpartition(".")[0]):
            stated[f"{folder}/{match['name']}", int(match["total"])][int(match["number"])].append(file)
    for (_, total), found in stated.items():
        first = next(iter(found.values()))[0]
        if twice := [files for files in found.values() if len(files) > 1]:
            raise DatasetError(
                f"{where}: expected each shard once, found {some(twice[0])}: two versions of a copy. Remove one of them"
            )
        if missing := [number for number in range(total) if number not in found]:
            numbers = ", ".join(f"{number:05d}" for number in missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise DatasetError(
                f"{where}: expected {total:,} shards such as {first}, found {len(found):,}: missing number {numbers}. "
                f"Download the rest; to read only these, rename them without -of-{total:05d}"
            )


def gap_notes(files: Iterable[str]) -> Iterator[str]:
    """Numbers that are missing in a sequence of shards whose names state no total."""
    numbered: dict[str, list[int]] = defaultdict(list)
    for file in files:
        folder, _, base = file.rpartition("/")
        stem = base.rpartition(".")[0]
        if not _NUMBERED.fullmatch(stem) and (match := _COUNTED.fullmatch(stem)):
            numbered[f"{folder}/{match['name']}".lstrip("/")].append(int(match["number"]))
    for name, numbers in numbered.items():
        missing = sorted(set(range(max(numbers))) - {*numbers, 0})
        if missing and min(numbers) <= 1:  # else they are no shards: years, versions
            yield (
                f"shards {name}* are numbered to {max(numbers)}, and {len(missing)} numbers are missing, first "
                f"{missing[0]}: their rows are not in the table"
            )


def partial_notes(files: Iterable[str]) -> Iterator[str]:
    """Folders that hold only a part of their split, by their names."""
    folders = {folder for file in files for folder in file.split("/")[:-1] if _whole(folder) != folder}
    for folder in sorted(folders):
        yield f"{folder} is a part of the split {_whole(folder)} by its name: this copy is not the whole dataset"


def _stem(base: str) -> str:
    stem = base.rpartition(".")[0] or base
    for pattern in (_NUMBERED, _COUNTED):
        if match := pattern.fullmatch(stem):
            return match["name"]
    return stem


def _number(file: str) -> int:
    stem = file.rpartition("/")[2].rpartition(".")[0]
    match = _NUMBERED.fullmatch(stem) or _COUNTED.fullmatch(stem)
    return int(match["number"]) if match else -1
