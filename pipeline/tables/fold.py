"""One fold of a dataset. No pandas, which takes half a second to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Fold"]


@dataclass(frozen=True)
class Fold:
    """One of K folds of a dataset.

    Parameters
    ----------
    number : in [1, n], the fold that is tested on
    n : K, folds of the dataset
    source : `table`, those of the dataset itself, or `groups`, made of its groups
    """

    number: int
    n: int
    source: Literal["table", "groups"]

    @property
    def name(self) -> str:
        """As folders and reports have it."""
        return f"fold-{self.number}-of-{self.n}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"number": self.number, "n": self.n, "source": self.source}
