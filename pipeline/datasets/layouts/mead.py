"""`mead`: acted emotional sentences at three intensities, filmed from seven views."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.choices import in_order_of
from pipeline.datasets.reading.clips import ClipOptions, assemble_clips
from pipeline.datasets.reading.named_clips import named_clips
from pipeline.datasets.reading.rows import Row, translate
from pipeline.datasets.roots.files import Root
from pipeline.tables.sample import Sample

__all__ = ["Mead", "MeadOptions"]

_View = Literal["front", "left_30", "left_60", "right_30", "right_60", "top", "down"]
_Level = Literal[1, 2, 3]
_EXAMPLE = "M003/video/front/angry/level_2/001.mp4"
_VIEWS: tuple[_View, ...] = ("front", "left_30", "left_60", "right_30", "right_60", "top", "down")
_LEVELS: tuple[_Level, ...] = (1, 2, 3)
_PATH = re.compile(
    rf"(?P<subject>[MW]\d{{3}})(?:_video)?/(?:[^/]+/)*(?P<view>{'|'.join(_VIEWS)})/(?P<emotion>[a-z]+)[/_]"
    r"level_(?P<level>[1-3])/(?P<take>\d+)",
    re.IGNORECASE,
)


class MeadOptions(ClipOptions):
    view: Annotated[tuple[_View, ...], BeforeValidator(in_order_of(_VIEWS))] = Field(
        ("front",),
        description=f"cameras to read: {', '.join(_VIEWS)}; others are left out and counted. Each view of a take is a "
        "clip",
    )
    levels: Annotated[tuple[_Level, ...], BeforeValidator(in_order_of(_LEVELS))] = Field(
        _LEVELS, description="intensities to read, 1 to 3; neutral has level 1 only"
    )


_FACTS = DatasetFacts(
    title="MEAD",
    content="clips in which actors speak sentences with one of eight emotions at three intensities, from seven views",
    access="from its project page (wywu.github.io/projects/MEAD), an archive for each actor",
    licence="For research; see the agreement that comes with the dataset.",
    reference="Wang et al., MEAD: A Large-scale Audio-visual Dataset for Emotional Talking-face Generation, ECCV 2020",
    label_codes="folder names: angry, contempt, disgusted, fear, happy, neutral, sad, surprised",
    traps=(
        "All views of a take show the same moment, and all takes of an actor the same person: split by actor, never by "
        "file.",
        "With several views each take is counted once for each view.",
        "Neutral has level 1 only: without that level there is no neutral clip.",
        "Published counts are of all views and actors; the parts that are released differ, so that nothing is "
        "compared.",
    ),
    biases=("Acted in a laboratory, in front of a plain background, with one light.",),
)


class Mead:
    """`M003/video/front/angry/level_2/001.mp4`, or a folder of frames of that name; `M003_video/` and
    `angry_level_2/` are read too.

    By default the front view only. The subject is the actor, and every view and take of an actor is in the split of the
    actor: what is filmed by several cameras at once is never in two splits. There is no official split: val and
    test are carved by actor, and `train --folds K` makes folds of actors. Eight emotions, of which contempt needs
    `classes: 8`.
    """

    name = "mead"
    summary = _EXAMPLE
    Options = MeadOptions
    facts = _FACTS

    def scan(self, root: Root, options: MeadOptions) -> Scan:
        clips, others = named_clips(root, _PATH, _EXAMPLE)
        if not clips:
            raise not_this_layout(root, self)
        labels = translate([match["emotion"] for _, match in clips], None, str(root.path))
        return assemble_clips(_rows(clips, labels, options) + others, options)


def _rows(clips: Sequence[tuple[str, re.Match[str]]], labels: Sequence[str], options: MeadOptions) -> list[Row]:
    return [_row(path, match, label, options) for (path, match), label in zip(clips, labels, strict=True)]


def _row(path: str, match: re.Match[str], label: str, options: MeadOptions) -> Row:
    subject, view, level = match["subject"].upper(), match["view"].lower(), int(match["level"])
    name = f"{subject}/{view}/{match['emotion'].lower()}/level_{level}/{match['take']}"
    sample = Sample(name, path, label, "", subject=subject, clip=name)
    if view not in options.view:
        return Row(sample, f"{view} view")
    return Row(sample, "" if level in options.levels else f"level {level}")
