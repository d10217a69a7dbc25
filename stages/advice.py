"""Advice that runs as it is printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cache.errors import CacheError
from pipeline.errors import PipelineError
from stages.errors import StageError
from stages.remedies import encoder_written

__all__ = ["aligned_advice", "encoder_named", "runnable"]

_WORD = r"(?:'[^']*'|\"'\"|[^\s`,'\"])+"  # one word of a command, as `shlex.quote` writes it
_ENCODER = re.compile(rf"--encoder ({_WORD})")
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
        with encoder_written(folder, given):
            yield
    except (CacheError, StageError) as error:
        message = _ENCODER.sub(lambda found: _renamed(found, folder, given), str(error))
        if message == str(error):
            raise
        raise type(error)(message, remedy=error.remedy, purpose=error.purpose) from error


def _renamed(found: re.Match[str], folder: str, given: str) -> str:
    return f"--encoder {shlex.quote(given)}" if found[1] == shlex.quote(folder) else found[0]


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
    named = dict.fromkeys("".join(shlex.split(word)) for word in _ENCODER.findall(message))
    unknown = [name for name in named if not _is_encoder(name, params_path)]
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
        return not name[:1].isalnum()  # a placeholder, such as <name>
    return True


def aligned_advice(alignment: Mapping[str, Any] | None, dataset: str, encoder: str) -> str:
    """Which commands make the features that a head of aligned faces reads; empty for any other head."""
    if not alignment:
        return ""
    align = ["fer-stage", "align", "--dataset", dataset]
    extract = ["fer-stage", "extract", "--dataset", dataset, "--encoder", encoder, "--faces", "aligned"]
    extract += ["--margin", str(alignment["margin"]), "--missed", str(alignment["missed"])]
    return f". It reads aligned faces: {shlex.join(align)}, then {shlex.join(extract)}"
