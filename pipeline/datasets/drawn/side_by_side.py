"""Many pictures or clips at once: each core draws its share in a process of its own.

Drawing is thousands of small steps of Python, which threads would take in turns. A process starts in a sixth of a
second, by the command line of `_start`: it never runs the caller's program, as `multiprocessing` does.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from pipeline.cores import n_cores
from pipeline.datasets.drawn.kinds import kind_of
from pipeline.heap import keep_freed_memory

__all__ = ["sample_files", "serve"]

_LENGTH = struct.Struct(">I")
_AHEAD_BYTES = 2**18  # that a process may be ahead of the reader; the default is some two pictures: it would wait
_PROGRAM = "from pipeline.datasets.drawn.side_by_side import serve; serve()"
_ROOT = Path(__file__).parents[3]  # where `pipeline` is imported from


def sample_files(sample: str, n: int, seed: int, n_processes: int | None = None) -> Generator[bytes, None, None]:
    """The encoded images or clips of a sample, in the order of its specs.

    Parameters
    ----------
    n_processes : as many as cores that this process may use if None; the bytes do not depend on it

    Raises
    ------
    ConfigError
        As of `clip_specs` and `sample_specs`, or if clips cannot be encoded.
    """
    kind = kind_of(sample)
    specs = kind.specs(sample, n, seed)
    n_processes = min(n_cores(), n // kind.least_share) if n_processes is None else n_processes
    if n_processes < 2:
        yield from (kind.encode(spec, sample) for spec in specs)
        return
    with ExitStack() as stack:
        pipes = []
        for first in range(n_processes):
            process = _start({"sample": sample, "n": n, "seed": seed, "first": first, "step": n_processes})
            if process is not None:
                stack.callback(_end, process)
            pipes.append(None if process is None else process.stdout)
        for index, spec in enumerate(specs):
            pipe = pipes[index % n_processes]
            data = None if pipe is None else _read(pipe)
            if data is None:  # the process could not start, or was killed: the caller draws its share
                pipes[index % n_processes] = None
                data = kind.encode(spec, sample)
            yield data


def serve() -> None:
    """Draw the share that the first argument asks for, to standard output; ends when its reader does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller receives Ctrl-C too, and ends this process
    keep_freed_memory()
    share = json.loads(sys.argv[1])
    kind = kind_of(share["sample"])
    specs = kind.specs(share["sample"], share["n"], share["seed"])
    try:
        for spec in specs[share["first"] :: share["step"]]:
            data = kind.encode(spec, share["sample"])
            sys.stdout.buffer.write(_LENGTH.pack(len(data)) + data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(0)  # without the second error, of the interpreter's own flush


def _start(share: dict[str, object]) -> subprocess.Popen[bytes] | None:
    """A process that draws a share of the images; None where none can be started."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path) or str(_ROOT)
    program = [sys.executable, "-c", _PROGRAM, json.dumps(share)]
    devnull, pipe = subprocess.DEVNULL, subprocess.PIPE
    try:
        return subprocess.Popen(
            program, env=environment, stdin=devnull, stdout=pipe, stderr=devnull, pipesize=_AHEAD_BYTES
        )
    except OSError:
        return None


def _read(pipe: IO[bytes]) -> bytes | None:
    """The next image, or None at the end of the process's output."""
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    data = pipe.read(length)
    return data if len(data) == length else None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with process:
        pass
