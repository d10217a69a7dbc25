"""The frames of one video file by their numbers, as roots of datasets read them, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.video.pictures import Pixels, quarter_turns
from pipeline.video.reader import open_file, open_listed

__all__ = ["VideoReader"]


class VideoReader:
    """A decoder and the listing of a file, until its block ends."""

    def __init__(self, path: Path) -> None:
        self._decoder, self.listing = open_listed(partial(open_file, path))

    @property
    def n_frames(self) -> int:
        return len(self.listing)

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise by which pictures are rotated to be upright."""
        return 90 * quarter_turns(self._decoder.frame(0))[0]

    def frame(self, number: int) -> Pixels:
        return self._decoder.picture(number)

    def frames(self, numbers: Iterable[int]) -> Iterator[Pixels]:
        return map(self.frame, numbers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._decoder.close()
