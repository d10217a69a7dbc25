"""`webdataset`: tar shards of images with their labels beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from pydantic import Field

from pipeline.datasets.layouts.hf_copies import copies_like
from pipeline.datasets.layouts.webdataset_keys import KeyedMembers, by_key, label_of, other_labels
from pipeline.datasets.reading.ambiguous import is_number, refuse_numbers
from pipeline.datasets.reading.base import Layout, Scan, not_this_layout
from pipeline.datasets.reading.rows import CONFLICT, Row, assemble, split_word, translate
from pipeline.datasets.reading.shard_files import (
    Shard,
    ShardOptions,
    check_complete,
    gap_notes,
    in_splits,
    partial_notes,
    shard_of,
)
from pipeline.datasets.roots import TarRoot
from pipeline.datasets.roots.containers import member_name
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError, ImageError, LabelError
from pipeline.images.formats import is_image
from pipeline.tables.labels import canonical
from pipeline.tables.sample import Sample

__all__ = ["WebDataset", "WebDatasetOptions"]

NO_IMAGE = "no image"

_CLASS_NAMES = "classnames.txt"
_MAX_LABEL_BYTES = 2**20  # of the file of one label
_LABELS = ("cls", "txt", "json")


class WebDatasetOptions(ShardOptions):
    label: str = Field(
        "",
        description="entry of each .json that is the label, or .cls or .txt to read nothing else; by default .cls, "
        ".txt or a usual entry, and those that contradict each other are rejected",
    )


@dataclass(frozen=True)
class _Item:
    """One key of a shard. `image` is the name that its picture is read by; empty if there is none.

    `others` are the texts that its other members have in place of a label.
    """

    shard: Shard
    key: str
    image: str
    label: str
    reason: str
    others: tuple[str, ...] = ()


class WebDataset:
    """Shards `train-000000.tar`, `train/0.tar`, of `KEY.jpg` with `KEY.cls`, `KEY.txt` or `KEY.json`, read in place.

    A key is a base name up to its first dot; a key with two images is refused, and one whose .cls, .txt and .json mean
    different expressions is a rejected row. The split is a word of the shard's name
    or of its folder. Numbers get their names from a `classnames.txt`, one name in a line; without it they need the
    option `codes`. A single shard may be the root.

    The id is the split and the key, and the shard's name between them where a key is in two shards of the split.
    """

    name = "webdataset"
    summary = "tar shards with KEY.jpg and KEY.cls, KEY.txt or KEY.json, and classnames.txt"
    Options = WebDatasetOptions

    def scan(self, root: Root, options: WebDatasetOptions) -> Scan:
        shards = _shards(root, self, options)
        items: list[_Item] = []
        unread: Counter[str] = _files_beside(root, shards)
        for shard in shards:
            keys = by_key(_members(root, shard), _where(root, shard))
            items += [_item(root, shard, key, group, options) for key, group in keys.items()]
            unread.update(f".{other}" for group in keys.values() for other in group.others if other not in _LABELS)
        if not items:
            raise not_this_layout(root, self)
        names = _class_names(root)
        labels = _labels(root, items, names, options)
        conflicts = _conflicts(items, labels, names, options.code_map or {})
        rows = _rows(items, labels, conflicts)
        counts = Counter(split_word(item.shard.name) for item in items if item.image)
        notes = [f"this looks like {copy.counts.release}: {copy.note}" for copy in copies_like(dict(counts), ())]
        if names and options.code_map is not None:
            notes.append(f"the option codes is not used: {_CLASS_NAMES} names the labels")
        if conflicts:
            notes.append(_conflict_note([items[i].key for i in sorted(conflicts)]))
        for notes_on in (gap_notes, partial_notes):
            notes += notes_on([shard.file for shard in shards])
        return assemble(rows, options, unread_files=dict(sorted(unread.items())), notes=tuple(notes))


def _shards(root: Root, layout: Layout[WebDatasetOptions], options: WebDatasetOptions) -> list[Shard]:
    files = [name for name in root.names() if name.casefold().endswith(".tar")]
    packed = [name for name in root.names() if name.casefold().endswith((".tar.gz", ".tgz"))]
    if packed:
        raise DatasetError(
            f"{root.path}: expected plain .tar shards, found {len(packed)} compressed ones: {some(packed)}, whose "
            "members cannot be read in place. Unpack them (gunzip *.tar.gz; pictures hardly shrink in one)"
        )
    if not files and isinstance(root, TarRoot):
        return in_splits([Shard("", shard_of(root.path.name, options.splits).name)], options.splits, str(root.path))
    if not files:
        raise not_this_layout(root, layout)
    check_complete(files, str(root.path))
    return in_splits([shard_of(file, options.splits) for file in files], options.splits, str(root.path))


def _where(root: Root, shard: Shard) -> str:
    return f"{root.path}: {shard.file}" if shard.file else str(root.path)


def _members(root: Root, shard: Shard) -> Sequence[str]:
    if not shard.file:
        return root.names()
    try:
        return root.container(shard.file).members()
    except ImageError as error:
        raise DatasetError(f"{_where(root, shard)}: {error}. Copy it again") from error


def _files_beside(root: Root, shards: Sequence[Shard]) -> Counter[str]:
    """Files beside the shards that are not read, per suffix."""
    read = {shard.file for shard in shards}
    if "" in read:
        return Counter()
    names = (name.rpartition("/")[2] for name in root.names() if name not in read and not is_image(name))
    return Counter(
        PurePosixPath(name).suffix or "no suffix"
        for name in names
        if name.casefold() not in (_CLASS_NAMES, "readme.md")
    )


def _item(root: Root, shard: Shard, key: str, group: KeyedMembers, options: WebDatasetOptions) -> _Item:
    def named(member: str) -> str:
        return member_name(shard.file, member) if shard.file else member

    def read(member: str) -> bytes:
        return root.read(named(member), _MAX_LABEL_BYTES)

    if not group.images:
        return _Item(shard, key, "", "", NO_IMAGE if any(kind in group.others for kind in _LABELS) else "")
    try:
        label, reason = label_of(group, read, options.label)
        others = other_labels(group, read, options.label)
    except DatasetError as error:
        raise DatasetError(f"{_where(root, shard)}: {error}") from error
    return _Item(shard, key, named(group.images[0]), label, reason, others)


def _class_names(root: Root) -> list[str]:
    """The name of number i is in line i."""
    file = root.find(_CLASS_NAMES)
    names = [line.strip() for line in root.text(file).rstrip().split("\n")] if file else []
    if any(names) and "" in names:
        raise DatasetError(
            f"{root.path}: {file}, line {names.index('') + 1}: expected a name in every line, as line 1 names number "
            "0, found an empty one. Write the name of that number, or remove the line if the names count without it"
        )
    return names if any(names) else []


def _labels(root: Root, items: Sequence[_Item], names: Sequence[str], options: WebDatasetOptions) -> list[str]:
    """The expression of every item; empty where it has no label."""
    texts = [_named(item.label, names) for item in items]
    where = str(root.path)
    if options.code_map is None:
        refuse_numbers(texts, [item.image for item in items], where)
    labelled = [text for text in texts if text]
    known = dict(zip(labelled, translate(labelled, options.code_map, where), strict=True))
    return [known.get(text, "") for text in texts]


def _named(label: str, names: Sequence[str]) -> str:
    if not names or not is_number(label):
        return label
    number = int(float(label))
    return names[number] if 0 <= number < len(names) else f"number {number} of {len(names)} names"


def _conflicts(
    items: Sequence[_Item], labels: Sequence[str], names: Sequence[str], codes: Mapping[int, str]
) -> set[int]:
    """The items whose members mean different expressions, or are different numbers."""

    def contradicts(item: _Item, label: str, other: str) -> bool:
        if is_number(item.label) and is_number(other):
            return float(item.label) != float(other)
        text = _named(other, names)
        try:
            meant = codes[int(float(text))] if is_number(text) else canonical(text)
        except (KeyError, LabelError):
            return False  # a caption, or a number of something else
        return meant != label

    return {
        i
        for i, (item, label) in enumerate(zip(items, labels, strict=True))
        if label and any(contradicts(item, label, other) for other in item.others)
    }


def _conflict_note(keys: Sequence[str]) -> str:
    return (
        f"the labels of {len(keys):,} keys contradict each other in their .cls, .txt and .json: {some(keys)}. They are "
        "rejected; the option label=.cls reads these alone, label=NAME that entry of the .json"
    )


def _rows(items: Sequence[_Item], labels: Sequence[str], conflicts: Set[int]) -> list[Row]:
    ids = _ids(items)
    return [
        Row(Sample(ids(item), item.image, label, item.shard.split, reason=CONFLICT * (i in conflicts)), item.reason)
        for i, (item, label) in enumerate(zip(items, labels, strict=True))
        if item.image or item.reason
    ]


def _ids(items: Sequence[_Item]) -> Callable[[_Item], str]:
    """The id of an item, as the layout's description says."""
    repeated = {
        name
        for name, group in groupby(items, key=lambda item: item.shard.name)
        if len(keys := [item.key for item in group if item.image]) > len(set(keys))
    }

    def of(item: _Item) -> str:
        shard = [PurePosixPath(item.shard.file).stem] if item.shard.name in repeated else []
        return composed("/".join([*([item.shard.name] if item.shard.name else []), *shard, item.key]))

    return of
