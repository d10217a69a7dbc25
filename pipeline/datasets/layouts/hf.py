"""`hf`: a copy on the Hugging Face hub, or a dataset that the `datasets` package saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import cast

from pydantic import Field

from pipeline.datasets.layouts.hf_columns import (
    Columns,
    columns_of,
    image_paths,
    label_texts,
    recorded_features,
    subject_texts,
)
from pipeline.datasets.layouts.hf_copies import Copy, copies_like
from pipeline.datasets.layouts.hf_files import find_shards, unread_files, unread_notes
from pipeline.datasets.reading.ambiguous import is_number, refuse_numbers
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.listfile import lookalike
from pipeline.datasets.reading.rows import Row, assemble, split_word, translate
from pipeline.datasets.reading.shard_files import Shard, ShardOptions, gap_notes, in_splits, partial_notes
from pipeline.datasets.roots.archives import MAX_NAME
from pipeline.datasets.roots.containers import member_name, row_text
from pipeline.datasets.roots.files import LINK, Lookup, Root, composed, escapes
from pipeline.datasets.roots.row_shards import NO_IMAGE, RowShard
from pipeline.errors import DatasetError, ImageError, LabelError
from pipeline.images.formats import is_image
from pipeline.tables.labels import canonical
from pipeline.tables.sample import Sample

__all__ = ["HfCopy", "HfOptions"]

NO_LABEL = "no label"
OUTSIDE = "path leads outside the root"


class HfOptions(ShardOptions):
    image: str = Field("", description="column of images, where there are several or it has an unusual name")
    label: str = Field("", description="column of labels, where there are several or it has an unusual name")
    subject: str = Field("", description="column of the person, whose images are never in two splits")


@dataclass(frozen=True)
class _ShardRows:
    """What is read of one shard; lists have a value for each row.

    `members` are the names of the pictures in the shard, `paths` those that the rows have themselves, and
    `without_bytes` the rows whose picture is a file.
    """

    shard: Shard
    columns: Columns
    labels: Sequence[str]
    members: Sequence[str]
    paths: Sequence[str | None]
    without_bytes: set[int]
    subjects: Sequence[str | None]
    unread: tuple[str, ...]


class HfCopy:
    """Parquet shards (`data/train-00000-of-00002.parquet`, `train/0000.parquet`) or saved Arrow folders, read in place.

    Splits are words of the names of shards or of their folders. Integer labels get their names from the file's own
    features (the schema's metadata, or `dataset_info.json` beside it); without names they need the option `codes`. A
    picture is the bytes of its row, else the file that the row names, below the root. No script and no pickle is run.

    The id is the split and the base name in the row's own `path`, where all rows of the split have one and no two are
    equal, else the split and the number of the row in it: both are the same in the parquet and the Arrow form of an
    upload, on every machine, however it is divided into shards.
    """

    name = "hf"
    summary = "parquet shards or saved Arrow folders of a Hugging Face dataset, an image and a label in each row"
    Options = HfOptions

    def scan(self, root: Root, options: HfOptions) -> Scan:
        found = find_shards(root, options.splits)
        if not found:
            raise not_this_layout(root, self)
        shards = in_splits(found, options.splits, str(root.path))
        read = _read_all(root, shards, options)
        copies = copies_like(_rows_per_split(read), _order(read))
        rows = list(_rows(root, read, options, copies))
        return assemble(
            rows,
            options,
            unread_columns=tuple(sorted({header for shard in read for header in shard.unread})),
            unread_files=unread_files(root, shards),
            notes=(
                *map(_copy_note, copies),
                *unread_notes(root),
                *gap_notes(shard.file for shard in shards),
                *partial_notes(shard.file for shard in shards),
                *_code_notes(read, options),
                *_path_notes(rows),
            ),
        )


def _read_all(root: Root, shards: Iterable[Shard], options: HfOptions) -> list[_ShardRows]:
    """The rows of every shard; each is closed before many others are open. All that cannot be read are named."""
    read: list[_ShardRows] = []
    problems: list[str] = []
    for shard in shards:
        try:
            table = cast("RowShard", root.container(shard.file))  # what parquet and Arrow files are
            read.append(_read(root, shard, table, options))
        except (DatasetError, ImageError) as error:
            problems.append(str(error) if isinstance(error, DatasetError) else _unreadable(root, shard, error))
    if problems:
        n_shards = len(problems) + len(read)
        more = "" if len(problems) == 1 else f"{len(problems)} of {n_shards} shards cannot be read:\n  "
        raise DatasetError(more + "\n  ".join(problems[:10]))
    return read


def _unreadable(root: Root, shard: Shard, error: ImageError) -> str:
    advice = ". In the cache of the hub, the root is the folder datasets--OWNER--NAME" if str(error) == LINK else ""
    return f"{root.path}: {shard.file}: {error}{advice}"


def _read(root: Root, shard: Shard, table: RowShard, options: HfOptions) -> _ShardRows:
    columns = columns_of(table, recorded_features(root, shard.folder), options.image, options.label)
    image, n_rows = columns.image, table.n_rows
    read = {image.name, columns.label.name, options.subject}
    return _ShardRows(
        shard,
        columns,
        label_texts(table, columns),
        [member_name(shard.file, table.member(row, image.name)) for row in range(n_rows)],
        image_paths(table, image),
        _without_bytes(root, table, image.name) if image.holds_bytes else set(range(n_rows)),
        subject_texts(table, options.subject),
        tuple(column.name for column in table.columns if column.name not in read and lookalike(column.name)),
    )


def _without_bytes(root: Root, table: RowShard, column: str) -> set[int]:
    """Rows that hold no bytes, if any of them may be a file: else each of them is rejected when it is read."""
    may_be_files = table.is_quickly_searched or any(map(is_image, root.names()))
    return table.without_bytes(column) if may_be_files else set()


def _rows(root: Root, read: Sequence[_ShardRows], options: HfOptions, copies: Sequence[Copy]) -> Iterator[Row]:
    labels, members = ([value for shard in read for value in getattr(shard, name)] for name in ("labels", "members"))
    if options.code_map is None:
        note = f"Note that {'; '.join(map(_copy_note, copies))}." if copies else ""
        refuse_numbers(labels, members, str(root.path), note)
    labelled = [label for label in labels if label]
    known = dict(zip(labelled, translate(labelled, options.code_map, str(root.path)), strict=True))
    find_file = _file_finder(root)
    for name, group in groupby(read, key=lambda shard: shard.shard.name):
        shards = list(group)
        ids = iter(_ids(name, [path for shard in shards for path in shard.paths]))
        for shard in shards:
            for row, label in enumerate(shard.labels):
                path, reason = _picture(shard, row, find_file)
                sample = Sample(next(ids), path, known.get(label, ""), shard.shard.split, reason=reason)
                yield Row(replace(sample, subject=shard.subjects[row]), "" if label else NO_LABEL)


def _picture(shard: _ShardRows, row: int, find_file: Callable[[str, str], str]) -> tuple[str, str]:
    """The name that the picture of a row is read by, and why it cannot be; both are of the row if it names no file."""
    path, member = shard.paths[row], shard.members[row]
    if row not in shard.without_bytes:
        return member, ""
    if not path:
        return member, NO_IMAGE
    path = path.replace("\\", "/")
    return (find_file(shard.shard.folder, path), "") if _is_inside(path) else (member, OUTSIDE)


def _is_inside(path: str) -> bool:
    return not escapes(path) and len(path) < MAX_NAME and "\0" not in path


def _file_finder(root: Root) -> Callable[[str, str], str]:
    """The file that a path in a shard means: below the root, else below a folder on the way to the shard."""
    lookup = Lookup(root.names())

    def find(folder: str, path: str) -> str:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        above = ["", *(folder[: i + 1] for i, letter in enumerate(folder) if letter == "/")]
        names = (lookup("/".join([*above_it.split("/")[:-1], *parts])) for above_it in above)
        return next((name for name in names if root.exists(name)), "/".join(parts))

    return find


def _ids(split: str, paths: Sequence[str | None]) -> list[str]:
    """An id for every row of a split, as the layout's description says."""
    prefix = f"{split}/" if split else ""
    bases = [composed((path or "").replace("\\", "/").rpartition("/")[2]) for path in paths]
    if len(set(bases)) == len(bases) and all(base and _is_inside(base) for base in bases):
        return [prefix + base for base in bases]
    return [prefix + row_text(row) for row in range(len(paths))]


def _rows_per_split(read: Sequence[_ShardRows]) -> dict[str, int]:
    """Rows by the splits that the names of the shards mean, whatever the option `splits` says."""
    rows: Counter[str] = Counter()
    for shard in read:
        rows[split_word(shard.shard.name)] += len(shard.labels)
    return dict(rows)


def _order(read: Sequence[_ShardRows]) -> tuple[str, ...]:
    """The expressions of the integers of all shards; empty where there are none, or they differ."""
    orders = {shard.columns.names for shard in read}
    names = orders.pop() if len(orders) == 1 else None
    try:
        return tuple(canonical(name) for name in names or ())
    except LabelError:
        return ()


def _copy_note(copy: Copy) -> str:
    return f"this looks like {copy.counts.release}: {copy.note}"


def _code_notes(read: Sequence[_ShardRows], options: HfOptions) -> Iterator[str]:
    """Which files the option `codes` changes nothing in; names that are numbers name nothing."""
    named = [shard for shard in read if not all(map(is_number, shard.columns.names or ()))]
    if options.code_map is not None and named:
        of = "" if len(named) == len(read) else f" for {len(named)} of {len(read)} files"
        yield f"the option codes is not used{of}: {'the files' if not of else 'they'} name their labels themselves"


def _path_notes(rows: Iterable[Row]) -> Iterator[str]:
    if n_outside := sum(row.sample.reason == OUTSIDE for row in rows):
        yield (
            f"{n_outside:,} rows name files of the machine that wrote them: `to_parquet` stores paths of images that "
            "were files. Save the dataset there by save_to_disk or push_to_hub, which store the bytes"
        )
