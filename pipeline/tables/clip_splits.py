"""Splits of clips: a clip and its copies are in one split, with all of their frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.tables.sample import Sample
from pipeline.tables.splits import carve

__all__ = ["carve_clips", "clips_of", "with_splits"]


def clips_of(rows: Sequence[Sample]) -> list[Sample]:
    """The clips of a table's rows, one sample each.

    `id` is the clip's name, `reason` is empty if a frame can be used, and `sha256` is the same for all clips that are
    linked by frames of equal bytes.
    """
    first: dict[str, Sample] = {}
    for row in rows:
        clip = first.setdefault(row.clip or "", row)
        if clip.reason and not row.reason:
            first[row.clip or ""] = row
    digests = _shared_digests(rows)
    return [replace(row, id=name, sha256=digests.get(name, ""), frame=None) for name, row in first.items()]


def _shared_digests(rows: Iterable[Sample]) -> dict[str, str]:
    """Clip -> a digest of its frames, the same for all clips that are linked by frames of equal bytes."""
    parents: dict[str, str] = {}  # digest -> another of the same clips; itself at the end

    def end(digest: str) -> str:
        while (above := parents.setdefault(digest, digest)) != digest:
            parents[digest] = parents[above]
            digest = above
        return digest

    first: dict[str, str] = {}
    for row in rows:
        if row.sha256 and row.clip:
            parents[end(row.sha256)] = end(first.setdefault(row.clip, row.sha256))
    return {clip: end(digest) for clip, digest in first.items()}


def carve_clips(rows: Sequence[Sample], shares: Mapping[str, float], seed: int) -> list[Sample]:
    """As `carve`, of the frames of clips: shares are of clips, and all frames of a clip are in one split."""
    if not shares:
        return list(rows)
    return with_splits(rows, {clip.id: clip.split for clip in carve(clips_of(rows), shares, seed)})


def with_splits(rows: Iterable[Sample], splits: Mapping[str, str]) -> list[Sample]:
    """The rows, each in the split of its clip."""
    return [row if (split := splits[row.clip or ""]) == row.split else replace(row, split=split) for row in rows]
