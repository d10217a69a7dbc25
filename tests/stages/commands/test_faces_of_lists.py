"""A face whose box lies outside its picture is known when the picture is opened: `extract` rejects that row alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trees.tree import images_of, lines, pack

import cache
from pipeline.images.transform import OUTSIDE_IMAGE


def test_a_box_outside_its_picture_is_rejected_by_extract(empty: Path, fer_stage: Callable[..., Any]) -> None:
    """Pictures of 6 x 6; the second face begins at 9."""
    rows = ["crowd.jpg 0 0 1 5 4 90 0", "crowd.jpg 1 9 9 14 14 90 3", "edge.jpg 0 2 2 9 9 90 5"]
    files = images_of("data/image/origin/crowd.jpg data/image/origin/edge.jpg")
    root = pack(files | {"data/label/label.lst": lines(*rows)}, empty, "folder")
    args = ("--root", str(root), "--decoders", "1", "--batch-size", "2", "--max-rejected", "1", "--format", "json")
    extracted = fer_stage("extract", "--dataset", "expw", *args)
    frame = cache.open(extracted["path"]).frame.set_index("id")
    assert frame["reason"].to_dict() == {"crowd.jpg#0": "", "crowd.jpg#1": OUTSIDE_IMAGE, "edge.jpg#0": ""}
    assert (extracted["encoded"], extracted["rejected"]) == (2, 1)
