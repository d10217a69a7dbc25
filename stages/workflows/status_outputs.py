"""What the parts of `status` share: how an output is stated, with the command that makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from cache.errors import CacheError
from pipeline.errors import PipelineError
from stages.errors import StageError
from stages.params import Params
from stages.remedies import command_line, parameter_names
from stages.requests import StatusRequest
from stages.results import OutputStatus, State
from stages.workflows.opened_stores import OpenedStores

__all__ = ["KNOWN_ERRORS", "Outputs", "Step", "listed", "reason_of", "reasons_of"]

KNOWN_ERRORS = (CacheError, PipelineError, StageError)
_MAX_LISTED = 3

Step: TypeAlias = tuple[str, Mapping[str, Any]]
"""A command, as `extract`, and its arguments by name."""


@dataclass
class Outputs:
    """The outputs that were compared so far, in the order in which stages make them.

    Parameters
    ----------
    request, params : what is compared, and with what

    Attributes
    ----------
    notes : what has to be stated beside, each once
    """

    request: StatusRequest
    params: Params
    notes: dict[str, None] = field(default_factory=dict)
    _rows: dict[str, OutputStatus] = field(default_factory=dict)

    @cached_property
    def stores(self) -> OpenedStores:
        """Of the features of the request."""
        return OpenedStores(self.request.features)

    def __iter__(self) -> Iterator[OutputStatus]:
        return iter(self._rows.values())

    def add(self, stage: str, output: object, state: State, reason: str, *steps: Step) -> None:
        """State one output, with the steps that bring it up to date; one that is has none."""
        words = () if state == "up to date" else (command_line(name, self._with_places(name, of)) for name, of in steps)
        self._rows[str(output)] = OutputStatus(stage, str(output), state, reason, " && ".join(dict.fromkeys(words)))

    def add_refused(self, stage: str, output: object, state: State, error: Exception, step: Step) -> None:
        """State an output that its stage refuses to make: with the remedy of the error, if any, and the step."""
        steps: list[Step] = list(getattr(error, "remedy", ()))
        if steps and steps[-1][0] != step[0]:
            steps.append(step)
        self.add(stage, output, state, reason_of(error), *steps)

    def pending(self, *outputs: object) -> str:
        """`tables/x.parquet is stale`: the first of some stated outputs that is not up to date; empty if all are."""
        rows = [self._rows[str(output)] for output in outputs if str(output) in self._rows]
        return next((f"{row.output} is {row.state}" for row in rows if row.state != "up to date"), "")

    def _with_places(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a step, with the folders and the params.yaml of the request that its command takes."""
        places = {name: getattr(self.request, name) for name in _PLACES if name in parameter_names(command)}
        return {**arguments, **places}


_PLACES = ("tables", "face_tables", "features", "audits", "reports", "device", "params")


@contextmanager
def reasons_of(reasons: list[str]) -> Iterator[None]:
    """Why something that is there is refused, as a reason instead of an error."""
    try:
        yield
    except KNOWN_ERRORS as error:
        reasons.append(reason_of(error))


def reason_of(error: Exception) -> str:
    """What is wrong with something that is there; the command is stated beside it."""
    return str(error).rstrip(".")


def listed(names: list[str]) -> str:
    """`a, b, c and 2 more`."""
    more = f" and {len(names) - _MAX_LISTED:,} more" if len(names) > _MAX_LISTED else ""
    return f"{', '.join(names[:_MAX_LISTED])}{more}"
