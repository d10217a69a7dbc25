"""What is checked and noted before heads are trained, which may take hours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.learning.clips import stored_output
from pipeline.learning.options import CLIP_OPTIONS, MethodConfig
from pipeline.tables.fold import Fold
from pipeline.tables.folds import UNUSED
from stages.errors import StageError
from stages.params import Params
from stages.recipes import departures
from stages.requests import TrainRequest
from stages.workflows.sweep import RunSpec, seeds_of
from stages.workflows.unit_source import StoredUnits

__all__ = ["n_views", "require_train_rows", "require_writable", "training_warnings"]


def require_train_rows(units: StoredUnits, runs: Sequence[RunSpec]) -> None:
    """Refuse a store without a train split, or without an output or the soft labels that one of the runs reads.

    Raises
    ------
    StageError, QueryError
        Naming the split, or the output and the command that adds it.
    """
    store = units.store
    if not units.label_counts["train"]:
        raise StageError(
            f"{store.path}: expected rows of a train split, found none. Leave {store.path.stem} out of run.train in "
            "params.yaml if it is for tests only, or have its layout set a train split apart and index it again"
        )
    for output in dict.fromkeys(stored_output(name) for run in runs for name in run.config.reads):
        store.row_shape(output)  # raises before an encoder is loaded
    if any(run.fold and n_views(units, run) > 1 for run in runs):
        raise StageError(
            f"{store.path}: expected one view of every image for folds, found {store.n_views()}, which only the "
            "rows of the table's train split have. Set extract.views to 1 in params.yaml and extract again: the plain "
            "views are copied, nothing is encoded"
        )
    if any(run.config.learns_distributions for run in runs) and "distribution" not in store.manifest.columns:
        raise StageError(
            f"{store.path}: expected a distribution of every row for targets=distribution, found a dataset of labels "
            "alone. Index it by a layout and rule that give soft labels, such as rule=probability of ferplus, and "
            "extract it again; or train with targets=labels"
        )


def require_writable(folder: Path) -> None:
    """Refuse a folder of a run that cannot be created: it is written at the end, which may be an hour away.

    Raises
    ------
    StageError
        Naming the nearest folder above it that exists.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise StageError(
            f"{nearest}: expected a folder to write runs to, found none that can be written. Name a --runs"
        )


def n_views(units: StoredUnits, run: RunSpec) -> int:
    """How many views of a train image a run trains on: 1 is the plain image alone."""
    return units.n_views() if run.config.is_trained and run.config.views == "all" else 1


def training_warnings(
    request: TrainRequest, params: Params, recipe: str, units: StoredUnits, runs: Sequence[RunSpec]
) -> Iterator[str]:
    """Lines for people: departures from a recipe, seeds that are not trained, frames of clips, views of images."""
    for run in runs if recipe else ():
        yield from departures(recipe, run.config)
    if not runs[0].config.is_random and len(seeds_of(request, params)) > 1:
        yield f"note: every seed gives the same head of {runs[0].config.method}: seed {runs[0].seed} alone is trained"
    yield from filter(None, dict.fromkeys(_about_frames(units, run.config) for run in runs))
    yield from filter(None, dict.fromkeys(_about_unused(units, run.fold) for run in runs))
    if any(n_views(units, run) > 1 for run in runs):
        dtype = units.store.manifest.key_fields["dtype"]
        yield (
            f"note: trained on {units.n_views()} views of every train image (0 is plain, the others are augmented; "
            f"{dtype} features); selected, calibrated and evaluated on view 0"
        )


def _about_unused(units: StoredUnits, fold: Fold | None) -> str:
    """How many units a fold leaves out; empty if there are none."""
    if not (fold and (n := len(units.labels(UNUSED)))):
        return ""
    return (
        f"note: {units.dataset}, {fold.name}: {n:,} {units.unit}s without a fold are not used, as others of their "
        "person, clip or picture are tested or validated on"
    )


def _about_frames(units: StoredUnits, config: MethodConfig) -> str:
    """What is read of the clips, or which options are of no effect on images; empty if there is nothing to say."""
    of_effect = config.of_effect_on(units.unit)
    if units.unit == "image":
        changed = [name for name in CLIP_OPTIONS if getattr(config, name) != getattr(of_effect, name)]
        return f"note: {units.dataset} has images: {' and '.join(changed)} of no effect" if changed else ""
    drawn = of_effect.clip_sampling == "random" and of_effect.is_trained
    how = "one drawn of each segment in each epoch" if drawn else "those at the centres of segments"
    scored = "; validation and scores read the centres of segments" if drawn else ""
    return (
        f"note: {units.dataset} has clips, which all counts are of: {of_effect.clip_frames} frames of each are read, "
        f"{how}{scored}"
    )
