"""The members of a WebDataset shard by key, and the text of their labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.datasets.roots.files import some
from pipeline.errors import DatasetError, ImageError
from pipeline.images.formats import is_image

__all__ = ["BAD_LABEL", "NO_LABEL", "KeyedMembers", "by_key", "label_of", "other_labels"]

# Reasons of a row that is left out: stable words, counted in summaries.
NO_LABEL = "no label"
BAD_LABEL = "label cannot be read"

USUAL_KEYS = ("label", "labels", "emotion", "expression")
_KINDS = ("cls", "txt", "json")
_MEMBERS = (".cls", ".txt")

ReadText = Callable[[str], bytes]


@dataclass
class KeyedMembers:
    """The members of one key: the images among them, and all others by what follows the key and its dot."""

    images: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)


def by_key(members: Iterable[str], where: str) -> dict[str, KeyedMembers]:
    """Members grouped as WebDataset does it: the key is the path up to the first dot of the base name.

    Raises
    ------
    DatasetError
        If a key has two images, which WebDataset would merge into one sample.
    """
    keys: dict[str, KeyedMembers] = {}
    for member in members:
        folder, slash, base = member.rpartition("/")
        stem, dot, rest = base.partition(".")
        if not dot:
            continue
        group = keys.setdefault(folder + slash + stem, KeyedMembers())
        if is_image(base):
            group.images.append(member)
        else:
            group.others[rest.casefold()] = member
    if merged := {key: group.images for key, group in keys.items() if len(group.images) > 1}:
        key, images = next(iter(merged.items()))
        raise DatasetError(
            f"{where}: expected one image for each key, which is a base name up to its first dot, found {len(images)} "
            f"for {key!r}: {some(images, 4)} ({len(merged):,} keys have more than one). WebDataset would merge them "
            "into one sample. Write the shards again with keys that have no dots, such as numbers"
        )
    return keys


def label_of(group: KeyedMembers, read: ReadText, key: str) -> tuple[str, str]:
    """The label of a key as a text, and why it has none; one of the two is empty.

    Of `.cls`, `.txt` and `.json` the first one that is there is read; with `key` only that entry of the `.json`, or the
    `.cls` or `.txt` that it names.

    Raises
    ------
    DatasetError
        If the `.json` has several entries that may be the label, or it is neither a text nor a number.
    """
    kinds = (key[1:],) if key in _MEMBERS else ("json",) if key else _KINDS
    kind = next((kind for kind in kinds if kind in group.others), "")
    return _read(group.others[kind], kind, read, key) if kind else ("", NO_LABEL)


def other_labels(group: KeyedMembers, read: ReadText, key: str) -> tuple[str, ...]:
    """What the members of a key say that `label_of` does not read; none where `key` names what to read.

    They may be captions and other data: a text is a label only if it means an expression.
    """
    kinds = [] if key else [kind for kind in _KINDS if kind in group.others][1:]
    texts = []
    for kind in kinds:
        try:
            texts.append(_read(group.others[kind], kind, read, "")[0])
        except DatasetError:  # a .json without one entry that is the label
            continue
    return tuple(filter(None, texts))


def _read(member: str, kind: str, read: ReadText, key: str) -> tuple[str, str]:
    try:
        text = read(member).decode("utf-8-sig").strip()
        content = json.loads(text) if kind == "json" else None
    except (ImageError, ValueError, RecursionError):
        return "", BAD_LABEL
    if kind == "json" and not isinstance(content, dict):
        return "", BAD_LABEL
    label = text if content is None else _entry(content, key, member)
    return label, "" if label else NO_LABEL


def _entry(content: Mapping[str, Any], key: str, member: str) -> str:
    keys: Sequence[str] = [key] if key else [name for name in content if str(name).casefold() in USUAL_KEYS]
    if len(keys) > 1:
        raise DatasetError(
            f"{member}: expected one entry with the label, found {len(keys)}: {some(keys)}. Name it by the option "
            "label=NAME"
        )
    value = content.get(keys[0]) if keys else None
    if isinstance(value, bool | list | dict):
        raise DatasetError(
            f"{member}: entry {keys[0]!r}: expected one label, a text or a number, found {value!r:.40}. Name another "
            "entry by the option label=NAME"
        )
    return "" if value is None else str(value).strip()
