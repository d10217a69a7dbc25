"""Seconds that the phases of an extraction take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

__all__ = ["Timings"]

_lock = Lock()  # one for all instances: a Timings that held one could not be pickled


@dataclass
class Timings:
    """Seconds per phase. Those of decode threads are summed: two busy threads add two seconds in one.

    Parameters
    ----------
    encode : the encoder computes
    wait : the encoder is idle, as no batch was ready
    read : decode threads reading files and checking their digests
    decode : decode threads decoding pictures
    resize : decode threads cropping, resizing and making views
    """

    encode: float = 0.0
    wait: float = 0.0
    read: float = 0.0
    decode: float = 0.0
    resize: float = 0.0

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add the seconds of a `with` block to `phase`, even if it raises. Safe in threads."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            with _lock:
                setattr(self, phase, getattr(self, phase) + seconds)
