"""What is known of MAFW."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.tables.labels import MAFW_CODE_MAPS

__all__ = ["CODES", "MAFW_FACTS", "MAFW_TOTALS"]

# Value of the option `codes` -> number -> label.
CODES = {name.removeprefix("mafw-"): codes for name, codes in MAFW_CODE_MAPS.items()}
_ORDER = " ".join(CODES["dfer-clip"].values())
_TRAIN = class_counts(_ORDER, 993, 1_176, 910, 1_112, 857, 511, 500, 188, 732, 209, 145)
_TEST = class_counts(_ORDER, 249, 294, 228, 278, 215, 128, 125, 48, 184, 53, 37)
MAFW_TOTALS = {label: _TRAIN[label] + _TEST[label] for label in _TRAIN}
_NUMBERS = "; ".join(
    f"{name}: {', '.join(f'{code} {label}' for code, label in codes.items())}" for name, codes in CODES.items()
)

MAFW_FACTS = DatasetFacts(
    title="MAFW",
    content="clips of films, series and short videos with eleven expressions, of which a part has several at once",
    access="on request to the authors (mafw-database.github.io), by a signed agreement",
    licence="For research by agreement with its authors: see the agreement that comes with the dataset.",
    reference="Liu et al., MAFW: A Large-scale, Multi-modal, Compound Affective Database for Dynamic Facial Expression "
    "Recognition in the Wild, ACM MM 2022",
    label_codes=f"names in the dataset's own lists; numbers in lists of public code, in two orders ({_NUMBERS}): the "
    "option `codes` states which",
    counts=(
        PublishedCounts(
            "single labels, fold 1",
            labels={"train": _TRAIN, "test": _TEST},
            options={"set": "single", "captions": False},
            source="lines of public lists of the five folds; all five test lists together have each of 9,172 clips "
            "once",
        ),
        PublishedCounts(
            "single labels with captions, fold 1",
            totals={"train": 6_423, "test": 1_611},
            options={"set": "single", "captions": True, "classes": "mafw"},
            source="a public description of the files, not counted here; neutral clips have no caption",
        ),
        PublishedCounts(
            "compound labels, fold 1",
            totals={"train": 7_178, "test": 1_818},
            options={"set": "compound", "captions": False, "classes": "mafw"},
            source="a public description of the files, not counted here",
        ),
    ),
    traps=(
        "DFER-CLIP's lists number the labels in another order than EmoCLIP and MAE-DFER do: read by the wrong one, "
        "most labels are wrong and no error occurs.",
        "Frames of the whole videos (data/clips) in place of the official faces (data/faces): a published method fell "
        "to a WAR of 21.",
        "Numbers of frames in public lists are not those on disk.",
        "The lists with captions lack the neutral clips, and are not UTF-8.",
        "There is no official validation split; several projects select on the test list.",
        "The compound set has 32 combinations of labels beside the eleven: here they are shares of the eleven.",
    ),
    biases=("Anxiety, helplessness, disappointment and contempt are rare; neutral clips have no description.",),
)
