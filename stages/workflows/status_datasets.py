"""The datasets of a project: whether their files are here, and their tables and face tables are of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.drawn import drawing_changes, is_free, unfinished_drawing
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.published import facts_of
from pipeline.tables.samples import SampleTable
from stages.params import DatasetParams
from stages.workflows.dataset_sources import StatedSource, current_source
from stages.workflows.draw import n_drawn
from stages.workflows.scans import changed_since_scan
from stages.workflows.status_outputs import Outputs, listed, reasons_of
from stages.workflows.tables import description_path, is_drawn, of_its_dataset, reasons_to_index
from stages.workspace import Workspace

__all__ = ["IndexedDataset", "add_faces", "add_table"]

_PAGES = "docs/datasets"


@dataclass(frozen=True)
class IndexedDataset:
    """A dataset as it is indexed.

    Parameters
    ----------
    table, root : of the images; None without a table that can be read
    outputs : its root, its table and its face table, as far as they are stated
    """

    name: str
    table: SampleTable | None
    root: Path
    outputs: tuple[Path, ...]


def add_table(outputs: Outputs, name: str) -> IndexedDataset:
    """State the root of a dataset and its sample table."""
    request, params = outputs.request, outputs.params
    path, reasons = Workspace(tables=request.tables).table(name), list[str]()
    table = None
    if path.exists():
        with reasons_of(reasons):
            table = of_its_dataset(SampleTable.read(path), name, path)
    source = (table and current_source(name, table.info, params)) or params.dataset(name)
    root = Path(source.root)
    if table is not None:
        with reasons_of(reasons):
            reasons += filter(None, [reasons_to_index(table, name, params), _changed(outputs, name, root)])
    if table is None or reasons or root.exists() or is_drawn(name, source):
        _add_root(outputs, name, source)
        reasons += filter(None, [outputs.pending(root)])
    else:  # as `extract` does: features are used where the images are not
        outputs.notes[f"{path} is used as it is, as {root} is not on this machine"] = None
    stated = StatedSource.of_table(table.info).as_json() if table and name not in params.datasets else {}
    step = ("index", {"dataset": name, **stated})
    if path.exists():
        outputs.add("index", path, "stale" if reasons else "up to date", "; ".join(reasons), step)
    elif Workspace(tables=request.tables).scan_record(name).exists():
        outputs.add("index", path, "interrupted", "files that a stopped scan has read are not read again", step)
    else:
        outputs.add("index", path, "missing", outputs.pending(root), step)
    return IndexedDataset(name, table, root, (root, path))


def _changed(outputs: Outputs, name: str, root: Path) -> str:
    """What below the root changed since it was scanned; empty if nothing did, or the root is not here."""
    if not root.exists():
        return ""
    description = description_path(Workspace(tables=outputs.request.tables).table(name))
    if not description.exists():
        return f"{description}, which is written with it, is missing"
    changed = changed_since_scan(outputs.request.tables, name, root)
    if changed is None:
        outputs.notes[
            f"{name} was never scanned on this machine: whether its files are those of its table is not known"
        ] = None
        return ""
    return f"changed since it was scanned: {listed(sorted(changed))}" if changed else ""


def _add_root(outputs: Outputs, name: str, source: DatasetParams) -> None:
    root = Path(source.root)
    if source.layout == "sample":
        _add_drawing(outputs, name, source, root)
    elif root.exists():
        outputs.add("data", root, "up to date", "", ("datasets", {}))
    else:
        facts = facts_of(LAYOUTS[source.layout]) if source.layout in LAYOUTS else None
        page = f" ({_PAGES}/{source.layout}.md)" if facts else ""
        access = f": {facts.access}{page}" if facts else f": expected a dataset in the layout {source.layout}"
        outputs.add("data", root, "missing", f"not on this machine{access}", ("datasets", {"about": name}))


def _add_drawing(outputs: Outputs, name: str, source: DatasetParams, root: Path) -> None:
    """A drawn dataset: of the styles of the sample it is known what would be drawn."""
    sample = outputs.params.sample
    if begun := unfinished_drawing(root):
        style, n, seed = begun
        step = ("draw", {"style": (style,), "out": root, "seed": seed, _count_of(style): n})
        outputs.add("draw", root, "interrupted", f"of {n:,}, those that are drawn are kept", step)
    elif is_drawn(name, source):
        step = ("draw", {"style": (name,), "out": root})
        if is_free(root):
            outputs.add("draw", root, "missing", "", step)
        else:
            changes = drawing_changes(name, root, n_drawn(name, sample), sample.seed)
            outputs.add("draw", root, "stale" if changes else "up to date", changes, step)
    elif root.exists():
        outputs.add("data", root, "up to date", "", ("datasets", {}))
    else:
        outputs.add("data", root, "missing", "no such folder", ("datasets", {"about": name}))


def _count_of(style: str) -> str:
    return "clips" if "video" in style else "images"


def add_faces(outputs: Outputs, dataset: IndexedDataset) -> IndexedDataset:
    """State the face table of a dataset whose faces are aligned; nothing where images are taken as they are."""
    if outputs.params.extract.faces == "given":
        return dataset
    path = Workspace(faces=outputs.request.face_tables).face_table(dataset.name)
    step, above = ("align", {"dataset": dataset.name}), outputs.pending(*dataset.outputs)
    if not path.exists():
        stopped = path.with_name(f".{path.name}.building").exists()
        reason = "faces that a stopped search has found are kept" if stopped else above
        outputs.add("align", path, "interrupted" if stopped else "missing", reason, step)
    else:
        reasons = [above] if above else _face_reasons(dataset, path)
        outputs.add("align", path, "stale" if reasons else "up to date", "; ".join(reasons), step)
    return IndexedDataset(dataset.name, dataset.table, dataset.root, (*dataset.outputs, path))


def _face_reasons(dataset: IndexedDataset, path: Path) -> Sequence[str]:
    """Why `align` would write another face table than the one that there is."""
    from pipeline.faces.detector import load_detector  # late: it brings OpenCV
    from stages.workflows.align import FaceTableBuilder

    reasons: list[str] = []
    if dataset.table is not None:
        with reasons_of(reasons):
            plan = FaceTableBuilder(dataset.table, dataset.root, load_detector(), path, threads=1).plan()
            if n := plan.n_to_detect:
                reasons.append(f"{n:,} images were not searched by this detector")
            elif n is not None:
                reasons.append("it is of another sample table; no image has to be searched")
    return reasons
