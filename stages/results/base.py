"""What all results have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Result"]


class Result:
    """Base: `frame` is the result as a table, and what a notebook shows of it."""

    @property
    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The result as a table of pandas."""

    def _repr_html_(self) -> str:
        html: str = self.frame._repr_html_()  # type: ignore[operator]  # pandas' own hook for notebooks
        return html
