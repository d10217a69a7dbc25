"""What is known about the basic set of RAF-DB."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.tables.labels import CODE_MAPS

__all__ = ["RAF_DB", "TRAIN_COUNTS"]

_LABELS = tuple(CODE_MAPS["raf-db"].values())  # codes 1 to 7
TRAIN_COUNTS = dict(zip(_LABELS, (1290, 281, 717, 4772, 1982, 705, 2524), strict=True))
_TEST_COUNTS = dict(zip(_LABELS, (329, 74, 160, 1185, 478, 162, 680), strict=True))

RAF_DB = DatasetFacts(
    title="RAF-DB (basic)",
    content="15,339 faces from the web with one of seven basic expressions, each labelled by about forty annotators",
    access="on request to the authors, by an agreement signed at a university or institute",
    licence="For research by agreement with its authors: see the agreement that comes with the dataset.",
    reference="Li et al., Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in "
    "the Wild, CVPR 2017",
    label_codes="1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral: they count from 1",
    counts=(
        PublishedCounts(
            "basic set",
            labels={"train": TRAIN_COUNTS, "test": _TEST_COUNTS},
            options={"labels": ""},
            source="counted in list_patition_label.txt",
        ),
    ),
    traps=(
        "Codes count from 1; many programs subtract 1 and call the result the RAF order.",
        "The list is named list_patition_label.txt, without the second r.",
        "The list names train_00001.jpg, the aligned file is train_00001_aligned.jpg; ids of train have five digits, "
        "those of test four.",
        "One copy of the list has CRLF line ends.",
        "There is no official validation split: results that were selected on the test split are not comparable.",
        "A whole RAF-DB has basic/ and compound/ side by side, with files of the same names.",
        "Noisy lists (noise01.txt) hold train lines only: the test labels are those of the clean list.",
        "Copies in circulation differ: pictures aligned again (aligned_224), other sizes, augmented test images in the "
        "train split, or the official split gone.",
        "How Annotation/boundingbox writes its four numbers is not known here: this reader expects left, top, "
        "right, bottom and refuses numbers that cannot be these.",
        "The code orders of copies with EmoLabel/train.txt or images.txt are not known here: 1 to 7 are read "
        "as the official codes, and a complete train list whose classes have each other's numbers is refused.",
    ),
    biases=("Classes are imbalanced: 4,772 of 12,271 train images are happiness, 281 fear.",),
)
