"""A picture of pairs that an audit found, to check before anything is left out."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from cache.atomic import write_bytes
from pipeline.audit.findings import Comparison
from pipeline.audit.record import FEATURES, PHASH
from pipeline.audit.sheet import ShownPair, choose_pairs, draw_pairs
from pipeline.errors import ImageError
from pipeline.images.reading import row_picture
from pipeline.images.transform import crop
from stages.output import say
from stages.workflows.audit_pictures import PictureReader, image_row

__all__ = ["write_pairs_sheet"]


def write_pairs_sheet(path: Path, comparison: Comparison, reader: PictureReader) -> None:
    """Write one PNG with some pairs, as many of each kind, evenly spread over their distances."""
    pairs = comparison.pairs
    shown = pairs.iloc[choose_pairs(pairs)]
    pictures = _pictures(comparison, shown, reader)
    sheet = draw_pairs([_shown(pair, pictures) for pair in shown.to_dict("records")])
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
    say(f"{path}: {len(shown):,} of {len(pairs):,} pairs")


def _pictures(comparison: Comparison, shown: pd.DataFrame, reader: PictureReader) -> dict[tuple[str, str], Image.Image]:
    """Dataset and id -> picture; a grey cell where it cannot be decoded."""
    wanted = {
        *zip(shown["dataset"], shown["id"], strict=True),
        *zip(shown["other_dataset"], shown["other_id"], strict=True),
    }
    frame, pictures = comparison.rows.frame, {}
    for dataset in dict.fromkeys(frame["dataset"]):
        ids = {name for of, name in wanted if of == dataset}
        rows = frame[(frame["dataset"] == dataset) & frame["id"].isin(ids)]
        if not len(rows):
            continue
        with reader.opened(dataset) as root:
            for row in rows.to_dict("records"):
                image = image_row(row["row"], row["path"], row["sha256"], row["box"])
                try:
                    picture = row_picture(root, image)
                    pictures[dataset, row["id"]] = crop(picture, image.box) if image.box else picture
                except ImageError:
                    pictures[dataset, row["id"]] = Image.new("RGB", (16, 16), (90, 90, 90))
    return pictures


def _shown(pair: Mapping[Any, Any], pictures: Mapping[tuple[str, str], Image.Image]) -> ShownPair:
    sides = [(pair[f"{prefix}dataset"], pair[f"{prefix}id"]) for prefix in ("", "other_")]
    first, second = (
        " ".join(str(pair[f"{prefix}{name}"]) for name in ("label", "dataset", "split", "id"))
        for prefix in ("", "other_")
    )
    return ShownPair((pictures[sides[0]], pictures[sides[1]]), (_distance(pair), first, second), pair["conflict"])


def _distance(pair: Mapping[Any, Any]) -> str:
    if pair["kind"] == PHASH:
        return f"phash, {pair['distance']:.0f} bits apart"
    return f"features, cosine {1 - pair['distance']:.4f}" if pair["kind"] == FEATURES else f"equal {pair['kind']}"
