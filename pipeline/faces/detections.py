"""Many detections in columns: as objects they take 0.7 kB each."""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.faces.search import NO_FACE, Detection
from pipeline.tables.number_rows import NumberRows

__all__ = ["FOUND", "MISSED", "UNUSABLE", "DetectionColumns"]

FOUND, MISSED, UNUSABLE = "found", "missed", "rejected"
_STATUSES = (FOUND, MISSED, UNUSABLE)
_NUMBERS = 15  # of a face: score, box, landmarks


class DetectionColumns:
    """Detections that are added one by one."""

    def __init__(self) -> None:
        self._statuses, self._counts, self._reasons, self._faces = array("b"), array("i"), array("i"), array("f")
        self._texts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._statuses)

    def append(self, detection: Detection) -> None:
        """Add one at the end."""
        face, reason = detection.face, detection.reason
        status = FOUND if face else MISSED if reason == NO_FACE else UNUSABLE
        self._statuses.append(_STATUSES.index(status))
        self._counts.append(detection.n_faces)
        self._reasons.append(self._texts.setdefault(reason, len(self._texts)))
        if face:
            self._faces.extend((face.score, *face.box, *face.landmarks.ravel().tolist()))

    def frame(self) -> pd.DataFrame:
        """The columns `status`, `reason`, `faces`, `score`, `box` and `landmarks` of a face table."""
        statuses = np.array(self._statuses, np.int8)
        known, faces = statuses == 0, np.array(self._faces, np.float32).reshape(-1, _NUMBERS)
        score = np.full(len(self), np.nan, np.float32)
        score[known] = faces[:, 0]
        return pd.DataFrame(
            {
                "status": _chosen(_STATUSES, statuses),
                "reason": _chosen(tuple(self._texts), np.array(self._reasons, np.int32)),
                "faces": np.array(self._counts, np.int32),
                "score": score,
                "box": NumberRows.spread(faces[:, 1:5], known),
                "landmarks": NumberRows.spread(faces[:, 5:], known),
            }
        )


def _chosen(texts: tuple[str, ...], numbers: npt.NDArray[np.integer]) -> pd.Series[str]:
    chosen: pd.Series[str] = pa.array(texts, pa.string()).take(pa.array(numbers)).to_pandas()
    return chosen
