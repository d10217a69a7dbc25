"""Names, reasons and notes from elsewhere reach a terminal as text: nothing in them steers it or hides words."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
import os
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
from PIL import Image

from pipeline.progress import Progress
from stages.cli import run
from stages.output import echo_record, echo_rows, printable, say
from stages.progress import progress_display

ROOT = Path(__file__).parents[2]
TITLE = "\x1b]0;renamed\x07"  # what sets the title of a terminal window
EVIL = f"{TITLE}\x9b31m\u202egnp.\u2066\x7f\x08"
SAFE = r"\x1b]0;renamed\x07\x9b31m\u202egnp.\u2066\x7f\x08"
NAME = "\x1b[31mred\u202e"  # of a file or a folder


def steers(text: str) -> list[str]:
    """Characters of a text that a terminal acts on, other than the end of a line."""
    return [sign for sign in text if sign != "\n" and unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """All that was written; it may hold no character that steers a terminal."""
    captured = capsys.readouterr()
    assert not steers(captured.out + captured.err), captured
    return captured.out + captured.err


class TestPrintable:
    def test_every_character_that_steers_a_terminal_is_an_escape(self) -> None:
        text = "".join(
            map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x61C, *range(0x200E, 0x2010), *range(0x2028, 0x202F)))
        )
        text += "".join(map(chr, (*range(0x2060, 0x2070), 0xFEFF, 0xD800, 0xDC9B, 0xDFFF, 0xE0041)))
        assert not steers(printable(text))

    def test_the_escape_says_which_character_it_was(self) -> None:
        assert printable(EVIL) == SAFE
        assert printable("a\tb\nc\r\ud800\U000e0041") == r"a\tb\nc\r\ud800\U000e0041"

    @pytest.mark.parametrize(
        "text", ["images/a-1.png", "表情　です", "naïve é", "👩\u200d🔬", "\u0645\u06cc\u200c\u062e\u0648", "a b", ""]
    )
    def test_names_of_people_stay_as_they_are(self, text: str) -> None:
        assert printable(text) == text


class TestTables:
    def test_cells_names_and_records(self, capsys: pytest.CaptureFixture[str]) -> None:
        echo_rows([{EVIL: EVIL, "list": [EVIL], "dict": {EVIL: EVIL}}], "table")
        echo_record({EVIL: EVIL}, "table")
        assert printed(capsys).count(SAFE) == 7

    def test_a_line_break_in_a_cell_begins_no_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        echo_rows([{"id": "a\nerror: forged"}], "table")
        assert printed(capsys) == " id\n a\\nerror: forged\n"

    @pytest.mark.parametrize("output_format", ["table", "csv", "json"])
    def test_on_a_terminal_no_format_has_any(self, output_format: str) -> None:
        code = f"from stages.output import echo_rows; echo_rows([{{'id': {EVIL!r}}}], {output_format!r})"
        ours, theirs = os.openpty()
        subprocess.run([sys.executable, "-c", code], stdout=theirs, env={**os.environ, "TERM": "dumb"}, check=True)
        os.close(theirs)
        text = os.read(ours, 65536).decode().replace("\r\n", "\n")
        os.close(ours)
        assert "gnp." in text
        assert not steers(text)

    def test_programs_read_exactly_what_was_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = EVIL + '\ud83d\n\t,"'
        echo_rows([{"id": text}], "json")
        assert json.loads(capsys.readouterr().out) == [{"id": text}]
        buffer = io.StringIO()
        echo_rows([{"id": text}], "csv", file=buffer)
        assert list(csv.DictReader(io.StringIO(buffer.getvalue(), newline=""))) == [{"id": text}]


class TestMessages:
    def test_of_ours(self, capsys: pytest.CaptureFixture[str]) -> None:
        say(f"note: {EVIL}")
        assert printed(capsys) == f"note: {SAFE}\n"

    def test_a_line_break_in_a_name_forges_no_message(self, capsys: pytest.CaptureFixture[str]) -> None:
        say("cannot read a\nerror: forged\r\n")
        assert printed(capsys) == "cannot read a\n  error: forged\\r\n\n"

    @pytest.mark.parametrize(
        "args",
        [
            [EVIL],
            ["query", f"--{EVIL}"],
            ["query", EVIL],
            ["query", "x", "--limit", EVIL],
            ["store", "ls", EVIL],
            ["store", EVIL],
            ["predict", EVIL],
            ["evaluate", "--run", EVIL],
            ["index", "--dataset", EVIL],
            ["index", "--dataset", "x", "--layout", "folder", "--root", EVIL],
            ["index", "--dataset", "x", "--layout", EVIL, "--root", "."],
            ["extract", "--dataset", "x", "--encoder", EVIL],
            ["train", "--method", "cafe", "--dataset", "x", "--option", f"{EVIL}=1"],
            ["datasets", "--params", EVIL],
        ],
        ids=lambda args: " ".join(args).replace(EVIL, "EVIL"),
    )
    def test_errors_repeat_no_argument_raw(
        self, args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run(args) in ((0,) if args[:2] == ["store", "ls"] else (1, 2))
        assert SAFE in printed(capsys)

    @pytest.mark.parametrize("key", ["datasets", "encoders", "run", "methods", NAME])
    def test_errors_of_params_yaml(
        self, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        document = json.dumps({key: {NAME: {NAME: NAME}}})  # JSON is YAML
        Path("params.yaml").write_text(document)
        assert run(["datasets"]) == 1
        assert printed(capsys)

    def test_an_exception_of_a_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken(_path: Path) -> None:
            raise RuntimeError(EVIL)

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("stages.workflows.datasets.load_params", broken)
        assert run(["--debug", "datasets"]) == 1
        assert SAFE in printed(capsys)

    def test_log_and_warnings(self) -> None:
        code = (
            "import logging, warnings; from stages.cli import run; run(['--debug', 'recipes']);"
            f"logging.getLogger('library').warning({EVIL!r}); warnings.warn({EVIL!r})"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
        text = done.stderr.decode()
        assert text.count(SAFE) == 2
        assert not steers(text)

    def test_progress_in_a_log(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("stages.progress._LOG_EVERY_S", 0.0)
        with progress_display() as listen:
            listen(Progress(EVIL, 0, 2, f"[bold]{EVIL}"))
            listen(Progress(EVIL, 1, 2, EVIL))
        assert printed(capsys).count(SAFE) == 3

    def test_progress_on_a_terminal(self) -> None:
        code = (
            "from pipeline.progress import Progress; from stages import progress; import time;"
            "start = time.monotonic; time.monotonic = lambda: start() + 9 * (hits.append(0) or len(hits)); hits = [];\n"
            "with progress.progress_display() as listen:\n"
            f"    listen(Progress('[link=x]' + {TITLE!r}, 0, 2, {TITLE!r}))\n"
            f"    listen(Progress({TITLE!r}, 1, 2, {TITLE!r}))\n"
        )
        ours, theirs = os.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        subprocess.run([sys.executable, "-c", code], stderr=theirs, env=environment, check=True, timeout=60)
        os.close(theirs)
        text = os.read(ours, 65536).decode()
        os.close(ours)
        assert TITLE not in text
        assert r"\x1b]0;renamed\x07" in text


def test_files_with_such_names_are_read_and_shown_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for label in ("fear", "anger"):
        for i in range(3):
            path = Path("faces") / label / f"{i}{NAME}\n.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (i * 9, 5, 5)).save(path)
    Path("faces/fear", f"{EVIL.replace('/', '')}.png").write_bytes(b"no image")
    assert run(["index", "--dataset", "faces", "--layout", "folder", "--root", "faces"]) == 0
    assert run(["extract", "--dataset", "faces", "--encoder", "untrained", "--max-rejected", "1"]) == 0
    assert run(["datasets"]) == 0
    assert run(["query", "features/untrained/faces.zarr", "--columns", "id,path,label,reason"]) == 0
    assert run(["predict", *map(str, sorted(Path("faces/fear").iterdir())), "--max-rejected", "1"]) in (0, 3)
    text = printed(capsys)
    assert "Traceback" not in text
    assert r"\x1b[31mred\u202e" in text


def test_one_place_writes_for_people() -> None:
    """`stages.output` alone writes to a terminal; the entry does where nothing of ours can be imported."""
    writers = set()
    for file in [*(path for room in ("stages", "pipeline", "cache") for path in (ROOT / room).rglob("*.py"))]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node.func) in (
                "print",
                "click.echo",
                "click.secho",
                "error.show",
            ):
                writers.add(str(file.relative_to(ROOT)))
    assert writers == {"stages/output.py", "stages/cli.py"}  # there click shows its errors into a buffer


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return f"{function.value.id}.{function.attr}"
    return ""


@pytest.fixture(autouse=True)
def _logging_as_before() -> object:
    root = logging.getLogger()
    level, handlers, show = root.level, root.handlers[:], warnings.showwarning
    yield
    root.setLevel(level)
    root.handlers, warnings.showwarning = handlers, show
    logging.captureWarnings(False)
