"""`fer-stage --help` as a whole command, beside a Python that does nothing and one that imports click."""

from __future__ import annotations

from machine import show
from timing import FER_STAGE, commands_in_turns

TURNS = 9


def main() -> None:
    programs = {"python_s": ["pass"], "click_s": ["import click"], "help_s": [FER_STAGE, "--help"]}
    found = {name: round(seconds, 3) for name, seconds in commands_in_turns(".", programs, TURNS).items()}
    show({"what": "fer-stage --help"} | found | {"targets": {"help_s": 0.3}})


if __name__ == "__main__":
    main()
