"""`crema-d`: acted emotional sentences of 91 actors."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.choices import in_order_of
from pipeline.datasets.reading.clips import ClipOptions, assemble_clips
from pipeline.datasets.reading.named_clips import named_clips
from pipeline.datasets.reading.rows import Row
from pipeline.datasets.roots.files import Root
from pipeline.tables.labels import canonical
from pipeline.tables.sample import Sample

__all__ = ["CremaD", "CremaDOptions"]

_EXAMPLE = "1001_DFA_ANG_XX.flv"
_Level = Literal["XX", "LO", "MD", "HI"]
_LEVELS: dict[_Level, str] = {"XX": "unspecified", "LO": "low", "MD": "medium", "HI": "high"}
_NAMES = "surprise disgust fear happiness sadness anger neutral"
# One published name has X for XX.
_NAME = re.compile(
    rf"(?P<actor>\d{{4}})_(?P<sentence>[A-Z]{{3}})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>X|{'|'.join(_LEVELS)})",
    re.IGNORECASE,
)


class CremaDOptions(ClipOptions):
    levels: Annotated[tuple[_Level, ...], BeforeValidator(in_order_of(list(_LEVELS)))] = Field(
        tuple(_LEVELS),
        description="intensities to read: XX unspecified, LO, MD and HI low, medium and high (of one sentence only); "
        "others are left out and counted",
    )


_FACTS = DatasetFacts(
    title="CREMA-D",
    content="7,442 clips in which 91 actors speak one of twelve sentences with an emotion",
    access="from github.com/CheyneyComputerScience/CREMA-D (Git LFS), folder VideoFlash",
    licence="Open Database License 1.0; contents under the Database Contents License 1.0.",
    reference="Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective "
    "Computing 2014",
    label_codes="letters in the file's name: ANG anger, DIS disgust, FEA fear, HAP happiness, NEU neutral, SAD sadness",
    counts=(
        PublishedCounts(
            "all levels",
            labels={"": class_counts(_NAMES, 0, 1_271, 1_271, 1_271, 1_271, 1_271, 1_087)},
            options={"levels": list(_LEVELS)},
            source="names in a public list of the 7,442 clips",
        ),
    ),
    traps=(
        "The label is the emotion that the actor was asked for; raters of the picture alone agree with it in 58 % of "
        "the cases. Their votes are in processedResults/tabulatedVotes.csv, which is not read.",
        "There is no surprise: a head of seven classes is scored on six.",
        "A checkout without Git LFS holds small text files in place of the videos: they become rejected rows.",
        "There is no official split; each actor must be in one fold.",
    ),
    biases=("Acted in front of a green screen, with one light.",),
)


class CremaD:
    """`VideoFlash/1001_DFA_ANG_XX.flv`, or a folder of frames of that name: actor, sentence, emotion, level.

    The subject is the actor. There is no official split: val and test are carved by actor, and `train --folds K` makes
    folds of actors. Videos with any other name are left out and counted.
    """

    name = "crema-d"
    summary = f"VideoFlash/{_EXAMPLE}: actor 1001, a sentence, anger, level"
    Options = CremaDOptions
    facts = _FACTS

    def scan(self, root: Root, options: CremaDOptions) -> Scan:
        clips, others = named_clips(root, _NAME, _EXAMPLE)
        if not clips:
            raise not_this_layout(root, self)
        return assemble_clips([_row(path, match, options) for path, match in clips] + others, options)


def _row(path: str, match: re.Match[str], options: CremaDOptions) -> Row:
    code = match["level"].upper()
    level = next(level for level in _LEVELS if level.startswith(code))  # X is XX
    name = "_".join(match.groups()).upper()
    sample = Sample(name, path, canonical(match["emotion"]), "", subject=match["actor"], clip=name)
    return Row(sample, "" if level in options.levels else f"{_LEVELS[level]} level")
