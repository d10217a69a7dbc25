"""`ferbench`: the test lists of FERBench."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.layouts.path_lists import PathLists

__all__ = ["FerBench"]

_CLASSES = "surprise fear disgust happiness sadness anger neutral contempt"
_RAF_DB = class_counts(_CLASSES, 329, 74, 160, 1185, 478, 162, 680, 0)
_FERPLUS = class_counts(_CLASSES, 450, 21, 98, 929, 449, 322, 1274, 30)
_SFEW = class_counts(_CLASSES, 56, 46, 23, 72, 73, 77, 84, 0)
_AFFECTNET = dict.fromkeys(_CLASSES.split(), 500)
_SOURCE = "published with the lists"


def _test(release: str, counts: dict[str, int]) -> PublishedCounts:
    return PublishedCounts(release, {"test": counts}, source=_SOURCE)


_FACTS = DatasetFacts(
    title="FERBench lists",
    content="lists of the test images of RAF-DB, FERPlus, AffectNet and SFEW 2.0, 11,072 together; the pictures are "
    "those of the four datasets",
    access="the lists: from their authors; the pictures: as those of each dataset",
    licence="See the agreements that come with the four datasets.",
    reference="the lists of FERBench",
    label_codes="the source's own order, which is not documented here: set the option codes, and compare the counts",
    counts=(
        _test("test list of RAF-DB", _RAF_DB),
        _test("test list of FERPlus", _FERPLUS),
        _test("test list of AffectNet, eight classes", _AFFECTNET),
        _test("validation list of SFEW 2.0", _SFEW),
        _test(
            "all four lists",
            {name: _RAF_DB[name] + _FERPLUS[name] + _AFFECTNET[name] + _SFEW[name] for name in _AFFECTNET},
        ),
    ),
    traps=(
        "Only the counts of these lists are documented. What is read are lines `path label`; anything else is refused.",
        "The 3,573 rows of FERPlus (21 of fear, 98 of disgust) are not those of a rule of FER+.",
        "The 431 images of SFEW 2.0 are its validation set.",
    ),
    biases=("The four parts have different classes: contempt is in FERPlus and AffectNet alone.",),
)


class FerBench(PathLists):
    """Lists `path label` of test images, as layout `list` reads them; how FERBench writes its own is not documented.

    Name one list by `lists`, as `{test: ferplus_test.txt}`, and the order of its numbers by `codes`; `index` states
    then whether the counts are those of FERBench.
    """

    name = "ferbench"
    summary = "test.txt with lines `path label`, or lists named by the option `lists`"
    facts = _FACTS
