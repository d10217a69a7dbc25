"""Closed streams, full disks, little memory, signals, a home that cannot be written: the right end and code."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.cli import run

FER_STAGE = [sys.executable, "-c", "from fer_stage import main; main()"]
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
STORE = "features/untrained/sample-a.zarr"
PARAMS = """
datasets: {sample-a: {layout: sample, root: data/sample-a}}
run: {samples: [], datasets: [sample-a], encoders: [untrained], methods: [linear-probe], seeds: [0]}
encoders: {untrained: untrained, mini: mini}
extract: {dtype: float32}
"""
QUERY = f"query {STORE} --limit 3"
PICTURES = [f"data/sample-a/images/a{i:05d}.png" for i in (1, 11, 21, 31)]


def shell(command: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which FER is the program."""
    line = command.replace("FER", shlex.join(FER_STAGE))
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, timeout=120, env=ENVIRONMENT, **options
    )  # type: ignore[call-overload]


@pytest.fixture
def project(project: Path) -> Path:
    """The finished project, with an encoder whose weights are carried."""
    (project / "params.yaml").write_text(PARAMS)
    return project


class TestClosedStreams:
    @pytest.mark.parametrize(
        ("command", "closed"),
        [
            *itertools.product((QUERY, "--help"), ("2>&-", ">&-", ">&- 2>&-")),
            ("--debug store ls", "<&- >&- 2>&-"),
            pytest.param(
                "extract --dataset sample-a --encoder untrained --features new", ">&- 2>&-", marks=pytest.mark.slow
            ),
        ],
    )
    def test_a_command_that_did_its_work_ends_with_0(self, project: Path, command: str, closed: str) -> None:
        done = shell(f"FER {command} {closed}")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr

    def test_the_output_is_whole_without_stderr(self, project: Path) -> None:
        assert len(json.loads(shell(f"FER {QUERY} --format json 2>&-").stdout)) == 3

    @pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
    def test_an_error_keeps_its_code(self, project: Path, closed: str) -> None:
        assert shell(f"FER query nowhere.zarr {closed}").returncode == 1
        assert shell(f"FER query --nothing {closed}").returncode == 2

    def test_no_message_is_written_into_a_file_that_took_the_number_of_a_stream(self, project: Path) -> None:
        code = (
            "from stages.streams import open_streams; import os; open_streams();"
            "file = open('data.bin', 'wb'); assert file.fileno() > 2; os.write(2, b'of a library'); os.write(1, b'x');"
            "import subprocess; assert subprocess.run(['sh', '-c', 'echo x; echo y >&2']).returncode == 0"
        )
        done = subprocess.run(["bash", "-c", f"{shlex.join([sys.executable, '-c', code])} >&- 2>&-"], check=False)
        assert done.returncode == 0
        assert Path("data.bin").read_bytes() == b""


class TestFullAndBrokenStreams:
    @pytest.mark.parametrize("command", [QUERY, f"{QUERY} --format json", "--help", "recipes --format csv"])
    def test_data_that_cannot_be_written_are_an_error(self, project: Path, command: str) -> None:
        done = shell(f"FER {command} >/dev/full")
        assert done.returncode == 1
        assert "cannot write to stdout: No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr

    @pytest.mark.parametrize("full", ["2>/dev/full", pytest.param("2> >(true)", marks=pytest.mark.slow)])
    def test_messages_that_cannot_be_written_are_lost_and_the_work_is_done(self, project: Path, full: str) -> None:
        done = shell(f"FER --debug extract --dataset sample-a --encoder untrained --features new --format json {full}")
        assert done.returncode == 0
        assert json.loads(done.stdout)["complete"]

    def test_a_reader_that_leaves_ends_the_command_quietly(self, project: Path) -> None:
        done = shell("set -o pipefail; FER --help | true")
        assert (done.returncode, done.stderr) == (141, "")

    def test_a_reader_that_leaves_early_ends_a_long_output(self, tmp_path: Path) -> None:
        code = "from stages import cli; from stages.streams import open_streams; import sys; open_streams();" + (
            "from stages.output import echo_rows\n"
            "def many(*_args, **_options): echo_rows(({'id': 'x' * 99} for _ in range(10**7)), 'csv')\n"
            "cli.cli.main = many; sys.exit(cli.run([]))"
        )
        done = subprocess.run(
            ["bash", "-c", f"{shlex.join([sys.executable, '-c', code])} | head -1; echo ${{PIPESTATUS[0]}}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.stdout, done.stderr) == ("id\n141\n", "")

    def test_what_an_encoding_lacks_is_written_as_an_escape(self, project: Path) -> None:
        Path("params.yaml").write_text("datasets: {faces: {layout: folder, root: é表}}", encoding="utf-8")
        done = shell("PYTHONIOENCODING=ascii FER datasets --format csv")
        assert done.returncode == 0, done.stderr
        assert r"\xe9\u8868" in done.stdout


class TestSignals:
    @pytest.mark.parametrize(
        "number", [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGHUP, signal.SIGINT))]
    )
    def test_a_signal_ends_a_command_as_ctrl_c_does(self, project: Path, number: signal.Signals) -> None:
        child = subprocess.Popen(
            [*FER_STAGE, "extract", "--dataset", "sample-a", "--encoder", "untrained", "--features", "new"],
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
            preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGHUP, signal.SIGINT)],
        )
        while not Path("new").exists() and child.poll() is None:
            time.sleep(0.01)  # until it is at work
        child.send_signal(number)
        _, text = child.communicate(timeout=60)
        assert child.returncode == 128 + number, text
        how = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
        last = [line for line in text.splitlines() if line][-1:]  # click ends a line that a terminal shows as ^C
        assert last, text
        assert last[0].startswith(f"{how}: what is finished is kept"), text
        assert run(["extract", "--dataset", "sample-a", "--encoder", "untrained", "--features", "new", "--quiet"]) == 0

    def test_what_a_signal_left_half_made_is_no_message(self, project: Path) -> None:
        """Here the event loop of zarr: a signal may come while it is made."""
        code = (
            "import socket\n"
            "def stop(*_): raise KeyboardInterrupt\n"
            "socket.socketpair = stop  # which asyncio calls in the middle\n"
            "from stages.cli import main; main()"
        )
        args = ["extract", "--dataset", "sample-a", "--encoder", "untrained", "--features", "half", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-c", code, *args],
            cwd=project,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 128 + signal.SIGINT
        lines = [line for line in done.stderr.splitlines() if line and not line.startswith("note: ")]
        assert lines == ["interrupted: what is finished is kept; align and extract resume there"]

    def test_under_nohup_a_lost_terminal_ends_nothing(self, project: Path) -> None:
        code = "from stages import cli; cli._stop_on_signals(); import os; os.kill(os.getpid(), 1); print('alive')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            env=ENVIRONMENT,
            text=True,
            check=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        )
        assert done.stdout == "alive\n"


class TestMemory:
    @pytest.mark.parametrize("error", ["MemoryError()", "OSError(12, 'Cannot allocate memory')", "torch.empty(2**55)"])
    def test_memory_that_is_refused_is_a_known_error(
        self, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: str
    ) -> None:
        import torch

        def refused(_path: Path) -> None:
            raised = eval(error, {"torch": torch})
            raise raised

        monkeypatch.setattr("stages.workflows.datasets.load_params", refused)
        assert run(["datasets"]) == 1
        assert capsys.readouterr().err.startswith("error: out of memory: ")

    @pytest.mark.parametrize("gigabytes", [1.2, pytest.param(2.0, marks=pytest.mark.slow)])
    def test_a_machine_with_little_memory(self, project: Path, gigabytes: float) -> None:
        limit = int(gigabytes * 2**30)
        done = shell(
            "FER extract --dataset sample-a --encoder mini --no-reuse",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        assert done.returncode in ((1,) if gigabytes < 1.5 else (0, 1)), done.stderr
        assert done.returncode == 0 or "error: out of memory" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


class TestDisks:
    def test_a_picture_is_written_whole_or_not_at_all(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # Python ignores the signal, writing fails
        try:
            code = run(["predict", *PICTURES, "--annotate", "shown", "--format", "json"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert code == 1
        assert "a file may not grow that large here" in capsys.readouterr().err
        assert list(Path("shown").iterdir()) == []

    def test_annotated_pictures_have_the_mode_of_others(self, project: Path) -> None:
        before = os.umask(0o027)
        try:
            assert run(["predict", *PICTURES, "--annotate", "shown"]) == 0
        finally:
            os.umask(before)
        assert [path.stat().st_mode & 0o777 for path in Path("shown").iterdir()] == [0o640] * len(PICTURES)

    @pytest.mark.slow
    @pytest.mark.parametrize(("more", "code"), [("", 0), (" --workers 2", 1)])
    def test_without_shared_memory(self, project: Path, more: str, code: int) -> None:
        """`unshare` gives the command a /dev/shm of its own that cannot be written."""
        if shell("unshare -m true").returncode:
            pytest.skip("needs the right to mount")
        Path("line.sh").write_text(
            "mount -t tmpfs -o ro,size=4k none /dev/shm || exit 99\n"
            f"{shlex.join(FER_STAGE)} extract --dataset sample-a --encoder untrained --features new{more} --quiet\n"
        )
        done = shell("unshare -m bash line.sh")
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert ("leave --workers out" in done.stderr) == bool(code)


class TestHomes:
    @pytest.mark.slow
    @pytest.mark.parametrize("home", ["/proc", "/nonexistent"])
    def test_no_command_needs_a_home(self, project: Path, home: str) -> None:
        for line in (
            "extract --dataset sample-a --encoder mini --no-reuse",
            "train --method linear-probe --dataset sample-a --encoder untrained",
            "evaluate --run runs/untrained/linear-probe/sample-a/seed-0",
            "report",
            "predict data/sample-a/images/*1.*",
            "head export --run runs/untrained/linear-probe/sample-a/seed-0 --out head",
        ):
            self.works_without_a_home(line, home)

    def test_an_encoder_that_is_carried_needs_no_home(self, project: Path) -> None:
        self.works_without_a_home("extract --dataset sample-a --encoder mini --no-reuse --limit 12", "/proc")

    def works_without_a_home(self, line: str, home: str) -> None:
        away = "unset XDG_CACHE_HOME XDG_CONFIG_HOME HF_HOME MPLCONFIGDIR"
        done = shell(f"{away}; HOME={home} FER {line} >/dev/null")
        assert done.returncode in (0, 3), (line, done.stderr)
        assert "Traceback" not in done.stderr

    def test_an_archive_is_indexed_without_a_temporary_folder(self, project: Path) -> None:
        """Nothing can be written to /proc, whoever asks."""
        assert shell(
            "mkdir -p faces/fear faces/anger; cp data/sample-a/images/*1.png faces/fear;"
            "cp data/sample-a/images/*2.png faces/anger; tar czf faces.tar.gz -C faces ."
        ).returncode == 0  # fmt: skip
        done = shell("TMPDIR=/proc FER index --dataset packed --layout folder --root faces.tar.gz --format json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"] == 12


class TestClock:
    def test_a_clock_that_goes_back_changes_no_rate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Durations are of clocks that cannot be set; what compares times of files tolerates any."""
        files = [path for package in ("stages", "pipeline", "cache") for path in (ROOT / package).rglob("*.py")]
        users = {str(path.relative_to(ROOT)) for path in files if "time.time(" in path.read_text()}
        assert users <= {"cache/upkeep/candidates.py", "cache/atomic.py", "cache/places/lock.py"}
