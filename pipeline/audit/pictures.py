"""Fingerprints of the pictures of a table, each computed once: a file beside the table has those of earlier audits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.audit.fingerprint import FINGERPRINT_VERSION, Fingerprint, fingerprint
from pipeline.errors import ImageError
from pipeline.extraction.prefetch import parallel_map
from pipeline.images.decode import decoder_version
from pipeline.images.reading import ImageRow, ImageSource, row_picture
from pipeline.images.transform import crop
from pipeline.tables.parquet import TableKind

__all__ = ["FingerprintTable", "FingerprintsInfo", "current_info", "read_fingerprints"]

_IMAGES_PER_TASK = 16
_COLUMNS = {
    "sha256": pa.string(),
    "box": pa.string(),
    "pixels": pa.string(),
    "phash": pa.uint64(),
    "contrast": pa.float32(),
    "reason": pa.string(),
}
Item: TypeAlias = tuple[str, str]  # sha256 of the file, and the box as text


@dataclass(frozen=True)
class FingerprintsInfo:
    """What decoded the pictures, and the version of the fingerprints: others are not reused."""

    decoder: str
    version: int


def current_info() -> FingerprintsInfo:
    """Of fingerprints that this program computes now."""
    return FingerprintsInfo(decoder_version(), FINGERPRINT_VERSION)


class _FingerprintKind(TableKind[FingerprintsInfo]):
    """The file of DATASET is DATASET.pixels.parquet; the command takes several datasets."""

    def _remedy(self, path: Path) -> list[tuple[str, dict[str, Any]]]:
        return [(self.command, {"datasets": (path.stem.removesuffix(".pixels"),), self.folder: str(path.parent)})]


_KIND = _FingerprintKind(
    "table of fingerprints",
    b"fer-stage-fingerprints",
    schema=1,
    info=FingerprintsInfo,
    columns=_COLUMNS,
    optional=frozenset(),
    command="audit",
    folder="tables",
    by_hand="",
    purpose="to decode the pictures again",
)


@dataclass(frozen=True, eq=False)
class FingerprintTable:
    """Fingerprints by image file and box.

    Parameters
    ----------
    frame : a row per picture: `sha256`, `box` as text, `pixels`, `phash`, `contrast`, and `reason`: why it cannot be
        decoded, else empty
    """

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def empty(cls) -> FingerprintTable:
        """Without a row."""
        return cls(_typed({name: [] for name in _COLUMNS}))

    @classmethod
    def of(cls, items: Sequence[Item], results: Sequence[Fingerprint | str]) -> FingerprintTable:
        """Of items and their fingerprints, or the reasons why they have none."""
        none = Fingerprint("", 0, 0.0)
        prints = [none if isinstance(result, str) else result for result in results]
        return cls(
            _typed(
                {
                    "sha256": [sha256 for sha256, _ in items],
                    "box": [box for _, box in items],
                    "pixels": [one.pixels for one in prints],
                    "phash": np.array([one.phash for one in prints], np.uint64),
                    "contrast": [one.contrast for one in prints],
                    "reason": [result if isinstance(result, str) else "" for result in results],
                }
            )
        )

    @classmethod
    def read(cls, path: Path) -> FingerprintTable:
        """Those written at `path`; without a row if another decoder or version computed them.

        Raises
        ------
        TableError
            If the file is missing, or no such table.
        """
        table, info = _KIND.read(path)
        return cls(table.to_pandas()) if info == current_info() else cls.empty()

    def to_arrow(self) -> pa.Table:
        """The same rows for Parquet."""
        table = pa.Table.from_pandas(self.frame, pa.schema(_COLUMNS), preserve_index=False)
        return _KIND.described(table, asdict(current_info()))

    def of_items(self, items: pd.DataFrame) -> pd.DataFrame:
        """`pixels`, `phash`, `contrast` and `reason` of each item, in order; missing values where it is unknown.

        Parameters
        ----------
        items : columns `sha256` and `box`, each pair once
        """
        known: pd.DataFrame = items[["sha256", "box"]].merge(self.frame, "left", ["sha256", "box"])
        return known

    def of_files(self, sha256: pd.Series[str]) -> FingerprintTable:
        """Those of some files."""
        return FingerprintTable(self.frame[self.frame["sha256"].isin(sha256)].reset_index(drop=True))

    def joined(self, *others: FingerprintTable) -> FingerprintTable:
        """The rows of all; of an item that is in several, the first one."""
        frame = pd.concat([self.frame, *(other.frame for other in others)], ignore_index=True)
        return FingerprintTable(frame.drop_duplicates(["sha256", "box"], ignore_index=True))


def _typed(columns: dict[str, Any]) -> pd.DataFrame:
    types = {name: "str" if pa.types.is_string(kind) else str(kind) for name, kind in _COLUMNS.items()}
    types["contrast"] = "float32"
    return pd.DataFrame(columns).astype(types)


def read_fingerprints(
    images: Iterable[ImageRow], root: ImageSource, threads: int
) -> Iterator[tuple[ImageRow, Fingerprint | str]]:
    """The fingerprint of every image, in order, or why it has none. A box cuts its picture.

    Threads, not processes: reading, decoding and hashing release the interpreter's lock.

    Raises
    ------
    ChangedImageError
        If a file is gone or changed since it was indexed.
    """

    def task(some: Sequence[ImageRow]) -> list[tuple[ImageRow, Fingerprint | str]]:
        return [(image, _fingerprint(image, root)) for image in some]

    for done in parallel_map(task, _tasks(images), threads, 2 * threads):
        yield from done


def _fingerprint(image: ImageRow, root: ImageSource) -> Fingerprint | str:
    try:
        picture = row_picture(root, image)
        return fingerprint(crop(picture, image.box) if image.box else picture)
    except ImageError as error:
        return str(error)


def _tasks(images: Iterable[ImageRow]) -> Iterator[Sequence[ImageRow]]:
    rest = iter(images)
    while task := list(islice(rest, _IMAGES_PER_TASK)):
        yield task
