"""python -m cache.testing.slow_writer TARGET N_ROWS PAUSE_S: write the example, slowly enough to be killed."""

from __future__ import annotations

import sys
import time

from cache.places import AnyPath, as_path
from cache.places.lock import exclusive, lock_path
from cache.testing.example import Example

__all__ = ["main"]


def main(target: AnyPath, n_rows: int, pause_s: float) -> None:
    example = Example(n_rows)
    with exclusive(lock_path(target)):
        writer = example.begin(target)
        for shard in writer.pending:
            example.put(writer, [shard])
            time.sleep(pause_s)
        example.finish(writer)


if __name__ == "__main__":
    main(as_path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
