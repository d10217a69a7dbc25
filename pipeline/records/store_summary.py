"""What a report states of a store of features."""

from __future__ import annotations

from typing import Any

from pipeline.records.fields import Count, Positive, Record, Text, Texts, checked
from pipeline.records.files import Advice
from pipeline.tables.sample import Unit

__all__ = ["StoreSummary", "summary_of"]


class StoreSummary(Record):
    """The features of one dataset under one encoder. `splits` and `labels` count usable rows, `rejected` by reason.

    Parameters
    ----------
    encoder_saw : the encoder itself was trained on the train split of a dataset of this layout
    unit : of the dataset; rows of clips are their frames
    """

    dataset: Text
    encoder: Text
    encoder_note: Text
    encoder_saw: bool
    unit: Unit = "image"
    rows: Count
    usable: Count
    rejected: dict[Text, Count]
    splits: dict[Text, Count]
    labels: dict[Text, Count]
    width: Count
    outputs: Texts
    views: Positive
    dtype: Text
    key: Text
    precision: Text
    preprocess: dict[str, Any]


def summary_of(data: Any, where: str) -> StoreSummary:
    """The summary that plain data describes.

    Raises
    ------
    InputError
        If a field is missing or impossible; the message names `where` and the fields.
    """
    return checked(StoreSummary, data, where, "the summary of a store", Advice("Extract the dataset again"))
