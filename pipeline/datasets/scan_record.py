"""What a scan knows of the files it read, so that the next one reads those alone that changed.

A file counts as unchanged if its path, size, both times and its inode are equal. The time of the last change (ctime)
is among them because no program can set it: a file replaced by `tar x`, `cp -p` or `rsync -t` may have the size, the
mtime and even the inode of the old one. Changes of owner, mode or number of links are thus read again, too, which costs
time and no more. What no stamp shows: a disk that returns other bytes, a clock that was set back, and file systems
that do not keep ctime (some network drives).

A file is recorded only if both of its times are older than the moment it was read by `MARGIN_NS`: one that is written
twice within the resolution of its times would else look unchanged after the second time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.roots.stamps import Stamp
from pipeline.errors import TableError
from pipeline.tables.parquet import TableKind
from pipeline.versions import program_version, stage_version

__all__ = ["MARGIN_NS", "ScanInfo", "ScanRecord"]

MARGIN_NS = 2_000_000_000  # FAT and exFAT count in two seconds; all others are finer

_STAMP = {"size": pa.int64(), "mtime_ns": pa.int64(), "ctime_ns": pa.int64(), "inode": pa.uint64()}
_DIGEST_BYTES = 32
_FRAMES = "n_frames"


@dataclass(frozen=True)
class ScanInfo:
    """What a record belongs to; one of anything else is not used.

    Parameters
    ----------
    root : absolute path of the dataset
    program, reader : versions of fer-stage, and of its readers
    """

    root: str
    program: str
    reader: int

    @classmethod
    def of(cls, root: Path) -> ScanInfo:
        """That of a scan of `root` by this program."""
        return cls(str(root.absolute()), program_version(), stage_version("index"))


@dataclass(frozen=True, eq=False)
class ScanRecord:
    """Files that were read, one row each, in any order.

    Parameters
    ----------
    paths : of string, N rows, unique; below the root
    stamps : int64, shape (N, 4): columns as in `Stamp`, the inode as its bits
    digests : uint8, shape (N, 32): sha256 of the bytes
    kinds : of string, N rows: `special_kind` of the bytes; empty for most
    n_frames : int64, shape (N,): frames of a video, -1 of all other files; None where no file is a video
    """

    paths: pa.Array
    stamps: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint8]
    kinds: pa.Array
    n_frames: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def empty(cls) -> ScanRecord:
        """That of a dataset that was never scanned."""
        none = pa.array([], pa.string())
        return cls(none, np.zeros((0, len(_STAMP)), np.int64), np.zeros((0, _DIGEST_BYTES), np.uint8), none)

    @classmethod
    def read(cls, path: Path, root: Path) -> ScanRecord:
        """The record at `path`.

        Raises
        ------
        TableError
            If there is none, it is damaged, or is of another root or program; the message says which.
        """
        table, info = _kind().read(path)
        expected = asdict(ScanInfo.of(root))
        if differing := [f"{name} {value!r}" for name, value in asdict(info).items() if expected[name] != value]:
            raise TableError(f"{path}: it is of {' and '.join(differing)}")
        digests = table["sha256"].combine_chunks()
        paths, kinds = table["path"].combine_chunks(), table["kind"].combine_chunks()
        columns = [table[name].to_numpy().view(np.int64) for name in _STAMP]
        stamps = np.stack(columns, axis=1) if len(table) else cls.empty().stamps
        buffer = np.frombuffer(digests.buffers()[1], np.uint8)[digests.offset * _DIGEST_BYTES :]
        n_frames = table[_FRAMES].to_numpy() if _FRAMES in table.column_names else None
        return cls(paths, stamps, buffer[: len(table) * _DIGEST_BYTES].reshape(-1, _DIGEST_BYTES), kinds, n_frames)

    def to_arrow(self, root: Path) -> pa.Table:
        """The record for Parquet, from which `read` restores it."""
        columns: dict[str, Any] = {"path": self.paths}
        for i, (name, type_) in enumerate(_STAMP.items()):
            numbers = np.ascontiguousarray(self.stamps[:, i])
            columns[name] = pa.array(numbers.view(type_.to_pandas_dtype()), type_)
        data = pa.py_buffer(np.ascontiguousarray(self.digests))
        columns["sha256"] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_DIGEST_BYTES), len(self), [None, data])
        columns["kind"] = self.kinds
        if self.n_frames is not None:
            columns[_FRAMES] = self.n_frames
        return _kind().described(pa.table(columns), asdict(ScanInfo.of(root)))

    def rows_of(self, names: pa.Array) -> npt.NDArray[np.int64]:
        """The row of every name, -1 where the record has none."""
        rows: npt.NDArray[np.int64] = pc.index_in(names, value_set=self.paths).fill_null(-1).to_numpy().astype(np.int64)
        return rows

    def frames_of(self, row: int) -> int:
        """Frames of the video of a row, -1 if it is none."""
        return -1 if self.n_frames is None else int(self.n_frames[row])

    def take(self, rows: npt.NDArray[np.int64]) -> ScanRecord:
        """Some of the rows, in the order of `rows`."""
        indices = pa.array(rows)
        n_frames = None if self.n_frames is None else self.n_frames[rows]
        return ScanRecord(
            self.paths.take(indices), self.stamps[rows], self.digests[rows], self.kinds.take(indices), n_frames
        )

    @classmethod
    def joined(cls, parts: list[ScanRecord]) -> ScanRecord:
        """The rows of several records, which have no path in common."""
        return cls(
            pa.concat_arrays([part.paths for part in parts]),
            np.concatenate([part.stamps for part in parts]),
            np.concatenate([part.digests for part in parts]),
            pa.concat_arrays([part.kinds for part in parts]),
            None if all(part.n_frames is None for part in parts) else np.concatenate([_frames(part) for part in parts]),
        )


def _frames(record: ScanRecord) -> npt.NDArray[np.int64]:
    return np.full(len(record), -1) if record.n_frames is None else record.n_frames


def stamp_rows(stamps: list[Stamp | None]) -> npt.NDArray[np.int64]:
    """Stamps as rows of `ScanRecord.stamps`; -1 in all columns where there is none."""
    rows = np.full((len(stamps), len(_STAMP)), -1, np.int64)
    for i, stamp in enumerate(stamps):
        if stamp is not None:
            size, mtime, ctime, inode = stamp
            rows[i] = size, mtime, ctime, inode - 2**64 if inode >= 2**63 else inode
    return rows


@cache
def _kind() -> TableKind[ScanInfo]:
    return TableKind(
        "record of a scan",
        b"fer-stage-scan",
        schema=1,
        info=ScanInfo,
        columns={
            "path": pa.string(),
            **_STAMP,
            "sha256": pa.binary(_DIGEST_BYTES),
            "kind": pa.string(),
            _FRAMES: pa.int64(),
        },
        optional=frozenset({_FRAMES}),
        command="index",
        folder="tables",
        by_hand="",
        purpose="",
    )
