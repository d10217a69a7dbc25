"""Which frames of a clip are taken: evenly for a table, one of each segment for a head."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["evenly", "random_of_segments", "segment_centres"]

Positions = npt.NDArray[np.intp]


def evenly(n_frames: int, most: int) -> Positions:
    """At most `most` of `n_frames` frames, evenly over the clip, the centres of equal segments: ascending, each once.

    Parameters
    ----------
    n_frames : > 0, frames of the clip
    most : > 0; 0 takes every frame

    Returns
    -------
    intp in [0, n_frames), shape (min(n_frames, most),)
    """
    if most == 0 or n_frames <= most:
        return np.arange(n_frames)
    return np.asarray(segment_centres(np.array([n_frames]), most)[0])


def segment_centres(n_frames: npt.NDArray[np.integer], n_segments: int) -> Positions:
    """The frame at the centre of each of T equal segments of each clip; a shorter clip repeats its last frame.

    Equation: floor((i + 1/2) * n / T), i = 0..T-1; min(i, n - 1) where n < T   [TSN, test; Former-DFER, DFER-CLIP]

    Parameters
    ----------
    n_frames : shape (U,), > 0
    n_segments : T > 0

    Returns
    -------
    intp in [0, n_frames), shape (U, T), ascending

    Notes
    -----
    These are the frames of DFER-CLIP's public code for one frame a segment. Former-DFER's takes the first frame T times
    where a clip has T frames or fewer, and leaves clips out whose list states fewer than 16.
    """
    return _of_segments(n_frames, np.full((len(n_frames), n_segments), 0.5))


def random_of_segments(n_frames: npt.NDArray[np.integer], draws: npt.NDArray[np.floating]) -> Positions:
    """A random frame of each of T equal segments of each clip; a shorter clip repeats its last frame.

    Equation: floor((i + r) * n / T), r drawn from [0, 1)   [TSN, training]

    Parameters
    ----------
    n_frames : shape (U,), > 0
    draws : in [0, 1), shape (U, T)

    Returns
    -------
    intp in [0, n_frames), shape (U, T), ascending; segments of n / T frames share a frame where that is no whole number

    Notes
    -----
    The public code of Former-DFER and DFER-CLIP trains on segments of n // T frames, so that it never draws the last
    n mod T frames of a clip: of 31 frames the last 15.
    """
    return _of_segments(n_frames, draws)


def _of_segments(n_frames: npt.NDArray[np.integer], draws: npt.NDArray[np.floating]) -> Positions:
    n, n_segments = np.asarray(n_frames)[:, None], draws.shape[1]
    segments = np.arange(n_segments)
    spread = np.floor((segments + draws) * n / n_segments)
    positions = np.where(n < n_segments, np.minimum(segments, n - 1), np.minimum(spread, n - 1))
    return np.asarray(positions, np.intp)
