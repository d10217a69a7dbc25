"""predictions/DATASET/SPLIT.parquet beside scores.json: what a head predicted for each unit that a score is of."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.learning.probabilities import softmax
from pipeline.records.files import Advice, read_regular
from pipeline.records.score import Score
from pipeline.tables.labels import label_codes

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EXCLUDED",
    "OTHER_LABEL",
    "REJECTED",
    "SCORED",
    "Predictions",
    "Status",
    "read_predictions",
    "require_predictions",
]

Status = Literal["scored", "rejected", "other-label", "excluded"]
SCORED: Status = "scored"
REJECTED: Status = "rejected"
OTHER_LABEL: Status = "other-label"
EXCLUDED: Status = "excluded"

_LOGIT = "logit_"
_GROUPS = ("subject", "clip")  # units of one are alike; a unit is of its subject, where that is not known of its clip
_COUNTED = ("label", "prediction", "status")  # what the confusion counts are made of
_MAX_BYTES = 2**32


@dataclass(frozen=True)
class Predictions:
    """What a head predicted for the units of a split, images or clips, in the order of the sample table.

    Parameters
    ----------
    table : a row for each unit of the split: `id`; `sha256`, of the image's bytes, of a clip over its frames, empty
        where it is not known; `label`; `status`: `scored`, `rejected` (could not be used), `other-label` (none of the
        classes) or `excluded` (left out for its overlap); `prediction` and `probability`, that of the prediction at
        the head's temperature, float32; `logit_CLASS` for each class, float32, at temperature 1; and what the sample
        table has of `subject`, `clip`, `fold`, `scene`. Only of scored units there are predictions: others have null
    """

    table: pa.Table

    @classmethod
    def of(
        cls,
        units: Mapping[str, npt.NDArray[Any]],
        logits: npt.NDArray[np.float32],
        classes: Sequence[str],
        temperature: float,
    ) -> Self:
        """The predictions of a head.

        Parameters
        ----------
        units : the columns of the table that are known without a head, shape (N,) each
        logits : shape (U, C), of the scored units in their order
        classes : C classes of the head, in the order of the logits
        temperature : > 0, of the head
        """
        scored = units["status"] == SCORED
        best = logits.argmax(axis=1)
        columns = {name: pa.array(values.tolist(), pa.string()) for name, values in units.items()}
        columns["prediction"] = _where(scored, np.array(classes)[best], pa.string())
        columns["probability"] = _where(scored, softmax(logits, temperature).max(axis=1), pa.float32())
        for i, name in enumerate(classes):
            columns[_LOGIT + name] = _where(scored, logits[:, i], pa.float32())
        return cls(pa.table(columns))

    def as_bytes(self) -> bytes:
        """The content of the file."""
        buffer = io.BytesIO()
        pq.write_table(self.table, buffer, compression="zstd")
        return buffer.getvalue()

    @property
    def frame(self) -> pd.DataFrame:
        """The table."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    @property
    def classes(self) -> tuple[str, ...]:
        """C classes of the head, in the order of the logits."""
        return _classes(self.table.column_names)

    @cached_property
    def scored(self) -> pa.Table:
        """The rows of the U scored units."""
        return self.table.filter(pa.array(self._texts(self.table, "status") == SCORED))

    @property
    def ids(self) -> npt.NDArray[np.str_]:
        """Of the scored units, shape (U,)."""
        return self._texts(self.scored, "id")

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """Of the scored units, shape (U,)."""
        return self._texts(self.scored, "label")

    @property
    def predicted(self) -> npt.NDArray[np.str_]:
        """The most probable class of the scored units, shape (U,)."""
        return self._texts(self.scored, "prediction")

    @cached_property
    def logits(self) -> npt.NDArray[np.float32]:
        """Of the scored units at temperature 1, shape (U, C)."""
        return np.column_stack([self.scored[_LOGIT + name].to_numpy() for name in self.classes])

    @property
    def groups(self) -> npt.NDArray[np.str_] | None:
        """The subject of each scored unit, where it is not known its clip, else its own id, shape (U,).

        None if the table has neither subjects nor clips. Units of one group are alike: they are no independent sample.
        """
        names = [name for name in _GROUPS if name in self.table.column_names]
        if not names:
            return None
        groups = self.ids
        for name in reversed(names):
            of_units = self._texts(self.scored, name)
            groups = np.where(of_units == "", groups, np.char.add(f"{name} ", of_units))
        return groups

    @staticmethod
    def _texts(table: pa.Table, name: str) -> npt.NDArray[np.str_]:
        texts: npt.NDArray[np.str_] = table[name].to_numpy().astype(str)
        return texts


def read_predictions(path: Path, score: Score, remedy: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> Predictions:
    """The predictions that a score is of.

    Parameters
    ----------
    remedy : what makes them again

    Raises
    ------
    InputError
        If there is no such file, or it is of another score.
    """
    return Predictions(_read_table(path, score, remedy))


def require_predictions(path: Path, score: Score) -> None:
    """Refuse what `read_predictions` refuses; logits and what is known of units are not read.

    Raises
    ------
    InputError
        As of `read_predictions`.
    """
    _read_table(path, score, columns=_COUNTED)


def _read_table(
    path: Path,
    score: Score,
    remedy: Sequence[tuple[str, Mapping[str, Any]]] = (),
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The file of predictions, or some columns of it, compared with the score: see `read_predictions`."""
    advice = Advice("Delete it and evaluate again", remedy)
    try:
        data = read_regular(path, _MAX_BYTES, advice)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Advice("Evaluate again", remedy).error(f"{path}: expected predictions, found no file") from error
    if (digest := hashlib.sha256(data).hexdigest()) != score.predictions:
        expected = score.predictions or "none: the score was made by a version that kept no predictions"
        raise advice.error(f"{path}: expected the predictions of the score (sha256 {expected}), found {digest}")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))  # `pq.read_table` takes three times as long for some rows
        table, classes = file.read(columns and list(columns)), _classes(file.schema_arrow.names)
        counts = _confusion(table, classes)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise advice.error(f"{path}: expected a table of predictions, found another file ({error})") from error
    if classes != score.classes or counts != [list(row) for row in score.confusion]:
        raise advice.error(f"{path}: expected the confusion counts of the score, found others")
    return table


def _classes(columns: Sequence[str]) -> tuple[str, ...]:
    """Those that have a column of logits, in their order."""
    return tuple(name.removeprefix(_LOGIT) for name in columns if name.startswith(_LOGIT))


def _confusion(table: pa.Table, classes: tuple[str, ...]) -> list[list[int]]:
    """Counts of the scored units by label and prediction, as `Score.confusion`: no text of a unit becomes an object."""
    scored = table.filter(pc.equal(table["status"], SCORED))
    pairs = scored.group_by(["label", "prediction"], use_threads=False).aggregate([([], "count_all")])
    truth, predicted = (label_codes(map(str, pairs[name].to_pylist()), classes) for name in _COUNTED[:2])
    counts = np.zeros((len(classes), len(classes)), np.int64)
    counts[truth, predicted] = pairs["count_all"].to_numpy()
    rows: list[list[int]] = counts.tolist()
    return rows


def _where(scored: npt.NDArray[np.bool_], values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """The values of the scored units, null elsewhere."""
    filled = np.empty(len(scored), object)
    filled[scored] = values.tolist()
    return pa.array(filled, kind)
