"""How to make the features that a head of aligned faces reads: the steps, for the errors of commands that lack them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cache.places import AnyPath

if TYPE_CHECKING:
    from pipeline.predict.saved import SavedHead

__all__ = ["aligned_features_steps"]


def aligned_features_steps(head: SavedHead, dataset: str, features: AnyPath) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """The remedy of an error that a head of aligned faces gives on other features; empty for heads of other images."""
    if not (alignment := head.alignment):
        return ()
    faces = {"faces": "aligned", "margin": alignment["margin"], "missed": alignment["missed"]}
    extract = {"dataset": dataset, "encoder": head.record.encoder_named, **faces, "features": features}
    return [("align", {"dataset": dataset}), ("extract", extract)]
