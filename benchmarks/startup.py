"""`fer-stage --help` as a whole command, beside a Python that does nothing and one that imports click; and how long it
takes to load the embedded encoder, beside torch alone."""

from __future__ import annotations

from machine import show
from timing import FER_STAGE, commands_in_turns

TURNS = 9
MINI = (
    "from pipeline.encoders import EncoderSpec, load_encoder; load_encoder(EncoderSpec.parse('mini'), 'cpu', 'eager')"
)


def main() -> None:
    programs = {"python_s": ["pass"], "click_s": ["import click"], "help_s": [FER_STAGE, "--help"]}
    found = {name: round(seconds, 3) for name, seconds in commands_in_turns(".", programs, TURNS).items()}
    encoders = {"torch_s": ["import torch"], "mini_s": [MINI]}
    found |= {name: round(seconds, 2) for name, seconds in commands_in_turns(".", encoders, 3).items()}
    show({"what": "fer-stage --help, and mini"} | found | {"targets": {"help_s": 0.3}})


if __name__ == "__main__":
    main()
