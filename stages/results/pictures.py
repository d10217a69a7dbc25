"""Results of predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.results.base import Result

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.predict import Prediction

__all__ = ["PredictResult"]


@dataclass(frozen=True)
class PredictResult(Result):
    """Predictions of all faces, in the order of the inputs; of one image the largest face first.

    Parameters
    ----------
    predictions : one per face, or per person and window of a video; and one per image without a face or that cannot be
        read
    annotated : for each prediction the picture or video with labels that shows it, or None
    plots : of videos
    classes : C expressions, in the order of the probabilities
    notes : what a reader of the predictions must know, such as that the head was not trained on aligned faces
    counts : of `summary`
    """

    predictions: tuple[Prediction, ...]
    annotated: tuple[Path | None, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, Any]
    plots: tuple[Path, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per prediction, with the columns of `fer-stage predict --format csv`; floats are not rounded."""
        import pandas as pd

        from pipeline.predict.prediction import row_columns

        windows = any(one.n_frames is not None for one in self.predictions)
        columns = row_columns(self.classes, windows=windows)
        rows = [one.as_row(self.classes, windows=windows) for one in self.predictions]
        frame = pd.DataFrame(rows, columns=columns)
        text, numbers = ("image", "status", "reason", "expression"), ("frame", "track", "n_frames")
        types = {name: "Int64" if name in numbers else "float64" for name in columns if name not in text}
        annotated = pd.Series([path and str(path) for path in self.annotated], dtype=object)
        return frame.astype(types).assign(annotated=annotated)

    def summary(self) -> Mapping[str, Any]:
        """Counts of pictures, faces, pictures without a face and unreadable ones; pictures per second."""
        return self.counts
