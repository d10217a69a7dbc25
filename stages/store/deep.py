"""Deep verification: some images are encoded again, alone and in float32, and compared with what a store holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cache.places import Place
from cache.store import Store, open_store
from pipeline.datasets.roots import open_root
from pipeline.faces import Alignment
from pipeline.parity import parity
from pipeline.preparation import Job, Preparer
from pipeline.samples import OK, SampleTable
from pipeline.views import ViewRecipe
from stages.errors import StageError
from stages.identity import box_of, face_of
from stages.made_by import alignment_of, encoder_of
from stages.names import first_rows
from stages.output import say
from stages.params import load_params
from stages.rechecking import re_encoded
from stages.workspace import Workspace

__all__ = ["compared", "expected_cosine", "expected_relative"]

_NEEDED = ("path", "sha256", "status")
_JOB_COLUMNS = (*_NEEDED, "box", "face")
_SLACK = 10  # extract measures a few rows; others may be farther from their reference
_ROUNDING = 1e-5  # of float16 on disk, and of another machine's float32
_UNMEASURED = 0.999
_RELATIVE_SLACK = 3
_RELATIVE_ROUNDING = 2e-3  # the same for relative differences: float16 on disk rounds by 3e-4


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
    outputs = [array.name for array in store.manifest.schema.arrays if array.name != "pixels"]
    with open_root(_root(store, given)) as root:
        sizes, alignment = (encoder.preprocess.size,), alignment_of(store) or Alignment()
        preparer = Preparer(root, encoder.preprocess, sizes, ViewRecipe(), 0, alignment)
        found = re_encoded(jobs, preparer, encoder, outputs)
    rows = np.array([job.row for job in jobs], np.intp)
    return [
        {
            "output": output,
            **vars(parity(store.read(rows, output), found[output])),
            "expected": expected_cosine(store, output, given["min_cosine"]),
            "expected_relative": expected_relative(store, output, given["min_cosine"]),
        }
        for output in outputs
    ]


def expected_cosine(store: Store, output: str, given: float | None) -> float:
    """What the smallest cosine may be: as asked for, else from what extract measured when it made the store."""
    if given is not None:
        return given
    measured = (store.manifest.provenance.get("parity") or {}).get(output)
    return 1 - max(_ROUNDING, _SLACK * (1 - measured["cosine"])) if measured else _UNMEASURED


def expected_relative(store: Store, output: str, given: float | None) -> float | None:
    """What the largest relative difference may be: from what extract measured; None, any, if a cosine was asked for."""
    if given is not None:
        return None
    measured = (store.manifest.provenance.get("parity") or {}).get(output, {})
    if "relative" in measured:
        return max(_RELATIVE_ROUNDING, _RELATIVE_SLACK * float(measured["relative"]))
    if store.manifest.key_fields["precision"] == "float32":
        return _RELATIVE_ROUNDING
    return math.sqrt(2 * (1 - expected_cosine(store, output, None)))


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
