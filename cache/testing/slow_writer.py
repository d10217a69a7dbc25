"""python -m cache.testing.slow_writer TARGET N_ROWS PAUSE_S: write the example, slowly enough to be killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cache.lock import exclusive
from cache.testing.example import Example

__all__ = ["lock_of", "main"]


def lock_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def main(target: Path, n_rows: int, pause_s: float) -> None:
    example = Example(n_rows)
    with exclusive(lock_of(target)):
        writer = example.begin(target)
        for shard in writer.pending:
            example.put(writer, [shard])
            time.sleep(pause_s)
        example.finish(writer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
