"""The features of audited pictures, from the stores of an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.features_root import find_store
from cache.schema import OK
from pipeline.audit.rows import AuditedRows
from pipeline.differences import differences_text
from stages.errors import StageError
from stages.params import Params
from stages.remedies import encoder_written
from stages.requests import AuditRequest

__all__ = ["audited_features"]


def audited_features(
    request: AuditRequest, params: Params, rows: AuditedRows
) -> tuple[npt.NDArray[np.float32], Mapping[str, Any]]:
    """The feature of each of `rows.items` (output pooled, view 0), and what it is of, for the record.

    Returns
    -------
    float32, shape (items, D), of length 1; NaN where no store has one

    Raises
    ------
    StoreMissingError
        If a dataset has no store of the encoder.
    StageError
        If the stores of two datasets cannot be compared.
    """
    written = request.encoder or next(iter(params.encoders))
    folder, _ = params.encoder(written)
    with encoder_written(folder, written):
        stores = {name: find_store(request.features, folder, name) for name in rows.classes}
    _require_comparable(stores)
    width = max(store.width() for store in stores.values())
    features = np.full((len(rows.items), width), np.nan, np.float32)
    positions = {key: number for number, key in enumerate(zip(rows.items["sha256"], rows.items["box"], strict=True))}
    for store in stores.values():
        items, store_rows = _matching(store, positions)
        values = store.read(store_rows).astype(np.float32)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            features[items] = values / lengths  # NaN where it is zero
    return features, {"encoder": written, "stores": {name: store.key for name, store in stores.items()}}


def _require_comparable(stores: Mapping[str, Store]) -> None:
    (first, one), *others = stores.items()
    for name, other in others:
        if differences := differences_text(dict(one.encoder), dict(other.encoder)):
            raise StageError(
                f"features of {first} and {name} cannot be compared: {one.path} and {other.path} differ in "
                f"{differences}. Extract both in the same way"
            )


def _matching(
    store: Store, positions: Mapping[tuple[str, str], int]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The numbers of the items that a store has a feature of, and their rows there, ascending."""
    names = [name for name in ("sha256", "box", "status") if name in store.manifest.columns]
    frame = store.columns(names)
    if "sha256" not in frame:
        raise StageError(f"{store.path} has no sha256 of its images: extract {store.dataset} again")
    boxes = frame["box"] if "box" in frame else [""] * len(frame)
    found: dict[int, int] = {}
    for row, (sha256, box, status) in enumerate(zip(frame["sha256"], boxes, frame["status"], strict=True)):
        if status == OK and (item := positions.get((sha256, box))) is not None:
            found.setdefault(item, row)
    return np.array(list(found), np.intp), np.array(list(found.values()), np.intp)
