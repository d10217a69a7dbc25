"""One row of a sample table, as a layout describes it. No pandas, which takes half a second to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["SPLITS", "Sample", "Unit"]

SPLITS = ("train", "val", "test")
Unit: TypeAlias = Literal["image", "clip"]  # what is predicted and scored


@dataclass(frozen=True, slots=True)
class Sample:
    """One image, one frame of a clip, or a whole clip, as a layout describes it.

    `label` is a canonical expression. `box` is (x, y, width, height) in pixels of the upright picture. `reason` is
    empty unless the sample is rejected; `sha256` is empty where the bytes could not be read. `distribution` has the
    share of each class of the table, in its order; they sum to 1.
    """

    id: str
    path: str
    label: str
    split: str
    sha256: str = ""
    reason: str = ""
    subject: str | None = None
    clip: str | None = None
    scene: str | None = None
    frame: int | None = None
    fold: int | None = None
    box: tuple[int, int, int, int] | None = None
    votes: tuple[int, ...] | None = None
    face: tuple[float, ...] | None = None
    distribution: tuple[float, ...] | None = None
