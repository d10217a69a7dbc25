"""A finished project whose datasets become datasets of clips: drawn faces of one expression and split are frames."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.tables.samples import SampleTable
from stages.workflows.tables import write_table

__all__ = ["as_clips"]


def as_clips(dataset: str, n_frames: int = 2, *, rejected: Collection[str] = (), reverse: bool = False) -> SampleTable:
    """Rewrite the table of a dataset: `n_frames` rows of a label and a split are a clip, a rest a shorter one.

    Parameters
    ----------
    rejected : ids of frames that are marked as rejected
    reverse : whether rows are in the opposite order of frames and clips
    """
    path = Path(f"tables/{dataset}.parquet")
    table = SampleTable.read(path)
    frame = table.frame.drop(columns=[name for name in ("clip", "frame") if name in table.frame])
    number = frame.groupby(["split", "label"]).cumcount()
    frame["clip"] = frame["split"] + "-" + frame["label"] + "-" + (number // n_frames).astype("str")
    frame["frame"] = (number % n_frames).astype("Int64")
    masked = frame["id"].isin(list(rejected))
    frame["status"] = np.where(masked, "rejected", frame["status"])
    frame["reason"] = np.where(masked, "cannot be decoded", frame["reason"])
    if "subject" in frame:
        frame = frame.drop(columns="subject")  # drawn people are in several clips of one number
    order = frame.index[::-1] if reverse else frame.index
    frame = pd.DataFrame(frame.loc[order].reset_index(drop=True))
    table = SampleTable(frame, replace(table.info, unit="clip"))
    write_table(table, path)
    return table
