"""`mma`: MMAFEDB, class folders in train/, valid/ and test/."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.class_folders import CodedOptions, class_rows, other_files
from pipeline.datasets.reading.rows import assemble
from pipeline.datasets.roots.files import Root
from pipeline.errors import DatasetError
from pipeline.tables.sample import SPLITS

__all__ = ["Mma"]

_CLASSES = "anger disgust fear happiness neutral sadness surprise"
_FACTS = DatasetFacts(
    title="MMA (MMAFEDB)",
    content="127,680 faces of 48 x 48 pixels with one of seven expressions: FER2013 and ExpW in other folders",
    access="Kaggle, mahmoudima/mma-facial-expression",
    licence="None is known; see what its source states of FER2013 and ExpW.",
    reference="the Kaggle dataset mma-facial-expression; there is no paper",
    label_codes="folders of names: angry, disgust, fear, happy, neutral, sad, surprise",
    counts=(
        PublishedCounts(
            "MMAFEDB",
            {
                "train": class_counts(_CLASSES, 6566, 3231, 4859, 28592, 29384, 12223, 8113),
                "val": class_counts(_CLASSES, 1017, 656, 659, 5475, 5839, 2236, 1474),
                "test": class_counts(_CLASSES, 1041, 655, 691, 5459, 5858, 2177, 1475),
            },
            source="counted by public readers: 92,968, 17,356 and 17,356 images",
        ),
    ),
    traps=(
        "It is FER2013 and ExpW packed again: 35,887 files with three channels, as many per split as FER2013 has "
        "(28,709, 3,589, 3,589), and 91,793 with one, as many as ExpW has faces.",
        "FERPlus or FER2013 to MMA, and MMA to them, are no tests on an unseen domain: the pictures are the same. "
        "Audit the datasets for duplicates before comparing them.",
    ),
    biases=("Classes are skewed: 31.6 % of train are neutral, 30.8 % happiness, 3.5 % disgust.",),
)


class Mma:
    """`MMAFEDB/{train,valid,test}/<expression>/*.jpg`; all three splits are official, and a missing one is refused."""

    name = "mma"
    summary = "train/, valid/ and test/ with class folders angry, disgust, fear, happy, neutral, sad, surprise"
    Options = CodedOptions
    facts = _FACTS

    def scan(self, root: Root, options: CodedOptions) -> Scan:
        rows = class_rows(root, options.code_map, has_codes=True)
        if not rows:
            raise not_this_layout(root, self)
        present = {row.sample.split for row in rows if not row.excluded}
        if missing := [split for split in SPLITS if split not in present]:
            raise DatasetError(
                f"{root.path}: expected train/, valid/ and test/, found no images of {', '.join(missing)}: a part of "
                "the dataset. Unpack the rest below the root, or read this part by the layout folder"
            )
        return assemble(rows, options, "MMAFEDB", unread_files=other_files(root))
