"""CSV cells that a spreadsheet would run as a formula are written so that it does not; numbers are untouched."""

from __future__ import annotations

import ast
import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cache
from cache.csv_cells import write_csv
from stages.cli import run
from stages.output import echo_record, echo_rows

ROOT = Path(__file__).parents[2]
FORMULA = "=1+1|x"
WIDE = ("\uff1d", "\uff0b", "\uff0d", "\uff20")  # the full-width signs
STARTS = ("=1+1", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "  =1", '"=1', "'=1", *WIDE)


def cells(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]


def runs(cell: str) -> bool:
    """Whether a spreadsheet may take the text for a formula; a number is none."""
    try:
        float(cell)
    except ValueError:
        return cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r", "\n", *WIDE))
    return False


def printed_csv(capsys: pytest.CaptureFixture[str]) -> list[str]:
    found = cells(capsys.readouterr().out)
    assert not list(filter(runs, found)), found
    return found


@pytest.mark.parametrize("text", STARTS)
def test_an_apostrophe_makes_it_text(text: str) -> None:
    buffer = io.StringIO()
    echo_rows([{"id": text}], "csv", file=buffer)
    assert cells(buffer.getvalue()) == ["id", f"'{text}"]


@pytest.mark.parametrize("text", ["a=1", "", "é", "'quoted'", "#1", "a-b", "1-2", "(=1)"])
def test_other_text_is_untouched(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    echo_rows([{"id": text, "n": 1}], "csv")
    assert printed_csv(capsys) == ["id", "n", text, "1"]


def test_a_text_that_has_an_apostrophe_already_differs_from_one_that_got_it(capsys: pytest.CaptureFixture[str]) -> None:
    echo_rows([{"id": "=1"}, {"id": "'=1"}], "csv")
    assert printed_csv(capsys) == ["id", "'=1", "''=1"]


def test_numbers_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    echo_record({"a": -1, "b": -0.5, "c": np.float32(-2), "d": -1e-9, "e": True, "f": None}, "csv")
    assert capsys.readouterr().out == "a,b,c,d,e,f\n-1,-0.5,-2.0,-1e-09,True,\n"


def test_headers_and_nested_values(capsys: pytest.CaptureFixture[str]) -> None:
    echo_rows([{"=class": 0.5, "list": ["=1"], "dict": {"=1": 2}}], "csv")
    assert printed_csv(capsys) == ["'=class", "list", "dict", "0.5", '["=1"]', '{"=1": 2}']


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    echo_rows([{"id": "=1"}], "json")
    assert json.loads(capsys.readouterr().out) == [{"id": "=1"}]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose file, ids, subjects and reasons begin like formulas."""
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    lines = ["id,path,label,subject"]
    for i, start in enumerate(("=1+", "+", "-", "@")):
        Image.new("RGB", (32, 32), (i * 9, 5, 5)).save(f"d/{i}.png")
        lines.append(f"{start}{i},{i}.png,{('fear', 'anger')[i % 2]},{start}person")
    Path("d/=bad.png").write_bytes(b"no image")
    Path("d/labels.csv").write_text("\n".join([*lines, "=bad,=bad.png,fear,=x", ""]))
    assert run(["index", "--dataset", "faces", "--layout", "csv", "--root", "d"]) == 0
    assert run(["extract", "--dataset", "faces", "--encoder", "untrained", "--max-rejected", "1", "--quiet"]) == 0
    return Path("features/untrained/faces.zarr").rename(f"features/untrained/{FORMULA}.zarr")


def test_names_of_stores_are_no_formulas(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store may be renamed, or come from elsewhere: its name is a cell of `store ls`."""
    monkeypatch.chdir(store.parent)
    capsys.readouterr()
    assert run(["store", "ls", ".", "--format", "csv"]) == 0
    assert any("1+1" in cell for cell in printed_csv(capsys))


def test_ids_of_rows_are_no_formulas(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["query", str(store), "--columns", "id,subject,path,label,reason", "--format", "csv"]) == 0
    found = printed_csv(capsys)
    assert "'=1+0" in found
    assert "'-person" in found


def test_conditions_are_written_with_the_text_itself(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["query", str(store), "--where", "id == '=1+0'", "--columns", "id", "--format", "csv"]) == 0
    assert printed_csv(capsys) == ["id", "'=1+0"]


@pytest.mark.parametrize("ending", ["npy", "safetensors"])
def test_columns_of_exports_are_no_formulas(store: Path, ending: str) -> None:
    written = cache.open(store).select(columns=("id", "subject", "label")).export(f"out.{ending}")
    found = cells(next(path for path in written if path.suffix == ".csv").read_text())
    assert "'=1+0" in found
    assert not list(filter(runs, found))


def test_parquet_is_exact(store: Path) -> None:
    cache.open(store).select(columns=("id",)).export("out.parquet")
    assert set(pd.read_parquet("out.parquet")["id"]) == {"=1+0", "+1", "-2", "@3", "=bad"}


def test_exported_numbers_stay_numbers(store: Path) -> None:
    opened = cache.open(store)
    selection = opened.select(columns=("id",))
    score = np.linspace(-1, 1, len(selection), dtype=np.float32)
    selection.export("out.npy", added={"score": score, "=n": score})
    frame = pd.read_csv("out.npy.csv")
    assert np.allclose(frame["score"], score)
    assert np.allclose(frame["'=n"], score)


def test_pictures_that_are_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64)).save("=1+1.png")
    assert run(["predict", "=1+1.png", "--format", "csv", "--quiet"]) == 0
    assert "'=1+1.png" in printed_csv(capsys)


def test_tables_of_the_report_are_no_formulas() -> None:
    frame = pd.DataFrame({"=method": pd.Categorical(["=a", "b"]), "gain": [-0.5, 0.25], "note": ["-x", None]})
    frame["n"] = pd.array([-1, None], dtype="Int64")
    text = io.StringIO()
    write_csv(frame, text)
    assert text.getvalue() == "'=method,gain,note,n\n'=a,-0.5,'-x,-1\nb,0.25,,\n"


@pytest.mark.parametrize("text", ["a\r=1+1", "a\n=1+1", "a\r\nb", 'a",=1+1', "\ra"])
def test_a_text_stays_in_its_cell(text: str) -> None:
    """The csv module of Python up to 3.12 leaves a carriage return bare, and a reader begins a row after it."""
    rows, table = io.StringIO(), io.StringIO()
    echo_rows([{"id": text, "n": 1}], "csv", file=rows)
    write_csv(pd.DataFrame({"id": [text, None], "n": [-0.5, 2]}), table)
    assert cells(rows.getvalue()) == ["id", "n", f"'{text}" if text.startswith("\r") else text, "1"]
    assert cells(table.getvalue())[2:4] == [f"'{text}" if text.startswith("\r") else text, "-0.5"]


def test_every_csv_is_written_in_one_way() -> None:
    """Only the labels of the drawn sample are not: names of ours, which are read again."""
    writers = set()
    for file in [path for room in ("stages", "pipeline", "cache") for path in (ROOT / room).rglob("*.py")]:
        tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        calls = {node.func.attr for node in tree if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
        if calls & {"to_csv", "DictWriter", "writer"}:
            writers.add(str(file.relative_to(ROOT)))
    assert writers == {"cache/csv_cells.py", "pipeline/datasets/drawn/dataset.py"}
