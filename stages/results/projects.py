"""Results of init and status."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stages.errors import CheckFailedError
from stages.results.base import Result

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InitResult", "OutputStatus", "ProjectFile", "State", "StatusResult"]

State = Literal["up to date", "stale", "interrupted", "missing", "refused"]


@dataclass(frozen=True)
class ProjectFile:
    """A file of a new project.

    Parameters
    ----------
    path : below the project
    state : written; unchanged, as it is there with this very text; or kept, as another one is there
    text : that `init` writes
    """

    path: Path
    state: Literal["written", "unchanged", "kept"]
    text: str = field(repr=False)


@dataclass(frozen=True)
class InitResult(Result):
    """What an init wrote, or would write in a dry run.

    Parameters
    ----------
    folder : of the project
    files : every file of it, with what became of each
    git : `there` in a Git repository, `made` where this made one, `none` without one
    has_dvc : whether the program `dvc` is installed
    not_ignored : patterns that a .gitignore which was there lacks: Git would take faces, or what is made of them
    """

    folder: Path
    files: tuple[ProjectFile, ...]
    git: str = "there"
    has_dvc: bool = True
    dry_run: bool = False
    not_ignored: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """A row per file: its path and its state."""
        import pandas as pd  # late: `init` needs none

        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """The same as plain data."""
        return [{"file": str(self.folder / file.path), "state": file.state} for file in self.files]

    @property
    def kept(self) -> tuple[ProjectFile, ...]:
        """The files that were there with another content, and are as they were."""
        return tuple(file for file in self.files if file.state == "kept")


@dataclass(frozen=True)
class OutputStatus:
    """An output of a stage, or a dataset that stages read.

    Parameters
    ----------
    stage : data, draw, versions, index, align, extract, encode-text, train, evaluate or report
    output : its path
    state : up to date; stale, as it is not what would be made now; interrupted, as a stopped command began it; missing;
        or refused by its stage, as a damaged file is: the reason says what to do before
    reason : what differs, how far it is, or where it is to be had; empty where there is nothing to say
    command : that brings it up to date, once the outputs above it are, or several with && between them; empty if it is,
        or where no command does
    """

    stage: str
    output: str
    state: State
    reason: str = ""
    command: str = ""

    def as_json(self) -> dict[str, str]:
        """Its fields, as texts."""
        return dict(vars(self))


@dataclass(frozen=True)
class StatusResult(Result):
    """Every output of a project, in the order in which stages make them.

    Parameters
    ----------
    notes : what could not be compared, and what has to be stated beside
    """

    outputs: tuple[OutputStatus, ...]
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """A row per output: stage, output, state, reason, command."""
        import pandas as pd  # late: a command prints without it

        return pd.DataFrame([output.as_json() for output in self.outputs], columns=list(OutputStatus.__annotations__))

    @property
    def pending(self) -> tuple[OutputStatus, ...]:
        """The outputs that are not up to date."""
        return tuple(output for output in self.outputs if output.state != "up to date")

    @property
    def commands(self) -> tuple[str, ...]:
        """What brings all up to date, in order, each once."""
        return tuple(dict.fromkeys(output.command for output in self.pending if output.command))

    @property
    def counts(self) -> dict[str, int]:
        """State -> outputs."""
        return dict(Counter(output.state for output in self.outputs))

    def check(self) -> None:
        """Raise CheckFailedError unless all is up to date."""
        if self.pending:
            counts = ", ".join(f"{n:,} {state}" for state, n in self.counts.items() if state != "up to date")
            raise CheckFailedError(
                f"{len(self.pending):,} of {len(self.outputs):,} outputs are not up to date: {counts}"
            )
