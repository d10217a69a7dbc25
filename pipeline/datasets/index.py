"""index_dataset: a dataset on disk -> its sample table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from pipeline.datasets.digests import FileDigests
from pipeline.datasets.layouts import find_layout, layout_sha256
from pipeline.datasets.published import compare_with_published, facts_of
from pipeline.datasets.reading.base import Layout, LayoutOptions, Scan, not_this_layout, parse_options
from pipeline.datasets.reading.clips import MISSING_CLIP, ClipOptions, expand, frame_numbers_note
from pipeline.datasets.reading.listfile import lookalike
from pipeline.datasets.reading.rows import CONFLICT
from pipeline.datasets.reading.unread import folder_counts
from pipeline.datasets.roots import open_root
from pipeline.datasets.roots.files import MISSING, Root, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image
from pipeline.progress import OnProgress, Progress, silent
from pipeline.tables.clip_splits import carve_clips, clips_of
from pipeline.tables.samples import OK, Sample, SampleTable, TableInfo
from pipeline.tables.splits import carve, carving_notes
from pipeline.versions import stage_version
from pipeline.video.formats import is_video
from pipeline.video.identity import decoder_version

__all__ = ["index_dataset"]

_COLUMNS_SHOWN = 12


def index_dataset(
    dataset: str,
    layout: str,
    root: Path,
    options: Mapping[str, Any],
    on_progress: OnProgress = silent,
    digests: FileDigests | None = None,
) -> SampleTable:
    """Scan a dataset. The bytes of every image that changed are read once for their sha256; none is decoded.

    Parameters
    ----------
    dataset : the name it has in params.yaml
    layout : a name in `LAYOUTS`, or of one's own, FILE.py:NAME
    root : folder or archive; both give the same table
    options : of that layout, as in params.yaml
    on_progress : called for every image that is read, and with notes on what was left out, carved, or crosses splits
    digests : of unchanged files, from the record of an earlier scan, and those of this scan; by default all are read

    Returns
    -------
    SampleTable
        Ordered by path. Missing, empty and unreadable files, those of a format that no installed decoder reads, and
        those that the layout rejects, are rejected rows. Splits that the dataset lacks are carved by group.

    Raises
    ------
    ConfigError
        If layout or options are unknown.
    DatasetError, LabelError
        If the root does not hold that layout, two samples share an id, labels are unknown, or no image is usable.
    """
    reader = find_layout(layout)
    parsed = parse_options(reader, options)
    digests = FileDigests() if digests is None else digests
    digests.begin()
    with open_root(root, expected=f"{reader.summary} (layout {layout})", on_progress=on_progress) as files:
        files.list_files(on_progress)
        scan = reader.scan(files, parsed)
        _check(scan, files, reader)
        unread = _unread_images(scan, files)
        samples, carved = _rows(scan, files, parsed, digests, on_progress), _carved(scan)
        scan = replace(scan, samples=())  # of a million, each copy takes 0.2 GB
        _report([*scan.notes, *_unread_notes(scan, unread)], len(samples), on_progress)
        _add_digests(digests, files, samples, on_progress)
    is_clip = scan.unit == "clip"
    samples = (carve_clips if is_clip else carve)(samples, scan.shares, parsed.split_seed)
    units, noun = (clips_of(samples), "clips") if is_clip else (samples, "rows")
    _check_usable(units, root, "clips" if is_clip else "images")
    info = TableInfo(
        dataset,
        layout,
        str(root),
        parsed.names,
        scan.release,
        parsed.model_dump(mode="json"),
        scan.excluded,
        unread_columns={header: lookalike(header) for header in scan.unread_columns},
        unread_images=unread,
        unread_files=scan.unread_files,
        reader=stage_version("index"),
        video_decoder=decoder_version() if digests.has_frames else "",
        layout_sha256=layout_sha256(layout),
        carved=carved,
        repeated=scan.repeated,
        unit=scan.unit,
    )
    table = SampleTable.from_samples(samples, info)
    published = compare_with_published(table, facts_of(reader)).note()
    notes = [*carving_notes(units, scan.shares, noun), *_crossing_notes(table, noun), *filter(None, [published])]
    _report(notes, len(table), on_progress)
    return table


def _rows(
    scan: Scan, files: Root, options: LayoutOptions, digests: FileDigests, on_progress: OnProgress
) -> list[Sample]:
    """The rows of the table, sorted: the samples, or their frames."""
    if scan.unit == "image":
        return sorted(scan.samples, key=attrgetter("path", "id"))
    max_frames = options.max_frames if isinstance(options, ClipOptions) else 0
    count = partial(digests.n_frames, files)
    expanded = expand(files, scan.samples, max_frames, count, on_progress, scan.clip_images)
    _report(frame_numbers_note(scan.stated_frames, expanded.n_frames), len(scan.samples), on_progress)
    return sorted(expanded.rows, key=attrgetter("path", "id"))


def _carved(scan: Scan) -> dict[str, str]:
    """Split -> the split of the source that is divided into it; empty if none is."""
    source = "train" if all(sample.split for sample in scan.samples) else ""
    return {split: source for split in scan.shares if split != source}


def _report(notes: Iterable[str], total: int, on_progress: OnProgress) -> None:
    for note in notes:
        on_progress(Progress("images", 0, total, note))


def _unread_images(scan: Scan, files: Root) -> Mapping[str, int]:
    """Images that are neither samples nor excluded, per folder; of clips, images and videos that belong to none."""
    read = {sample.path for sample in scan.samples}.union(scan.excluded_paths, *scan.clip_images.values())
    if scan.unit == "image":
        return folder_counts([name for name in files.names() if name not in read and is_image(name)], read)
    unread = [
        name
        for name in files.names()
        if name not in read and name.rpartition("/")[0] not in read and (is_image(name) or is_video(name))
    ]
    return folder_counts(unread, [f"{path}/" for path in read if not files.exists(path)] + list(read))


def _unread_notes(scan: Scan, images: Mapping[str, int]) -> Iterator[str]:
    if images:
        what = "images are named by no row" if scan.unit == "image" else "images and videos belong to no clip"
        folders = ", ".join(f"{folder} {count:,}" for folder, count in images.items())
        yield f"{sum(images.values()):,} {what} and are not read: {folders}"
    if scan.unread_files:
        suffixes = ", ".join(f"{suffix} {count:,}" for suffix, count in scan.unread_files.items())
        yield f"{sum(scan.unread_files.values()):,} files are no images by their names and are not read: {suffixes}"
    if scan.unread_columns:
        columns = [
            f"{header!r} (looks like a {meaning})" if (meaning := lookalike(header)) else repr(header)
            for header in sorted(scan.unread_columns, key=lambda header: not lookalike(header))
        ]
        more = f" and {len(columns) - _COLUMNS_SHOWN} more" if len(columns) > _COLUMNS_SHOWN else ""
        yield f"columns that are not read: {', '.join(columns[:_COLUMNS_SHOWN])}{more}"


def _crossing_notes(table: SampleTable, noun: str) -> Iterator[str]:
    """Which rows or clips of official splits are in another split too."""
    sizes = table.units["split"][table.units["status"] == OK].value_counts()
    for kind, counts in table.crossing().items():
        what = "equal bytes (identical images)" if kind == "bytes" else f"{noun} of the same {kind}"
        parts = []
        for pair, n in counts.items():
            split, _, other = pair.partition(" in ")  # or `across folds`
            of = (
                f"of {sizes[split]:,} {split} {noun} are also in {other}"
                if other
                else f"{noun} are also in another fold"
            )
            parts.append(f"{n:,} {of}")
        yield f"{what} cross the splits of the dataset, which are left as they are: {', '.join(parts)}"


def _check(scan: Scan, files: Root, layout: Layout[Any]) -> None:
    if not scan.samples and not scan.excluded:
        raise not_this_layout(files, layout)
    if not scan.samples:
        counts = ", ".join(f"{count} x {reason}" for reason, count in scan.excluded.items())
        raise DatasetError(
            f"{files.path}: no sample is left, all rows are excluded: {counts}. Check the layout's options"
        )
    if len({sample.id for sample in scan.samples}) == len(scan.samples):
        return
    by_id: dict[str, list[str]] = {}
    for sample in scan.samples:
        by_id.setdefault(sample.id, []).append(sample.path)
    if repeated := [_repeated(name, paths) for name, paths in by_id.items() if len(paths) > 1]:
        raise DatasetError(
            f"{files.path}: {len(repeated)} ids are on several rows: {some(repeated)}. Every row needs its own: give "
            "it one in the column `id`"
        )


def _repeated(name: str, paths: Sequence[str]) -> str:
    first = ", ".join(path[:80] for path in paths[:3])
    return f"{name[:80]} ({first}{f' and {len(paths) - 3:,} more' if len(paths) > 3 else ''})"


def _add_digests(digests: FileDigests, files: Root, samples: list[Sample], on_progress: OnProgress) -> None:
    """Replace the samples, which are sorted by path, by ones with the digests of their files; several may have one."""
    paths = [path for path, _ in groupby(samples, key=attrgetter("path"))]
    sha256, reasons = digests.of(files, paths, on_progress)
    if digests.counts.unchanged:
        _report([str(digests.counts)], len(paths), on_progress)
    at = 0
    for i, sample in enumerate(samples):
        at += sample.path != paths[at]
        samples[i] = replace(sample, sha256=sha256[at], reason=sample.reason or reasons[at])


def _check_usable(samples: Sequence[Sample], root: Path, what: str) -> None:
    reasons = Counter(sample.reason for sample in samples)
    if reasons[""]:
        return
    counts = ", ".join(f"{count} x {reason}" for reason, count in reasons.items())
    raise DatasetError(
        f"{root}: expected {what}, found none of {len(samples)} usable: {counts}; first {samples[0].path!r}. "
        f"{_advice(reasons)}"
    )


def _advice(reasons: Collection[str]) -> str:
    if MISSING in reasons:
        return "Are the images unpacked next to their list?"
    if MISSING_CLIP in reasons:
        return "Are the clips unpacked next to their list?"
    if CONFLICT in reasons:
        return "Correct the labels that contradict each other: every row is one of these or has another fault"
    if any(reason.startswith("box ") for reason in reasons):
        return "Check what the columns of the boxes hold: expected x, y, width, height in pixels"
    return "Install what the reasons name" if any("install" in r for r in reasons) else "Copy the dataset again"
