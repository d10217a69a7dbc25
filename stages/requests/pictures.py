"""Requests of predict."""

from __future__ import annotations

from dataclasses import KW_ONLY
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from stages.requests.fields import (
    CONFIG,
    Duration,
    Inputs,
    OptionalDuration,
    OptionalPathLike,
    PathLike,
    Positive,
    Request,
    Share,
    default,
)

__all__ = ["PredictRequest"]


@dataclass(frozen=True, config=CONFIG)
class PredictRequest(Request):
    """Name the expressions of the faces in pictures, folders of pictures, patterns of paths, and videos.

    Parameters
    ----------
    inputs : files, folders and patterns of paths, or one of them
    run : folder of a trained run or of an exported head; by default the head that fer-stage carries
    encoder : of the head, if it has another name here
    method : FILE.py:NAME, the code of a head of a method of one's own that params.yaml does not name
    annotate : folder that gets the pictures and videos with labels
    plot : folder that gets a plot of each video: probabilities over time
    per : of videos: a row for each track and `window`, each face of a `frame`, or each `clip`
    window, step : of `window`: seconds, or texts such as 2s; a window begins every `step`
    every : seconds between frames of a video that are read; 0 takes all; None: what `per` and the head need
    rotate : look for faces in sideways pictures, too
    batch_size : faces a step
    max_rejected : share of unreadable images above which the call fails, in [0, 1]
    """

    inputs: Inputs
    _: KW_ONLY
    run: OptionalPathLike = default(None)
    encoder: str | None = None
    method: str | None = None
    annotate: OptionalPathLike = default(None)
    plot: OptionalPathLike = default(None)
    per: Literal["window", "frame", "clip"] = "window"
    window: Duration = default(2.0)
    step: Duration = default(1.0)
    every: OptionalDuration = default(None)
    rotate: bool = True
    batch_size: Positive = 32
    max_rejected: Share = 0.99
    device: str = "auto"
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))
