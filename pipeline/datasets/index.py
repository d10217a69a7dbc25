"""index_dataset: a dataset on disk -> its sample table."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.datasets import LAYOUTS
from pipeline.datasets.base import Layout, Scan, not_this_layout, parse_options
from pipeline.datasets.files import MISSING, Root, some
from pipeline.datasets.roots import open_root
from pipeline.errors import ConfigError, DatasetError, ImageError
from pipeline.progress import OnProgress, Progress, silent
from pipeline.samples import Sample, SampleTable, TableInfo

__all__ = ["READER_VERSION", "index_dataset"]

READER_VERSION = 1  # raise it when a layout gives other rows, labels or splits of the same files and options


def index_dataset(
    dataset: str, layout: str, root: Path, options: Mapping[str, Any], on_progress: OnProgress = silent
) -> SampleTable:
    """Scan a dataset. Every image's bytes are read once for their sha256; none is decoded.

    Parameters
    ----------
    dataset : the name it has in params.yaml
    layout : a name in `LAYOUTS`
    root : folder or archive; both give the same table
    options : of that layout, as in params.yaml
    on_progress : hears of every image, and of the scan's notes

    Returns
    -------
    SampleTable
        Ordered by path. Missing, empty and unreadable files, and those that the layout rejects, are rejected rows.

    Raises
    ------
    ConfigError
        If layout or options are unknown.
    DatasetError, LabelError
        If the root does not hold that layout, two samples share an id, labels are unknown, or no image is usable.
    """
    reader = _find_layout(layout)
    parsed = parse_options(reader, options)
    with open_root(root, expected=f"{reader.summary} (layout {layout})") as files:
        scan = reader.scan(files, parsed)
        _check(scan, files, reader)
        for note in scan.notes:
            on_progress(Progress("images", 0, len(scan.samples), note))
        ordered = sorted(scan.samples, key=lambda sample: (sample.path, sample.id))
        samples = list(_with_digests(files, ordered, on_progress))
    _check_usable(samples, root)
    info = TableInfo(
        dataset,
        layout,
        str(root),
        parsed.names,
        scan.release,
        parsed.model_dump(mode="json"),
        scan.excluded,
        READER_VERSION,
    )
    return SampleTable.from_samples(samples, info)


def _find_layout(name: str) -> Layout[Any]:
    if name in LAYOUTS:
        return LAYOUTS[name]
    near = difflib.get_close_matches(name, LAYOUTS, n=1)
    advice = f"Did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"unknown layout {name!r}. {advice}Known: {', '.join(LAYOUTS)}")


def _check(scan: Scan, files: Root, layout: Layout[Any]) -> None:
    if not scan.samples and not scan.excluded:
        raise not_this_layout(files, layout)
    if not scan.samples:
        counts = ", ".join(f"{count} x {reason}" for reason, count in scan.excluded.items())
        raise DatasetError(
            f"{files.path}: no sample is left, all rows are excluded: {counts}. Check the layout's options"
        )
    by_id: dict[str, list[str]] = {}
    for sample in scan.samples:
        by_id.setdefault(sample.id, []).append(sample.path)
    if repeated := [f"{name} ({', '.join(paths)})" for name, paths in by_id.items() if len(paths) > 1]:
        raise DatasetError(
            f"{files.path}: {len(repeated)} ids stand on several rows: {some(repeated)}. Every image needs its own"
        )


def _with_digests(files: Root, samples: Sequence[Sample], on_progress: OnProgress) -> Iterator[Sample]:
    for done, sample in enumerate(samples, start=1):
        yield _with_digest(files, sample)
        on_progress(Progress("images", done, len(samples)))


def _with_digest(files: Root, sample: Sample) -> Sample:
    try:
        data = files.read(sample.path)
    except ImageError as error:
        return replace(sample, reason=sample.reason or str(error))
    if not data:
        return replace(sample, reason=sample.reason or "file is empty")
    return replace(sample, sha256=hashlib.sha256(data).hexdigest())


def _check_usable(samples: Sequence[Sample], root: Path) -> None:
    reasons = Counter(sample.reason for sample in samples)
    if reasons[""]:
        return
    counts = ", ".join(f"{count} x {reason}" for reason, count in reasons.items())
    advice = "Are the images unpacked beside their list?" if reasons[MISSING] else "Copy the dataset again"
    raise DatasetError(
        f"{root}: expected images, found none of {len(samples)} usable: {counts}; first {samples[0].path!r}. {advice}"
    )
