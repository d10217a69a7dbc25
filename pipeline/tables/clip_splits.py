"""Splits of clips: a clip and its copies are in one split, with all of their frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.tables.sample import Sample
from pipeline.tables.splits import carve

__all__ = ["carve_clips", "clips_of"]


def clips_of(rows: Iterable[Sample]) -> list[Sample]:
    """The clips of a table's rows, a sample each: `id` is the clip's name, `reason` is empty if a frame is usable."""
    first: dict[str, Sample] = {}
    for row in rows:
        name = row.clip or ""
        if name not in first or (first[name].reason and not row.reason):
            first[name] = row
    return [replace(row, id=name, frame=None) for name, row in first.items()]


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
    """As `carve`, of the frames of clips: shares are of clips, and all frames of a clip are in one split.

    Clips that share a frame of equal bytes are one group, too: copies of a clip under another name.
    """
    if not shares:
        return list(rows)
    digests = _shared_digests(rows)
    clips = [replace(clip, sha256=digests.get(clip.id, "")) for clip in clips_of(rows)]
    splits = {clip.id: clip.split for clip in carve(clips, shares, seed)}
    return [row if (split := splits[row.clip or ""]) == row.split else replace(row, split=split) for row in rows]
