"""Which frames of a CK+ sequence are samples, under each of the protocols of the literature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.datasets.reading.rows import Row
from pipeline.datasets.reading.subjects import NEUTRAL_AND_APEX, FoldOptions
from pipeline.tables.labels import CONTEMPT
from pipeline.tables.sample import Sample

__all__ = ["DEFAULT", "CkPlusOptions", "Sequence", "n_apex", "sequence_rows"]

Protocol = Literal[636, 618, 327, 309, 981]
DEFAULT: Protocol = 636
_WITH_NEUTRAL = (636, 618)
_NOT_READ = "frame outside the protocol"
_NO_LABEL = "sequence without an emotion label"
_OF_CONTEMPT = "neutral frame of a contempt sequence"


class CkPlusOptions(FoldOptions):
    protocol: Protocol | None = Field(
        None,
        description="by the number of images it has in the literature. 636: last frame, and first as neutral; 618: the "
        "same without contempt's first frames; 309 and 327: last frame (327 with contempt, classes 8); 981: last three "
        "frames. Default: 636 of whole sequences, 981 of CK+48, all rows of ckextended.csv",
    )

    @model_validator(mode="after")
    def _agrees_on_contempt(self) -> Self:
        needed = {309: 7, 327: 8}.get(self.protocol or 0, self.classes)
        if needed != self.classes:
            other = 309 if self.classes == 7 else 327
            raise ValueError(
                f"protocol {self.protocol} is {'without' if needed == 7 else 'with'} contempt: expected classes "
                f"{needed}, found {self.classes}. Set classes to {needed}, or protocol to {other}"
            )
        return self


def n_apex(protocol: Protocol) -> int:
    """Frames at the end of a sequence that have its expression."""
    return 3 if protocol == 981 else 1


@dataclass(frozen=True)
class Sequence:
    """One sequence of frames.

    Parameters
    ----------
    subject, number : `S005` and `001`
    frames : number of the frame -> its file
    label : of its last frame; empty if it has none
    fold : of its subject
    apex : number of the last frame, where the label's file states it
    """

    subject: str
    number: str
    frames: Mapping[int, str]
    label: str = ""
    fold: int | None = None
    apex: int | None = None

    @property
    def name(self) -> str:
        return f"{self.subject}/{self.number}"

    def sample(self, frame: int, path: str, label: str) -> Sample:
        """One frame; its id is the name of the official file without its suffix."""
        return Sample(
            f"{self.subject}_{self.number}_{frame:08d}",
            path,
            label,
            "",
            subject=self.subject,
            clip=self.name,
            frame=frame,
            fold=self.fold,
        )


def sequence_rows(sequence: Sequence, options: CkPlusOptions, folder: str) -> Iterator[Row]:
    """Rows of all frames of a sequence: those of the protocol, and excluded ones.

    Parameters
    ----------
    folder : where its frames are, or would be: a frame that is missing has a row there
    """
    protocol = options.protocol or DEFAULT
    if not sequence.label:
        yield from _excluded(sequence, sequence.frames, _NO_LABEL)
        return
    numbers = sorted({*sequence.frames, *([] if sequence.apex is None else [sequence.apex])})
    if not numbers:  # a list names the sequence, and there is no frame to tell how its files are called
        missing = f"{sequence.subject}_{sequence.number}"
        yield Row(replace(sequence.sample(0, f"{folder}{sequence.name}", sequence.label), id=missing, frame=None))
        return
    first = numbers[0] if sequence.apex is None else 1  # where the apex is numbered, the first frame is too
    apex = numbers[-n_apex(protocol) :]
    neutral = [first] if protocol in _WITH_NEUTRAL else []
    both = set(neutral) & set(apex)
    for number, label in [*((n, sequence.label) for n in apex), *((n, "neutral") for n in neutral if n not in both)]:
        path = sequence.frames.get(number, _expected(sequence, number, folder))
        left_out = number in neutral and protocol == 618 and sequence.label == CONTEMPT and options.classes == 7
        sample = sequence.sample(number, path, label)
        yield Row(replace(sample, reason=NEUTRAL_AND_APEX if number in both else ""), _OF_CONTEMPT if left_out else "")
    yield from _excluded(sequence, [n for n in sequence.frames if n not in (*neutral, *apex)], _NOT_READ)


def _excluded(sequence: Sequence, numbers: Iterable[int], reason: str) -> Iterator[Row]:
    return (Row(Sample("", sequence.frames[number], "", ""), reason) for number in numbers)


def _expected(sequence: Sequence, number: int, folder: str) -> str:
    return f"{folder}{sequence.name}/{sequence.subject}_{sequence.number}_{number:08d}.png"
