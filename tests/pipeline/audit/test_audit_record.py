"""The record of an audit: which images equal which, and of which tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.audit.record import AuditInfo, AuditRecord, record_name, table_digest
from pipeline.errors import TableError
from pipeline.tables.samples import Sample, SampleTable, TableInfo

A, B, C, D, E = (letter * 64 for letter in "abcde")
INFO = AuditInfo(
    {"one": "1" * 64, "two": "2" * 64}, {"bytes": {}, "pixels": {}, "phash": {"bits": 4}}, {"one": ("a note",)}
)
# a and b show picture 0, c shows picture 1 which is near 0, d shows picture 2 which is near 1 only.
RECORD = AuditRecord.of([(A, 0), (B, 0), (C, 1), (D, 2)], [(0, 1, "phash", 3.0), (1, 2, "phash", 4.0)], INFO)


def table(**changes: str) -> SampleTable:
    row = {"id": "x", "path": "x.png", "label": "fear", "split": "train", "sha256": A, **changes}
    info = TableInfo("one", "csv", "root", ("fear", "anger"))
    return SampleTable.from_samples([Sample(**row)], info)


def test_each_image_is_counted_under_the_strictest_kind() -> None:
    masks = RECORD.equal_rows([A, B, C, D, E], [A])
    assert {kind: mask.tolist() for kind, mask in masks.items()} == {
        "bytes": [True, False, False, False, False],
        "pixels": [False, True, False, False, False],
        "phash": [False, False, True, False, False],
    }


def test_nearness_is_not_transitive_and_goes_both_ways() -> None:
    assert RECORD.equal_rows([A, D], [C])["phash"].tolist() == [True, True]
    assert not RECORD.equal_rows([A], [D])["phash"].any()


def test_a_file_with_two_boxes_does_not_join_what_its_boxes_show() -> None:
    record = AuditRecord.of([(A, 0), (B, 0), (B, 1), (C, 1)], [], INFO)
    assert record.equal_rows([C], [A])["pixels"].tolist() == [False]
    assert record.equal_rows([C], [B])["pixels"].tolist() == [True]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "one+two.parquet"
    pq.write_table(RECORD.to_arrow(), path)
    read = AuditRecord.read(path)
    pd.testing.assert_frame_equal(read.pictures, RECORD.pictures)
    pd.testing.assert_frame_equal(read.pairs, RECORD.pairs)
    assert read.info == INFO == AuditRecord.read_info(path)


def test_an_empty_record_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    pq.write_table(AuditRecord.of([], [], INFO).to_arrow(), path)
    assert not AuditRecord.read(path).equal_rows([A], [B])["pixels"].any()


def test_tables_that_changed_are_named() -> None:
    assert RECORD.outdated({"one": "1" * 64, "two": "3" * 64}) == ("two",)
    assert RECORD.outdated({"one": "1" * 64}) == ()


def test_the_digest_of_a_table_is_of_what_an_audit_reads() -> None:
    assert table_digest(table()) == table_digest(table(path="elsewhere.png"))
    digests = {table_digest(table(**change)) for change in ({}, {"label": "anger"}, {"split": "val"}, {"sha256": B})}
    assert len(digests | {table_digest(table(subject="x")), table_digest(table(clip="x"))}) == 6


def test_a_file_that_is_no_record_names_the_command(tmp_path: Path) -> None:
    path = tmp_path / "one+two.parquet"
    with pytest.raises(TableError, match="no record of an audit") as missing:
        AuditRecord.read(path)
    assert missing.value.remedy == [("audit", {"datasets": ("one", "two"), "audits": str(tmp_path)})]
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(TableError, match="schema 1"):
        AuditRecord.read(path)


def test_a_record_of_many_datasets_has_a_name_that_fits_a_folder() -> None:
    assert record_name(["ferplus", "muxspace"]) == "ferplus+muxspace"
    names = {record_name([f"dataset-{i}" for i in range(n)]) for n in (40, 41)}
    assert len(names) == 2
    assert max(map(len, names)) < 150
