"""Images of a root that no layout reads, counted by folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["by_folder", "folder_counts"]

_SHOWN = 12


def by_folder(unread: Iterable[str], read: Iterable[str]) -> dict[str, str]:
    """Unread file -> the highest folder above it in which no file is read, or else its own folder, with a slash.

    The root itself is `./`.
    """
    in_use = {"./"}.union(*(_folders(f"{folder}/") for folder in {name.rpartition("/")[0] for name in read} if folder))
    return {name: next((f for f in _folders(name) if f not in in_use), _folders(name)[-1]) for name in unread}


def folder_counts(unread: Iterable[str], read: Iterable[str]) -> Mapping[str, int]:
    """Images per folder of `by_folder`, the largest first; those after the twelfth are one entry."""
    unread = list(unread)
    counts = Counter(by_folder(unread, read).values()).most_common() if unread else []
    largest = dict(counts[:_SHOWN])
    rest = sum(n for _, n in counts[_SHOWN:])
    return largest | ({f"{len(counts) - _SHOWN} other folders": rest} if rest else {})


def _folders(name: str) -> list[str]:
    """The folders above a file, from the root down."""
    parts = name.split("/")[:-1]
    return ["./", *("/".join(parts[: i + 1]) + "/" for i in range(len(parts)))]
