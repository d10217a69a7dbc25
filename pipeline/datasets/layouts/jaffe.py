"""`jaffe`: 213 posed faces of ten Japanese women, whose file names hold person and expression."""

from __future__ import annotations

import re

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.named_images import named_images
from pipeline.datasets.reading.rows import Row, assemble
from pipeline.datasets.roots.files import Root, composed
from pipeline.tables.labels import canonical
from pipeline.tables.sample import Sample

__all__ = ["Jaffe"]

_EXAMPLE = "KA.AN1.39.tiff"
# A few names lack one of the dots.
_NAME = re.compile(
    r"(?P<subject>[A-Z]{2})\.?(?P<code>AN|DI|FE|HA|NE|SA|SU)(?P<take>\d)?\.?(?P<number>\d+)?\.\w+", re.IGNORECASE
)

_FACTS = DatasetFacts(
    title="JAFFE",
    content="grey frontal faces of 256 x 256 pixels of ten women, who pose six expressions and a neutral face",
    access="on request from its authors",
    licence="See the agreement that comes with the dataset.",
    reference="Lyons et al., Coding Facial Expressions with Gabor Wavelets, FG 1998",
    label_codes="letters in the file's name: AN anger, DI disgust, FE fear, HA happiness, NE neutral, SA sadness, "
    "SU surprise",
    counts=(PublishedCounts("tiff files", totals={"": 213}, source="published size of the dataset"),),
    traps=(
        "Some names are irregular, as without the dot before the last number.",
        "There is no official split, and ten women pose all images: a split by image has every person in train and "
        "test.",
    ),
    biases=("Ten Japanese women, posed in a laboratory.",),
)


class Jaffe:
    """`KA.AN1.39.tiff` at whatever depth: person, expression, take and number. No official split.

    The subject is the first two letters. A missing dot, lower case and another suffix do not matter; images with any
    other name are left out and counted.
    """

    name = "jaffe"
    summary = f"{_EXAMPLE}: person KA, anger, take 1, number 39"
    Options = LayoutOptions
    facts = _FACTS

    def scan(self, root: Root, options: LayoutOptions) -> Scan:
        images, others = named_images(root, _NAME, _EXAMPLE)
        if not images:
            raise not_this_layout(root, self)
        rows = [
            Row(Sample(_id(path), path, canonical(match["code"]), "", subject=match["subject"].upper()))
            for path, match in images
        ]
        return assemble(rows + others, options)


def _id(path: str) -> str:
    return composed(path).rpartition("/")[2].rpartition(".")[0]
