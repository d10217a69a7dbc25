"""What is wrong with a store, in a form that commands and programs can act on."""

from __future__ import annotations

from dataclasses import dataclass

from cache.errors import RESTORE
from cache.places import AnyPath

__all__ = ["COPY", "FOREIGN", "UNREAD", "Problem", "problem_text"]

FOREIGN, UNREAD, COPY = "foreign", "unread", "copy"


@dataclass(frozen=True)
class Problem:
    """Something that is not as the manifest says.

    Parameters
    ----------
    kind : `manifest`, `array`, `missing` (a file), `column`, `features` (bits), `values` (NaN where none may be, or a
        number where none may be), `copy` (a memory-mapped copy that is not what the store holds), `unread` (the
        system, another program or a newer format is in the way: whether the rest is right is not known), or `foreign`
        (a file that is not ours). Only the first six are damage of the store
    where : store, and what in it
    what : what was expected and found
    rows : of the store; None where it concerns no row or all of them
    """

    kind: str
    where: str
    what: str
    rows: range | None = None

    @property
    def is_damage(self) -> bool:
        return self.kind not in (FOREIGN, UNREAD, COPY)

    @property
    def is_copy(self) -> bool:
        """Whether a memory-mapped copy is wrong; the store is right then."""
        return self.kind == COPY

    @property
    def is_unread(self) -> bool:
        return self.kind == UNREAD

    @property
    def advice(self) -> str:
        if self.is_unread:
            return "Remove the cause that is named, then verify again: the bytes may be right"
        if self.is_copy:
            return "Delete it: it is created again when it is needed"
        return RESTORE if self.is_damage else "Delete it, unless you know what it is"


def problem_text(error: Exception, path: AnyPath) -> str:
    """The message without what is in a problem's other fields."""
    return str(error).removeprefix(f"{path}: ").removesuffix(f". {RESTORE}")
