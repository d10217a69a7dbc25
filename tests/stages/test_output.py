"""Tables on stdout: the same look on a terminal and in a pipe, whatever a cell holds; fast however many rows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from stages.output import echo_record, echo_rows

ROWS = [
    {"id": "a/表情-1.png", "label": "fear", "n": 12345, "score": 0.123456, "reason": ""},
    {"id": "b", "label": "[red]é", "n": 1, "score": 1e6, "reason": ["x", "two\nlines"]},
]
TABLE = """\
 id            label   n       score      reason
 a/表情-1.png  fear    12,345  0.1235     -
 b             [red]é  1       1,000,000  x, two\\nlines
"""
SHOW = f"from stages.output import echo_rows; echo_rows({ROWS!r}, 'table')"


def in_terminal(code: str, columns: int) -> list[str]:
    """What a program prints on a terminal of that width, without its colours."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    printed = b""
    try:
        while part := os.read(ours, 65536):
            printed += part
    except OSError:  # on Linux: no process has the other end open
        pass
    os.close(ours)
    return [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", printed.decode()).splitlines()]


def test_a_piped_table_has_a_header_and_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    echo_rows(ROWS, "table")
    assert capsys.readouterr().out == TABLE


def test_a_terminal_shows_the_same_table() -> None:
    assert in_terminal(SHOW, 100) == TABLE.splitlines()


def test_a_terminal_gets_what_fits() -> None:
    assert max(map(len, in_terminal(SHOW, 30))) <= 30


def test_a_record_is_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    echo_record({"rows": 12271, "complete": True, "splits": {"train": 2, "val": 0}}, "table")
    assert capsys.readouterr().out == " rows      12,271\n complete  yes\n splits    train 2, val 0\n"


def test_no_rows_are_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    echo_rows([], "table", ["id", "label"])
    assert capsys.readouterr().out == " id  label\n"


def test_ten_thousand_rows_are_as_many_lines(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": f"images/face-{i:07d}.jpg", "label": "fear", "split": "test", "status": "ok"} for i in range(10_000)]
    echo_rows(rows, "table")
    assert len(capsys.readouterr().out.splitlines()) == 10_001


def test_a_pipe_does_not_wait_for_a_library_that_draws() -> None:
    code = f"import sys; {SHOW}; assert 'rich.table' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_rows_that_are_interrupted_are_whole_json(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield from ({"i": i} for i in range(70))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        echo_rows(rows(), "json")
    assert json.loads(capsys.readouterr().out) == [{"i": i} for i in range(70)]
