"""Which files of a copy are its shards: by suffix, and by the descriptions that `save_to_disk` writes beside them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from pipeline.datasets.reading.shard_files import Shard, check_complete, shard_of
from pipeline.datasets.roots import FileRoot
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image

__all__ = ["find_shards", "unread_files", "unread_notes"]

_SUFFIXES = (".parquet", ".arrow")
_STATE, _SPLITS = "state.json", "dataset_dict.json"
_DESCRIPTIONS = (_STATE, _SPLITS, "dataset_info.json", "dataset_infos.json", "readme.md")
_RUNNABLE = (".py", ".pkl", ".pickle", ".pt", ".pth")
_CACHE = "cache-"  # what `datasets` writes beside a saved dataset when it is mapped or filtered


def find_shards(root: Root, names: Collection[str]) -> list[Shard]:
    """The shards of a copy; none if it has no parquet or Arrow file.

    Parameters
    ----------
    names : split names of the copy's own

    Raises
    ------
    DatasetError
        If there are shards of both kinds, or some are missing that a description or the names of the others count.
    """
    files = [name for name in root.names() if name.casefold().endswith(_SUFFIXES)]
    kinds = {suffix: [name for name in files if name.casefold().endswith(suffix)] for suffix in _SUFFIXES}
    if all(kinds.values()):
        raise DatasetError(
            f"{root.path}: expected one form of a copy, found parquet and Arrow files: "
            f"{some([group[0] for group in kinds.values()])}. Point the root below one of them"
        )
    states = {name[: -len(_STATE)]: _json(root, name) for name in files_named(root, _STATE)}
    listed = {folder: _listed(root, folder, state) for folder, state in states.items()}
    _check_splits(root, listed)
    files = [file for file in files if _is_part(file, listed)]
    if not isinstance(root, FileRoot):
        check_complete(files, str(root.path))
    shards = [shard_of(file, names) for file in files]
    return [shard if shard.name else replace(shard, name=_split_in(states.get(shard.folder))) for shard in shards]


def files_named(root: Root, base: str) -> Iterator[str]:
    """Files of this base name, in any folder."""
    return (name for name in root.names() if name.rpartition("/")[2] == base)


def unread_files(root: Root, shards: Sequence[Shard]) -> Mapping[str, int]:
    """Files that are neither shards, descriptions nor images, per suffix."""
    read = {shard.file for shard in shards}
    others = [name for name in root.names() if name not in read and not is_image(name) and not _is_description(name)]
    return dict(sorted(Counter(PurePosixPath(name).suffix or "no suffix" for name in others).items()))


def unread_notes(root: Root) -> Iterator[str]:
    """Scripts and pickles: running one could do anything."""
    runnable = [name for name in root.names() if name.casefold().endswith(_RUNNABLE)]
    if runnable:
        yield f"no script and no pickle of a copy is run; left unread: {some(runnable, 8)}"


def _is_description(name: str) -> bool:
    return name.rpartition("/")[2].casefold() in _DESCRIPTIONS


def _is_part(file: str, listed: Mapping[str, set[str]]) -> bool:
    folder, base = file[: file.rfind("/") + 1], file.rpartition("/")[2]
    return base in listed[folder] if folder in listed else not base.startswith(_CACHE)


def _listed(root: Root, folder: str, state: Mapping[str, Any]) -> set[str]:
    """The files that a saved dataset is made of."""
    where = f"{root.path}: {folder}{_STATE}"
    if state.get("_indices_data_files"):
        raise DatasetError(
            f"{where}: expected all rows of its files, found a selection of them (an old form of saving). Load it with "
            "`datasets` and save it again"
        )
    try:
        files = {str(entry["filename"]) for entry in state["_data_files"]}
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{where}: expected a list `_data_files`, found none. Save the dataset again") from error
    if missing := sorted(file for file in files if not root.exists(folder + file)):
        raise DatasetError(f"{where}: it names {len(missing)} files that are not there: {some(missing)}. Copy them")
    return files


def _check_splits(root: Root, saved: Collection[str]) -> None:
    for name in files_named(root, _SPLITS):
        folder = name[: -len(_SPLITS)]
        splits = _json(root, name).get("splits")
        splits = [str(split) for split in splits] if isinstance(splits, list) else []
        if missing := [split for split in splits if f"{folder}{split}/" not in saved]:
            raise DatasetError(
                f"{root.path}: {name} names the splits {some(splits, 9)}, and there is no {_STATE} in {some(missing)}. "
                "Copy their folders; or, to read only the others, remove them from the list"
            )


def _split_in(state: Mapping[str, Any] | None) -> str:
    split = (state or {}).get("_split")
    return split.casefold() if isinstance(split, str) else ""


def _json(root: Root, name: str) -> dict[str, Any]:
    try:
        content = json.loads(root.text(name))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{root.path}: {name} is damaged ({error}). Copy it again") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{root.path}: {name}: expected an object, found {content!r:.60}. Copy it again")
    return content
