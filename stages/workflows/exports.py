"""What `query --output` and `store export` do: rows of a store -> files of another program, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.exports import ExportForm
from stages.output import say

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cache.selection import Selection

__all__ = ["exported"]


def exported(
    selection: Selection, given: Mapping[str, Any], added: Mapping[str, npt.NDArray[np.float32]] | None = None
) -> dict[str, Any]:
    """Write a selection, say what became of its rows without a feature, and describe the files as plain data.

    Parameters
    ----------
    selection : what is written
    given : options of a command: `target` and those of `stages.commands.options.export_options`
    added : further columns, one value per row
    """
    dtype = None if given["dtype"] == "stored" else given["dtype"]
    form = ExportForm(given["rejected"], dtype, given["plain_list"])
    written = selection.export(given["target"], added=added, form=form)
    n_empty = int(selection.without_feature.sum())
    if n_empty:
        say(f"{n_empty:,} of {len(selection):,} rows have no feature: {_treatment(written[0], form)}")
    return {
        "path": str(written[0]),
        "rows": len(selection) - (n_empty if form.rejected == "drop" else 0),
        "rows_without_feature": n_empty,
        "files": [str(path) for path in written],
        "feature": selection.output,
        "view": selection.view,
        "key": selection.store.key,
    }


def _treatment(path: Path, form: ExportForm) -> str:
    """How the rows without a feature are written in the export at `path`."""
    if form.rejected == "drop":
        return "they are left out"
    place = "null" if path.suffix == ".parquet" else "NaN (0 in pixels) in their places"
    return f"they are kept, as {place}; --rejected drop leaves them out"
