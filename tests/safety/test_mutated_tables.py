"""Sample and face tables that may come from elsewhere: an error that names file and field, or their rows."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mutations import mutations

import pipeline.tables.parquet
from pipeline.audit.fingerprint import Fingerprint
from pipeline.audit.pictures import FingerprintTable
from pipeline.audit.record import AuditInfo, AuditRecord
from pipeline.errors import TableError
from pipeline.faces.face import Face
from pipeline.faces.search import NO_FACE, Detection
from pipeline.faces.table import FacesInfo, FaceTable
from pipeline.tables.samples import Sample, SampleTable, TableInfo
from stages.cli import run
from stages.commands.options import face_tables_option, folder_option
from stages.remedies import as_commands

INFO = TableInfo(
    "faces",
    "folder",
    "data/faces",
    ("fear", "anger"),
    release="1",
    options={"classes": 7},
    excluded={"contempt": 2},
    unread_columns={"pose": ""},
    unread_images={"other": 3},
    unread_files={".txt": 1},
    reader=1,
    given={"layout": "folder", "root": "data/faces", "options": {"classes": 7}},
    carved={"val": "train"},
    repeated={"train": {"fear": 1}},
)
SAMPLES = (
    Sample("a", "a.png", "fear", "train", "0" * 64, subject="p", clip="c", frame=3, fold=0, box=(1, 2, 3, 4)),
    Sample("b", "b.png", "anger", "val", "f" * 64, votes=(0, 7)),
    Sample("broken", "broken.png", "anger", "test", reason="cut short"),
)
DETECTIONS = (
    Detection(Face((1.0, 2.0, 30.0, 40.0), np.arange(10, dtype=np.float32).reshape(5, 2), 0.9), 1),
    Detection(None, 0, NO_FACE),
    Detection(None, 0, "cut short"),
)
Read = Callable[[Path], Any]


def sample_table() -> pa.Table:
    return SampleTable.from_samples(SAMPLES, INFO).to_arrow()


def face_table() -> pa.Table:
    info = FacesInfo("faces", "ab" * 32, {"name": "yunet", "sha256": "cd" * 32})
    return FaceTable.of(["a", "b", "broken"], ["0 1", "1 2", "2 3"], DETECTIONS, info).to_arrow()


def fingerprints() -> pa.Table:
    prints = [Fingerprint("1" * 64, 2**63, 9.0), Fingerprint("2" * 64, 7, 8.5), "not an image"]
    return FingerprintTable.of([("0" * 64, ""), ("f" * 64, "1,2,3,4"), ("e" * 64, "")], prints).to_arrow()


def audit_record() -> pa.Table:
    info = AuditInfo({"faces": "ab" * 32}, {"bytes": {}, "phash": {"max_bits": 4}}, {"faces": ("a note",)})
    return AuditRecord.of([("0" * 64, 0), ("f" * 64, 1)], [(0, 1, "phash", 2.0)], info).to_arrow()


KINDS = [
    pytest.param(sample_table, b"fer-stage", SampleTable.read, id="samples"),
    pytest.param(face_table, b"fer-stage-faces", FaceTable.read, id="faces"),
]
of_each_kind = pytest.mark.parametrize(("make", "key", "read"), KINDS)


def outcome(read: Read, path: Path) -> str:
    """The rows as JSON, or the message of an error that names the file and the command that makes it again."""
    try:
        return str(read(path).frame.to_json())
    except TableError as error:
        return f"refused: {as_commands(error)}"


def refused(read: Read, path: Path) -> str:
    """The message of the error, which names the file and a command that can be copied to a shell."""
    with pytest.raises(TableError) as caught:
        read(path)
    message = as_commands(caught.value)
    assert str(path) in message
    return message


def advised(message: str) -> list[str]:
    return shlex.split(message.rpartition("`fer-stage ")[2].partition("`")[0])


@of_each_kind
def test_a_changed_entry_of_the_metadata_is_named_or_changes_no_row(
    tmp_path: Path, make: Callable[[], pa.Table], key: bytes, read: Read
) -> None:
    table, path = make(), tmp_path / "faces.parquet"
    pq.write_table(table, path)
    unchanged = outcome(read, path)
    for what, changed in mutations(json.loads(table.schema.metadata[key])):
        pq.write_table(table.replace_schema_metadata({key: json.dumps(changed)}), path)
        field = what.split(" ")[0].removeprefix("info.").split(".")[0]
        result = outcome(read, path)
        named = field in result or (field == "classes" and "label is" in result)  # a label that is no class any more
        assert result == unchanged or (str(path) in result and named), (what, result)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
@of_each_kind
def test_metadata_that_is_no_json_object_is_refused(
    tmp_path: Path, make: Callable[[], pa.Table], key: bytes, read: Read, text: bytes
) -> None:
    pq.write_table(make().replace_schema_metadata({key: text}), tmp_path / "faces.parquet")
    refused(read, tmp_path / "faces.parquet")


OTHERS: tuple[Callable[[int], pa.Array], ...] = (
    lambda n: pa.nulls(n),
    lambda n: pa.array([10**12] * n),
    lambda n: pa.array([-1] * n),
    lambda n: pa.array([float("nan")] * n),
    lambda n: pa.array([True] * n),
    lambda n: pa.array(["../../outside"] * n),
    lambda n: pa.array(["/etc/passwd"] * n),
    lambda n: pa.array(["a\x00b"] * n),
    lambda n: pa.array(["x" * 5000] * n),
    lambda n: pa.array([b"\xff\xfe"] * n),
    lambda n: pa.array([[]] * n, pa.list_(pa.int32())),
    lambda n: pa.array([[1, None, 3, 4]] * n),
    lambda n: pa.array([[float("nan")] * 4] * n),
    lambda n: pa.array([[float("inf")] * 10] * n),
    lambda n: pa.array([[0, 0, -1, 10**12]] * n),
    lambda n: pa.array([{"x": 1}] * n),
)


@of_each_kind
def test_a_column_that_is_missing_or_holds_something_else_is_named(
    tmp_path: Path, make: Callable[[], pa.Table], key: bytes, read: Read
) -> None:
    table, path = make(), tmp_path / "faces.parquet"
    pq.write_table(table, path)
    for i, name in enumerate(table.column_names):
        changes = [table.drop_columns([name]), table.append_column(name, table[name])]
        changes += [table.set_column(i, name, other(len(table))) for other in OTHERS]
        for changed in changes:
            pq.write_table(changed, path)
            result = outcome(read, path)
            named = str(path) in result and "`fer-stage " in result and name.removesuffix("s") in result
            assert named or not result.startswith("refused"), result


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("path", "../secret.png", "paths leave the root, first '../secret.png'"),
        ("path", "/etc/passwd", "paths leave the root, first '/etc/passwd'"),
        ("id", "b", "ids repeat, first 'b'"),
        ("sha256", "x", "without a sha256, first 'a'"),
        ("label", "joy", "label is 'joy'"),
        ("votes", [-1, 3], "votes are counts"),
        ("votes", [10**12], "column votes: expected list<"),
        ("box", [0.5, float("nan"), 1, 1], "column box: expected list<"),
        ("box", [1, 2, 0, 4], "a box is"),
        ("distribution", [0.5, 0.5, 0.0], "a distribution is the shares of 2 classes"),
        ("distribution", [0.5, None], "a distribution is the shares of 2 classes"),
        ("distribution", [float("inf"), 0.0], "a distribution is the shares of 2 classes"),
        ("frame", -1, "frame: expected 0 or more, found less in row 0"),
        ("face", [0.0] * 9, "a face is the x and y of five landmarks"),
        ("reason", None, "column reason: expected a value in every row, found none in row 0"),
    ],
)
def test_a_value_that_no_sample_has_is_named(tmp_path: Path, column: str, value: object, message: str) -> None:
    table, path = sample_table(), tmp_path / "faces.parquet"
    values = table[column].to_pylist() if column in table.column_names else [None] * len(table)
    changed = pa.array([value, *values[1:]])
    if column in table.column_names:
        table = table.set_column(table.column_names.index(column), column, changed)
    else:
        table = table.append_column(column, changed)
    pq.write_table(table, path)
    assert message in refused(SampleTable.read, path)


def test_a_digest_of_a_rejected_row_is_a_digest_or_nothing(tmp_path: Path) -> None:
    table = sample_table()
    sha256 = [*table["sha256"].to_pylist()[:2], "../x"]
    pq.write_table(table.set_column(4, "sha256", pa.array(sha256)), tmp_path / "faces.parquet")
    assert "sha256 of 1 rejected rows" in refused(SampleTable.read, tmp_path / "faces.parquet")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("status", ["found", "found", "rejected"], "column box: expected 4 numbers if a face is found"),
        ("status", ["found", "lost", "rejected"], "column status: expected found, missed or rejected, found 'lost'"),
        ("faces", [1, -1, 0], "column faces: expected counts"),
        ("box", [[1.0, 2.0, 3.0, float("nan")], None, None], "wrong in row 0"),
        ("landmarks", [[0.0] * 10, [0.0] * 10, None], "wrong in row 1"),
        ("landmarks", [[0.0] * 9, None, None], "column landmarks: expected 10 numbers"),
        ("image", ["0 1", None, "2 3"], "column image: expected a value in every row, found none in row 1"),
    ],
)
def test_a_value_that_no_detector_finds_is_named(
    tmp_path: Path, column: str, values: list[object], message: str
) -> None:
    table, path = face_table(), tmp_path / "faces.parquet"
    pq.write_table(table.set_column(table.column_names.index(column), column, pa.array(values)), path)
    assert message in refused(FaceTable.read, path)


@pytest.mark.parametrize("make", [fingerprints, audit_record])
def test_what_an_audit_wrote_is_refused_or_read_whatever_its_columns_and_metadata_hold(
    tmp_path: Path, make: Callable[[], pa.Table]
) -> None:
    read, key = (
        (_shown_by_record, b"fer-stage-audit")
        if make is audit_record
        else (_shown_by_prints, b"fer-stage-fingerprints")
    )
    table, path = make(), tmp_path / "faces.parquet"
    pq.write_table(table, path)
    assert "refused" not in _outcome_of(read, path)
    for i, name in enumerate(table.column_names):
        changes = [table.drop_columns([name]), table.append_column(name, table[name])]
        changes += [table.set_column(i, name, other(len(table))) for other in OTHERS]
        for changed in changes:
            pq.write_table(changed, path)
            result = _outcome_of(read, path)
            assert not result.startswith("refused") or (str(path) in result and "`fer-stage audit" in result), result
    for _, changed in mutations(json.loads(table.schema.metadata[key])):
        pq.write_table(table.replace_schema_metadata({key: json.dumps(changed)}), path)
        result = _outcome_of(read, path)
        assert not result.startswith("refused") or (str(path) in result and "`fer-stage audit" in result), result


def _shown_by_record(path: Path) -> str:
    record = AuditRecord.read(path)
    return str(record.equal_rows(["0" * 64], ["f" * 64])) + str(record.outdated({"faces": ""}))


def _shown_by_prints(path: Path) -> str:
    items = pd.DataFrame({"sha256": ["0" * 64], "box": [""]})
    return str(FingerprintTable.read(path).of_items(items).to_json())


def _outcome_of(read: Callable[[Path], str], path: Path) -> str:
    try:
        return read(path)
    except TableError as error:
        return f"refused: {as_commands(error)}"


@of_each_kind
def test_a_file_that_states_more_than_it_can_hold_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], pa.Table], key: bytes, read: Read
) -> None:
    path = tmp_path / "faces.parquet"
    pq.write_table(make(), path)
    monkeypatch.setattr(pipeline.tables.parquet, "_SMALL", 10)
    monkeypatch.setattr(pipeline.tables.parquet, "_BYTES_PER_BYTE", 0)
    assert "bytes cannot hold" in refused(read, path)
    monkeypatch.setattr(pipeline.tables.parquet, "_ROWS_PER_BYTE", 0)
    assert "cannot hold 3 rows, as it states" in refused(read, path)


@of_each_kind
def test_what_is_no_file_of_rows_is_refused(
    tmp_path: Path, make: Callable[[], pa.Table], key: bytes, read: Read
) -> None:
    folder, fifo, empty, cut = (tmp_path / f"{name}.parquet" for name in ("folder", "fifo", "empty", "cut"))
    folder.mkdir()
    os.mkfifo(fifo)
    empty.touch()
    pq.write_table(make(), cut)
    cut.write_bytes(cut.read_bytes()[:-20])
    assert "found a folder. Move it away" in refused(read, folder)
    assert "found no regular file. Move it away" in refused(read, fifo)  # and it is not waited for
    assert "not a Parquet file" in refused(read, empty)
    assert "not a Parquet file" in refused(read, cut)


@of_each_kind
def test_single_bytes_that_are_changed_give_an_error_of_ours_or_a_table(
    tmp_path: Path, make: Callable[[], pa.Table], key: bytes, read: Read
) -> None:
    path = tmp_path / "faces.parquet"
    pq.write_table(make(), path)
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for at in range(4, footer, max(1, footer // 60)):  # of the pages: what pyarrow's own reader checks
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        result = outcome(read, path)
        assert str(path) in result or not result.startswith("refused")


@pytest.mark.parametrize("folder", ["tables", "my tables", "$(touch owned)", "a;b", "it's"])
def test_the_command_in_the_message_names_the_folder_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(folder) / "faces.parquet"
    path.parent.mkdir()
    path.write_bytes(b"x")
    usual = ["index", "--dataset", "faces"]
    assert advised(refused(SampleTable.read, path)) == usual + (["--tables", folder] if folder != "tables" else [])
    assert advised(refused(FaceTable.read, path)) == ["align", "--dataset", "faces", "--face-tables", folder]


def test_the_usual_folders_are_those_of_the_commands() -> None:
    """A message leaves the option out where the folder is the usual one."""
    for option, name in ((folder_option("tables", ""), "tables"), (face_tables_option, "faces")):
        command = option(lambda: None)
        assert [str(parameter.default) for parameter in command.__click_params__] == [name]  # type: ignore[attr-defined]


def test_whole_commands_end_with_the_file_and_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tables").mkdir()
    table = sample_table()
    info = json.loads(table.schema.metadata[b"fer-stage"])
    info["info"]["reader"] = "x"
    for broken in (
        table.replace_schema_metadata({b"fer-stage": json.dumps(info)}),
        table.drop_columns(["label"]),
        table.set_column(1, "path", pa.array(["../a", "b", "c"])),
    ):
        pq.write_table(broken, "tables/faces.parquet")
        for command in ("extract", "align"):
            assert run([command, "--dataset", "faces", "--quiet"]) == 1
            error = capsys.readouterr().err
            assert "tables/faces.parquet" in error
            assert "a bug of fer-stage" not in error
            assert "`fer-stage index --dataset faces`" in error
