"""Whether the labels of a sample table fit another order better, by what a head predicts from the features of a store.

torch comes with the heads, when one of these functions is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.places import AnyPath
from pipeline.audit.known_orders import KNOWN_ORDERS
from pipeline.audit.label_order import LabelOrderFinding, find_label_order
from pipeline.encoders.devices import device_name
from pipeline.footnotes import MOSTLY_SEEN
from pipeline.predict.saved import SavedHead
from pipeline.tables.samples import SPLITS, SampleTable, TableInfo
from pipeline.text_features import TextFeatures
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.overlap import OverlapFinder
from stages.workflows.row_identity import split_rows
from stages.workflows.unit_source import StoredClips, StoredUnits, unit_source

if TYPE_CHECKING:
    from pipeline.learning.head import Head

__all__ = ["label_order_of", "read_by", "zero_shot_order_of"]

_ONE_ORDER = {"raf-db": "raf-db"}  # layouts without the option `codes` whose files are of one order


def label_order_of(
    table: SampleTable, store: Store, head: SavedHead, features: AnyPath, device: str = "auto"
) -> LabelOrderFinding:
    """Whether the labels fit another order, by a trained head. Rows that it was trained or selected on are left out.

    Parameters
    ----------
    table : whose labels are compared
    store : features of the same images, of the head's encoder
    head : one that was trained on other images: one of this dataset has learned its order, right or wrong
    features : root of the stores, where the rows are that the head was trained on

    Raises
    ------
    MismatchError
        If the features are of another encoder than the head's.
    """
    named = head.record.dataset
    if head.is_trained and (named == table.info.dataset or head.record.key == store.key):
        return _not_judged(f"the head was trained on {named}, and has learned the order of its labels")
    units = unit_source(store)
    rows = split_rows(units, None)
    overlap = OverlapFinder(OpenedStores(features)).find(head, table.info.dataset, rows)
    known = np.zeros(len(rows), bool) if isinstance(overlap, str) else overlap.dataset
    if known.mean() >= MOSTLY_SEEN:
        return _not_judged(
            f"{known.mean():.0%} of the {units.unit}s are {units.unit}s of {named}, which the head was trained on: it "
            "has learned the order of their labels"
        )
    return _finding(table, units, head.build().to(device_name(device)), ~known)


def zero_shot_order_of(
    table: SampleTable, store: Store, text: TextFeatures, temperature: float = 0.01
) -> LabelOrderFinding:
    """Whether the labels fit another order, by the similarity of features to the text of each expression.

    Parameters
    ----------
    text : of the store's own encoder

    Raises
    ------
    MismatchError
        If the text is in another space than the features.
    """
    from pipeline.learning.spec import HeadSpec  # late: they bring torch
    from pipeline.methods.text.heads import TextSimilarityHead

    text.require_space_of(store.encoder["encoder"])
    classes = tuple(name for name in text.classes if name in table.info.classes)
    options = {"text_width": text.width, "projection": "none", "temperature": temperature}
    inputs = {"pooled": tuple(store.row_shape("pooled"))}
    head = TextSimilarityHead(
        HeadSpec("text-similarity", classes, inputs, store.encoder, store.dataset, "raw", options)
    )
    head.set_text(text.for_classes(classes).chosen("ensemble"))
    units = unit_source(store)
    return _finding(table, units, head, np.ones(len(units.labels(None)), bool))


def read_by(info: TableInfo) -> str | Mapping[int, str] | None:
    """The order that the labels of a table were read by, as far as its options state it: a name where it has one."""
    codes = info.options.get("codes", _ONE_ORDER.get(info.layout))
    if not isinstance(codes, Mapping):
        return codes if codes in KNOWN_ORDERS else None
    by_code = {int(code): str(label) for code, label in codes.items()}  # JSON has texts as keys
    return next((name for name, known in KNOWN_ORDERS.items() if known == by_code), by_code)


def _not_judged(why: str) -> LabelOrderFinding:
    return LabelOrderFinding(0, (), 0.0, not_judged=f"{why}. Name a head that was trained on another dataset")


def _finding(table: SampleTable, units: StoredUnits, head: Head, compared: npt.NDArray[np.bool_]) -> LabelOrderFinding:
    """`compared` : bool, one for each usable unit of the store."""
    head.require(units)
    labels, classes = table.info.classes, head.spec.classes
    counts = np.zeros((len(labels), len(classes)), np.int64)
    named, splits = _labels_now(table, units), _splits(units)
    for split in SPLITS:
        if not (splits == split).any():
            continue
        predicted = head.predict_units(units, split).argmax(axis=1)
        codes, take = named[splits == split], compared[splits == split]
        take &= codes >= 0
        np.add.at(counts, (codes[take], predicted[take]), 1)
    return find_label_order(counts, labels, classes, read_by(table.info))


def _splits(units: StoredUnits) -> npt.NDArray[np.object_]:
    """Of every usable unit of the store."""
    splits = units.split_of_rows[units.rows(None)]
    return splits[units.clips(None).first] if isinstance(units, StoredClips) else splits


def _labels_now(table: SampleTable, units: StoredUnits) -> npt.NDArray[np.intp]:
    """What the table has as label of each usable unit, as position in its classes; -1 for other images, or frames."""
    store = units.store
    has_bytes = "sha256" in store.manifest.columns  # stores of the first version have ids alone
    frame = store.columns(["id", *(["sha256"] if has_bytes else [])])
    images = frame.iloc[units.rows(None)].set_index("id")
    usable = table.usable.set_index("id").reindex(images.index)
    labels = usable["label"]
    same = usable["sha256"].to_numpy() == images["sha256"].to_numpy() if has_bytes else labels.notna().to_numpy()
    codes = labels.map({label: i for i, label in enumerate(table.info.classes)}).fillna(-1).to_numpy(dtype=np.intp)
    now = np.where(same, codes, -1)
    if not isinstance(units, StoredClips):
        return now
    clips = units.clips(None)
    return np.minimum.reduceat(now[clips.rows], clips.starts[:-1])  # the frames of a clip have one label
