"""What `browse` does: runs and their predictions, or stores -> a page, served or as a folder, and a sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache import Store, open_store
from cache.backends import BACKENDS
from cache.features_root import find_store
from pipeline.browse.projection import Plane, principal_plane, tsne_plane
from pipeline.browse.units import NO_CLASS, STATUSES, Predicted, UnitMap
from pipeline.predict.head_folder import RUN
from pipeline.progress import OnProgress, Progress
from pipeline.records import Run, Score, read_run
from stages.errors import StageError
from stages.requests import BrowseRequest
from stages.results import BrowseResult
from stages.workflows.browse_files import require_free, write_folder, write_sheet
from stages.workflows.browse_page import BrowsedMap, BrowsePage
from stages.workflows.browse_pictures import Pictures
from stages.workflows.browse_server import serving
from stages.workflows.browse_units import StoreUnits, units_of_split, units_with_ids
from stages.workflows.predictions import predictions_of
from stages.workflows.scores_file import read_scores
from stages.workspace import heads_below, scores_path

__all__ = ["browse", "run_name"]

_STORES = tuple(backend.suffix for backend in BACKENDS.values())
_MOST_REASONS = 3  # in notes
_LIVE = "This page shows pictures of people. They are read on this machine, for this address only, and are not copied."
_FOLDER = "This folder holds {} pictures of people, copied on request: do not publish it, nor put it into a repository."


@dataclass(frozen=True, eq=False)
class _RunOnDataset:
    """What one run predicted of one dataset: columns of its predictions."""

    run: int
    dataset: str
    store_key: str
    classes: tuple[str, ...]
    ids: npt.NDArray[np.object_]
    status: npt.NDArray[np.uint8]
    prediction: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.float32]


def browse(request: BrowseRequest, on_progress: OnProgress) -> BrowseResult:
    """Gather units, places and predictions; write what was asked for. Pictures are read when they are needed."""
    stores, named = _kinds(request)
    if request.out is not None:
        require_free(request.out)
    maps, runs = _of_stores(stores, request, on_progress) if stores else _of_runs(named, request, on_progress)
    is_live = request.out is None
    page = BrowsePage(tuple(maps), tuple(runs), is_live, _LIVE)
    notes = []
    if request.out is not None:
        page = BrowsePage(page.maps, page.runs, is_live, _FOLDER.format(f"{page.n_pictures:,}"))
        notes.append(page.warning)
    if request.sheet and len(runs) * len(_datasets(maps)) != 1:
        raise StageError(
            f"--sheet: expected one run and one dataset, found {len(runs)} runs and {', '.join(_datasets(maps))}. Name "
            "the folder of one run, and one --dataset"
        )
    if not request.dry_run:
        if request.out is not None:
            write_folder(page, request.out, on_progress)
        if request.sheet is not None:
            write_sheet(page, request.sheet)
            notes.append(f"{request.sheet} shows pictures of people: do not publish it")
    notes += _missing_notes(page.missing())
    views = tuple(one.view for one in maps)
    ids = tuple(one.ids() for one in maps)
    return BrowseResult(
        views, ids, page.runs, request.out, request.sheet, tuple(notes), partial(serving, page, request.port)
    )


def _kinds(request: BrowseRequest) -> tuple[list[Path], list[Path]]:
    """The stores that are named, each once, and the folders of runs: one of both is empty.

    Raises
    ------
    StageError
        If both are named, or datasets are chosen of stores, which are of one each.
    """
    stores = list({folder.absolute(): folder for folder in request.runs if folder.suffix in _STORES}.values())
    named = [folder for folder in request.runs if folder.suffix not in _STORES]
    if stores and named:
        raise StageError(f"expected runs or stores, found both: {named[0]} and {stores[0]}. Name one kind")
    if stores and request.datasets:
        raise StageError(f"--dataset chooses test sets of runs, found it with the store {stores[0]}. Leave it out")
    return stores, named


def _missing_notes(missing: Counter[str]) -> Iterator[str]:
    """How many pictures are grey squares, and the most frequent reasons."""
    named = missing.most_common(_MOST_REASONS)
    yield from (f"{_grey(n)}: {reason}" for reason, n in named)
    if (n_more := missing.total() - sum(n for _, n in named)) > 0:
        yield f"{_grey(n_more)} in addition, for {len(missing) - len(named):,} other reasons, on them"


def _grey(n: int) -> str:
    return "1 picture is a grey square" if n == 1 else f"{n:,} pictures are grey squares"


def _datasets(maps: Sequence[BrowsedMap]) -> list[str]:
    return list(dict.fromkeys(name for one in maps for name in one.view.datasets))


def _of_stores(
    folders: Sequence[Path], request: BrowseRequest, on_progress: OnProgress
) -> tuple[list[BrowsedMap], list[Predicted]]:
    """A map for each encoder of some stores, without predictions."""
    by_encoder: dict[str, list[StoreUnits]] = {}
    for folder in folders:
        store = open_store(folder)
        by_encoder.setdefault(folder.absolute().parent.name, []).append(units_of_split(store, request.split))
    return [_map(name, parts, request, on_progress) for name, parts in by_encoder.items()], []


def _of_runs(
    folders: Sequence[Path], request: BrowseRequest, on_progress: OnProgress
) -> tuple[list[BrowsedMap], list[Predicted]]:
    """A map for each encoder of some runs, and what each run predicted."""
    records = {folder: read_run(folder / RUN) for named in folders for folder in _runs_at(named)}
    parts: dict[str, dict[str, list[_RunOnDataset]]] = {}
    for number, (folder, record) in enumerate(records.items()):
        on_progress(Progress("predictions", number, len(records)))
        for found in _predictions(number, folder, request):
            parts.setdefault(record.encoder, {}).setdefault(found.dataset, []).append(found)
    maps: list[BrowsedMap] = []
    by_run: dict[int, Predicted] = {}
    for encoder, datasets in parts.items():
        units = [_units(request, encoder, dataset, found) for dataset, found in datasets.items()]
        browsed = _map(encoder, units, request, on_progress)
        for number in sorted({one.run for found in datasets.values() for one in found}):
            of_run = [[one for one in found if one.run == number] for found in datasets.values()]
            record = list(records.values())[number]
            by_run[number] = _predicted(run_name(record), len(maps), browsed, of_run)
        maps.append(browsed)
    return maps, [by_run[number] for number in sorted(by_run)]


def _runs_at(folder: Path) -> list[Path]:
    if found := heads_below(folder, RUN):
        return found
    raise StageError(
        f"no trained run at {folder}: expected a folder with {RUN}, or with such folders below it, or a store "
        f"({' or '.join(_STORES)})",
        remedy=[("train", {"method": "METHOD", "dataset": "DATASET"})],
        purpose="first",
    )


def _predictions(number: int, folder: Path, request: BrowseRequest) -> Iterator[_RunOnDataset]:
    scored = _scored_datasets(folder, request.split)
    if not scored and not request.datasets:
        raise _not_scored(folder, request.split)
    for dataset in request.datasets or sorted(scored):
        without_overlap = scored.get(dataset, False)
        score, predictions = predictions_of(folder, dataset, request.split, without_overlap=without_overlap)
        frame = predictions.table.select(["id", "status", "prediction", "probability"]).to_pandas()
        status = pd.Categorical(frame["status"], categories=list(STATUSES)).codes.astype(np.uint8)
        codes = pd.Categorical(frame["prediction"], categories=list(predictions.classes)).codes
        yield _RunOnDataset(
            number,
            dataset,
            score.store_key,
            predictions.classes,
            frame["id"].to_numpy(dtype=object),
            status,
            np.where(codes < 0, NO_CLASS, codes).astype(np.uint8),
            frame["probability"].to_numpy(dtype=np.float32, na_value=np.nan),
        )


def _not_scored(folder: Path, split: str) -> StageError:
    """Why a run has nothing to show of a split, with what to do."""
    others = sorted({score.split for score in _scores(folder)})
    if others:
        return StageError(
            f"{folder}: expected scores on the {split} split, found some on {', '.join(others)} alone: a run is shown "
            f"on what it was scored on. Name --split {others[0]}; or, for pictures without predictions, a store"
        )
    remedy = [("evaluate", {"runs": (str(folder),)})]
    return StageError(f"{folder}: it was not scored on any dataset", remedy=remedy, purpose="first")


def _scores(folder: Path) -> Sequence[Score]:
    path = scores_path(folder)
    return tuple(read_scores(path)) if path else ()


def _scored_datasets(folder: Path, split: str) -> dict[str, bool]:
    """The datasets that a run was scored on, and whether only without the units that overlap with its training set."""
    scores = [score for score in _scores(folder) if score.split == split]
    whole = {score.dataset for score in scores if not score.without_overlap}
    return {score.dataset: score.dataset not in whole for score in scores}


def _units(request: BrowseRequest, encoder: str, dataset: str, found: Sequence[_RunOnDataset]) -> StoreUnits:
    store = find_store(request.features, encoder, dataset)
    if any(one.store_key != store.key for one in found):
        raise StageError(
            f"{store.path}: expected the store that the predictions are of, found another one, {store.key[:12]}",
            remedy=[("evaluate", {"runs": tuple(map(str, request.runs)), "datasets": (dataset,)})],
        )
    ids = pd.unique(np.concatenate([one.ids for one in found]))
    return units_with_ids(store, ids.tolist(), request.split)


def _predicted(name: str, number: int, browsed: BrowsedMap, found: Sequence[Sequence[_RunOnDataset]]) -> Predicted:
    """What a run predicted of all units of a map; `not scored` of those of other runs and datasets."""
    n = len(browsed.view)
    status, prediction = np.zeros(n, np.uint8), np.full(n, NO_CLASS, np.uint8)
    probability = np.full(n, np.nan, np.float32)
    classes = next(one.classes for of_part in found for one in of_part)
    for part, first, of_part in zip(browsed.parts, browsed.offsets.tolist(), found, strict=False):
        for one in of_part:
            at = first + pd.Index(part.ids).get_indexer(pd.Index(one.ids))
            status[at], prediction[at], probability[at] = one.status, one.prediction, one.probability
    return Predicted(name, number, classes, status, prediction, probability)


def run_name(record: Run) -> str:
    """What a run is called on the page; its variant names its fold, too."""
    variant = f", {record.variant}" if record.variant else ""
    return f"{record.method} on {record.dataset}{variant}, seed {record.seed} ({record.encoder})"


def _map(encoder: str, parts: Sequence[StoreUnits], request: BrowseRequest, on_progress: OnProgress) -> BrowsedMap:
    labels, datasets = [part.column("label").to_numpy(dtype=object) for part in parts], [part.title for part in parts]
    names = _label_names(parts[0].store, np.concatenate(labels))
    _require_one_encoder(parts)
    on_progress(Progress(f"places of {encoder}", 0, 1))
    view = UnitMap(
        encoder,
        names,
        pd.Categorical(np.concatenate(labels), categories=list(names)).codes.astype(np.uint8),
        tuple(datasets),
        np.repeat(np.arange(len(parts), dtype=np.uint8), [len(part) for part in parts]),
        np.concatenate([part.n_frames for part in parts]),
        _planes(parts, with_tsne=request.tsne),
        tuple(dict.fromkeys(note for part in parts if (note := part.store.manifest.provenance.get("encoder_note")))),
    )
    return BrowsedMap(view, tuple(parts), tuple(Pictures(part, request.tables) for part in parts))


def _require_one_encoder(parts: Sequence[StoreUnits]) -> None:
    """StageError if features of stores of one name are of different encoders: places and cosines would mean nothing."""
    first = parts[0].store
    for part in parts[1:]:
        if part.store.encoder["encoder"] != first.encoder["encoder"]:
            raise StageError(
                f"{part.store.path}: expected features of the encoder of {first.path}, found those of another one. "
                "Look at each alone, with --dataset or by naming one store"
            )


def _planes(parts: Sequence[StoreUnits], *, with_tsne: bool) -> dict[str, Plane]:
    features = [part.features for part in parts]
    planes = {"PCA": principal_plane(features)}
    return planes | ({"t-SNE": tsne_plane(features)} if with_tsne else {})


def _label_names(store: Store, labels: npt.NDArray[np.object_]) -> tuple[str, ...]:
    """Labels that occur: the classes of the dataset in their order, then others."""
    found = set(pd.unique(labels))
    names = [*(name for name in store.classes if name in found), *sorted(found - set(store.classes))]
    if len(names) > NO_CLASS:
        raise StageError(f"{store.path}: expected at most {NO_CLASS} different labels, found {len(names)}")
    return tuple(names)
