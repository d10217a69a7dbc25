"""The request of compare."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Literal

from pydantic.dataclasses import dataclass

from stages.requests.fields import CONFIG, RunFolders, Texts, default

__all__ = ["CompareRequest"]


@dataclass(frozen=True, config=CONFIG)
class CompareRequest:
    """Compare methods on the units that both were scored on: differences with intervals, p, and ranks over datasets.

    Parameters
    ----------
    runs : folders of trained runs, or folders of such folders, all evaluated; in Python also what `train` returned.
        Runs that differ in their seed and fold only are one method
    datasets : test datasets; by default all that the runs were scored on
    metric : of the differences
    by : what is compared: each `method` with its settings and encoder, on every pair of train and test dataset; or also
        what it was trained on (`train`), on every test dataset
    """

    runs: RunFolders
    _: KW_ONLY
    datasets: Texts = default(())
    metric: Literal["uar", "accuracy"] = "uar"
    by: Literal["method", "train"] = "method"
