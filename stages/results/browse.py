"""The result of browse."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.results.base import Result

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from pipeline.browse.units import Predicted, UnitMap

__all__ = ["BrowseResult"]


@dataclass(frozen=True, eq=False)
class BrowseResult(Result):
    """What the page shows, and where it was written.

    Parameters
    ----------
    maps : units of test sets under one encoder each
    ids : of the units of each map
    runs : what each head predicted
    path : folder of the page; None without one
    sheet : file of the most confident mistakes; None without one
    notes : what must be known of the page
    start : what serves the page; see `serving`

    Examples
    --------
    with stages.browse("runs").serving() as address: ...
    """

    maps: tuple[UnitMap, ...]
    ids: tuple[npt.NDArray[np.object_], ...] = field(repr=False)
    runs: tuple[Predicted, ...] = field(repr=False)
    path: Path | None
    sheet: Path | None
    notes: tuple[str, ...]
    start: Callable[[], AbstractContextManager[str]] = field(repr=False)

    def serving(self) -> AbstractContextManager[str]:
        """Serve the page on this machine until the block ends; gives its address."""
        return self.start()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run and unit: first the mistakes, the most confident one first, then the others in their order.

        Columns `run`, `dataset`, `id`, `label`, `result`, `prediction` (empty unless scored), `probability`.
        """
        import pandas as pd  # late: `import stages` needs no pandas

        parts = [self._of_run(run) for run in self.runs] or [self._units(i) for i in range(len(self.maps))]
        return pd.concat(parts, ignore_index=True)

    def _units(self, number: int) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        units = self.maps[number]
        datasets, labels = np.array(units.datasets, object)[units.dataset], np.array(units.labels, object)[units.label]
        return pd.DataFrame({"dataset": datasets, "id": self.ids[number], "label": labels})

    def _of_run(self, run: Predicted) -> pd.DataFrame:
        import numpy as np

        from pipeline.browse.units import NO_CLASS, STATUSES, confident_mistakes

        classes = np.array([*run.classes, *[""] * (NO_CLASS + 1 - len(run.classes))], dtype=object)
        frame = self._units(run.map)
        frame.insert(0, "run", run.name)
        frame["result"] = np.array(STATUSES, object)[run.status]
        frame["prediction"], frame["probability"] = classes[run.prediction], run.probability
        first = confident_mistakes(self.maps[run.map], run)
        others = np.setdiff1d(np.arange(len(frame)), first)
        return frame.iloc[np.concatenate([first, others])]

    def summary(self) -> dict[str, Any]:
        """Counts, and what was written, as plain data."""
        n_mistakes = {run.name: int(run.is_wrong(self.maps[run.map]).sum()) for run in self.runs}
        return {
            "units": sum(len(units) for units in self.maps),
            "datasets": list(dict.fromkeys(name for units in self.maps for name in units.datasets)),
            "encoders": [units.name for units in self.maps],
            "mistakes": n_mistakes,
            "path": str(self.path or ""),
            "sheet": str(self.sheet or ""),
        }
