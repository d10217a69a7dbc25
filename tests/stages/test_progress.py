"""Progress in a log: a line now and then, whose rate is that of the work it names."""

from __future__ import annotations

import re
import time

import pytest

from pipeline.progress import Progress
from stages import progress
from stages.output import say_notes


def test_the_rate_of_one_kind_of_work_does_not_count_the_time_of_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY_S", 0.0)
    with progress.progress_display() as listen:
        time.sleep(0.5)  # the download
        before = time.monotonic()
        listen(Progress("MB of weights", 300, 300))
        time.sleep(0.1)
        listen(Progress("images", 100, 1000))
        seconds = time.monotonic() - before
    line = capsys.readouterr().err.splitlines()[-1]
    rate = re.match(r"images: 100 of 1,000, ([\d,.]+)/s, ", line)
    assert rate
    assert float(rate[1].replace(",", "")) > 0.9 * 100 / seconds


def test_where_no_progress_is_shown_notes_are(capsys: pytest.CaptureFixture[str]) -> None:
    for step in (Progress("weights", 0, 0, "downloading"), Progress("weights", 10, 25), Progress("weights", 5, 9, "x")):
        say_notes(step)
    assert capsys.readouterr().err == "note: downloading\n"
