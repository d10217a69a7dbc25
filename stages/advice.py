"""Advice that runs as it is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cache.errors import CacheError
from pipeline.errors import PipelineError
from stages.errors import StageError

__all__ = ["aligned_advice", "encoder_named", "runnable"]

_ENCODER = re.compile(r"--encoder ([^\s`,]+)")
_FIRST_ROWS = re.compile(r"(fer-stage (?:index|align|extract)\b[^`\n]*?--dataset \S+?)\.first-(\d+)")


@contextmanager
def encoder_named(folder: str, given: str) -> Iterator[None]:
    """Errors inside name an encoder by its folder, which `--encoder` does not take of one that was written out.

    Parameters
    ----------
    folder : its name below features/, such as open_clip-ViT-B-32-quickgelu-openai
    given : its name as `--encoder` takes it: a name in params.yaml, or open_clip:ViT-B-32-quickgelu/openai
    """
    try:
        yield
    except (CacheError, StageError) as error:
        said = str(error)
        told = said.replace(f"--encoder {folder}", f"--encoder {given}")
        if told == said:
            raise
        raise type(error)(told) from error


def runnable(message: str, params_path: Path) -> str:
    """The message with what else one must know to run the commands in it.

    A store or a table of the first rows has a name that `--limit` made, and a store lies in a folder that is named
    after its encoder: neither is a name that a command takes.

    Parameters
    ----------
    message : an error, with commands as the libraries below word them, from names of files
    params_path : params.yaml of the command that failed, which need not exist
    """
    message = _FIRST_ROWS.sub(_with_limit, message)
    unknown = [name for name in dict.fromkeys(_ENCODER.findall(message)) if not _is_encoder(name, params_path)]
    if not unknown:
        return message
    return (
        f"{message} ({unknown[0]} is the folder of that encoder: give --encoder as it was given when the folder was "
        "made, such as open_clip:ARCH/TAG, or a name from params.yaml)"
    )


def _with_limit(found: re.Match[str]) -> str:
    """`extract --dataset my.first-12` -> `extract --dataset my --limit 12`; `index` reads all rows."""
    command, limit = found.groups()
    return command if command.startswith("fer-stage index") else f"{command} --limit {limit}"


def _is_encoder(name: str, params_path: Path) -> bool:
    from stages.params import load_params

    try:
        load_params(params_path).encoder(name)
    except (PipelineError, StageError):
        return not name[0].isalnum()  # a placeholder, such as <name>
    return True


def aligned_advice(alignment: Mapping[str, Any] | None, dataset: str, encoder: str) -> str:
    """Which commands make the features that a head of aligned faces reads; empty for any other head."""
    if not alignment:
        return ""
    faces = f"--faces aligned --margin {alignment['margin']} --missed {alignment['missed']}"
    return (
        f". It reads aligned faces: fer-stage align --dataset {dataset}, then "
        f"fer-stage extract --dataset {dataset} --encoder {encoder} {faces}"
    )
