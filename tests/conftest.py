"""What several rooms' tests share: running a command."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from stages.cli import run


@pytest.fixture
def fer_stage(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command line in this process; it must succeed. Returns its JSON if it was asked for, else its text."""

    def call(*args: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert run(list(args)) == code, capsys.readouterr().err
        captured = capsys.readouterr()
        if code:
            return captured.err
        return json.loads(captured.out) if "json" in args else captured.out

    return call
