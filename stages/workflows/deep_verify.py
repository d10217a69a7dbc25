"""Deep verification: some images are encoded again, alone and in float32, and compared with what a store holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.places import Place
from cache.store import Store, open_store
from pipeline.datasets.roots import open_root
from pipeline.extraction.parity import parity
from pipeline.faces import Alignment
from pipeline.images.prepare import Job, Preparer
from pipeline.images.views import ViewRecipe
from pipeline.tables.samples import OK, SampleTable
from stages.errors import StageError
from stages.names import first_rows
from stages.output import say
from stages.params import load_params
from stages.workflows.parity import Tolerance, re_encoded, tolerance_of
from stages.workflows.store_encoder import alignment_of, encoder_of
from stages.workflows.store_identity import box_of, face_of
from stages.workspace import Workspace

__all__ = ["compared"]

_NEEDED = ("path", "sha256", "status")
_JOB_COLUMNS = (*_NEEDED, "box", "face")


def compared(path: Place, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For every output that the encoder gives, how far the stored rows of a sample are from new ones.

    Parameters
    ----------
    path : a finished store
    given : options of `store verify`

    Raises
    ------
    StageError
        If the images cannot be found, or the encoder is another one now.
    DatasetError
        If an image is not the one that was encoded.
    """
    store = open_store(path)
    encoder = encoder_of(store, load_params(given["params_path"]), given["encoder"], given["device"])
    jobs = _sample(store, given["rows"], given["seed"])
    say(f"{path}: {len(jobs)} images are encoded again, chosen by --seed {given['seed']}")
    outputs = [array.name for array in store.manifest.schema.arrays]
    augmented = _augmented(store, jobs, given["seed"])
    with open_root(_root(store, given)) as root:
        preparer = Preparer(
            root,
            encoder.preprocess,
            (encoder.preprocess.size, *(store.row_shape(name)[0] for name in outputs if name == "pixels")),
            ViewRecipe(),
            store.manifest.key_fields["views"].get("seed", 0),
            alignment_of(store) or Alignment(),
        )
        found = {"plain": re_encoded(jobs, preparer, encoder, outputs)}
        if augmented:
            found["augmented"] = re_encoded(augmented, preparer, encoder, outputs)
    return [
        _compared(store, output, view, augmented if view == "augmented" else jobs, again[output], given["min_cosine"])
        for view, again in found.items()
        for output in outputs
    ]


def _compared(
    store: Store, output: str, view: str, jobs: Sequence[Job], again: npt.NDArray[Any], min_cosine: float | None
) -> dict[str, Any]:
    rows = np.array([job.row for job in jobs], np.intp)
    views = np.array([job.views[0] for job in jobs], np.intp)
    stored = np.empty((len(jobs), *store.row_shape(output)), again.dtype)
    for drawn in np.unique(views):  # not row by row: a shard is read once for all of its rows
        stored[views == drawn] = store.read(rows[views == drawn], output, int(drawn))
    expected = tolerance_of(store.manifest, output) if min_cosine is None else Tolerance(min_cosine, None)
    figures = vars(parity(stored, again))
    return {
        "output": output,
        "view": view,
        **figures,
        "expected": expected.cosine,
        "expected_relative": expected.relative,
    }


def _augmented(store: Store, jobs: Sequence[Job], seed: int) -> list[Job]:
    """One view, drawn from the seed, of each job that has others than the plain one."""
    if store.n_views() == 1:
        return []
    if store.manifest.key_fields["views"].get("recipe") != ViewRecipe().as_json():
        say(
            f"note: views of {store.path} are drawn by another recipe than this program's: only plain ones are compared"
        )
        return []
    rng, train = np.random.default_rng(seed), store.columns(["split"])["split"] == "train"
    return [replace(job, views=(int(rng.integers(1, store.n_views())),)) for job in jobs if train[job.row]]


def _sample(store: Store, n_rows: int, seed: int) -> list[Job]:
    """Usable rows, drawn from the seed, in the order of the store."""
    frame = store.columns([name for name in _JOB_COLUMNS if name in store.manifest.columns or name in _NEEDED])
    usable = np.flatnonzero((frame["status"] == OK).to_numpy())
    chosen = np.random.default_rng(seed).choice(usable, min(n_rows, len(usable)), replace=False)
    boxes, faces = (frame[name] if name in frame else [""] * len(frame) for name in ("box", "face"))
    return [
        Job(int(row), frame["path"][row], frame["sha256"][row], box_of(boxes[row]), face=face_of(faces[row]))
        for row in np.sort(chosen)
    ]


def _root(store: Store, given: Mapping[str, Any]) -> Path:
    if given["root"]:
        return Path(given["root"])
    limited = first_rows(store.dataset)  # the store of the first rows has no table of its own
    names = (store.dataset, *((limited[0],) if limited else ()))
    tables = [Workspace(tables=given["tables"]).table(name) for name in names]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        raise StageError(
            f"{store.path}: its images are needed for --deep, and there is no {tables[-1]}. Name them with --root"
        )
    return Path(SampleTable.read(table).info.root)
