"""`kdef`: seven posed expressions of each person, twice, from five angles."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.choices import in_order_of
from pipeline.datasets.reading.named_images import named_images
from pipeline.datasets.reading.rows import Row, assemble
from pipeline.datasets.roots.files import Root
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.sample import Sample

__all__ = ["Kdef", "KdefOptions"]

_EXAMPLE = "AF01ANS.JPG"
_CODES = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_ANGLES = {"S": "straight", "HL": "half left", "HR": "half right", "FL": "full left", "FR": "full right"}
# The whole name: AF at its start is session A of a woman, and only after the two digits an afraid face.
_NAME = re.compile(
    rf"(?P<session>[AB])(?P<subject>[FM]\d\d)(?P<code>{'|'.join(_CODES)})(?P<angle>{'|'.join(_ANGLES)})\.\w+",
    re.IGNORECASE,
)
_Angle = Literal["S", "HL", "HR", "FL", "FR"]


class KdefOptions(LayoutOptions):
    angles: Annotated[tuple[_Angle, ...], BeforeValidator(in_order_of(list(_ANGLES)))] = Field(
        ("S",),
        description="views to read: S straight, HL and HR half left and right, FL and FR full profile; others are left "
        "out and counted",
    )


def _each(n: int) -> dict[str, int]:
    return dict.fromkeys(EXPRESSIONS[:7], n)


_FACTS = DatasetFacts(
    title="KDEF",
    content="562 x 762 colour pictures: seven posed expressions in two sessions, seen from five angles",
    access="on request from its authors",
    licence="See the agreement that comes with the dataset.",
    reference="Lundqvist, Flykt and Ohman, The Karolinska Directed Emotional Faces, 1998",
    label_codes="letters in the file's name: AF fear (afraid), AN anger, DI disgust, HA happiness, NE neutral, "
    "SA sadness, SU surprise",
    counts=(
        PublishedCounts(
            "straight",
            labels={"": _each(140)},
            options={"angles": ["S"]},
            source="a fifth of the published 4,900 pictures, in seven equal classes",
        ),
        PublishedCounts(
            "all five angles",
            labels={"": _each(700)},
            options={"angles": list(_ANGLES)},
            source="the published 4,900 pictures, in seven equal classes",
        ),
    ),
    traps=(
        "AF at the start of a name is session A of a female, and after the two digits an afraid face: a search for AF "
        "takes half of the women's pictures for fear.",
        "Both sessions show the same people: AF01 and BF01 are one person.",
        "A full profile has one eye in view, so that a face detector for frontal faces misses it.",
    ),
    biases=("Posed in a laboratory, with one light and background.",),
)


class Kdef:
    """`AF01/AF01ANS.JPG`: session, sex and number of the person, expression, angle. No official split.

    The subject is sex and number (`F01`), as both sessions show the same people. By default straight views only: the
    images that other datasets hold are mostly frontal, and profiles are missed by face detection. Images with any
    other name are left out and counted.
    """

    name = "kdef"
    summary = f"AF01/{_EXAMPLE}: session A, female 01, anger, straight"
    Options = KdefOptions
    facts = _FACTS

    def scan(self, root: Root, options: KdefOptions) -> Scan:
        images, others = named_images(root, _NAME, _EXAMPLE)
        if not images:
            raise not_this_layout(root, self)
        return assemble([_row(path, match, options) for path, match in images] + others, options)


def _row(path: str, match: re.Match[str], options: KdefOptions) -> Row:
    angle, subject = match["angle"].upper(), match["subject"].upper()
    sample = Sample(match[0].rpartition(".")[0].upper(), path, _CODES[match["code"].upper()], "", subject=subject)
    return Row(sample, "" if angle in options.angles else f"{_ANGLES[angle]} view")
