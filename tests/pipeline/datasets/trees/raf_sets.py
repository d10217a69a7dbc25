"""The other sets of the RAF family: compound labels and distributions."""

from __future__ import annotations

from pipeline.tables.labels import CLASS_SETS
from trees.tree import Tree, images_of, lines, named, picture

_LIST = "EmoLabel/list_patition_label.txt"


def raf_compound() -> Tree:
    """basic/ and compound/ side by side, with files of the same names; the list has CRLF line ends."""
    images = images_of(" ".join(f"compound/Image/aligned/{stem}_aligned.jpg" for stem in ("train_0001", "test_0001")))
    basic = {f"basic/{_LIST}": lines("train_00001.jpg 1"), "basic/Image/aligned/train_00001_aligned.jpg": picture(90)}
    rows = ("train_0001.jpg 11", "train_0002.jpg 1", "test_0001.jpg 7", "test_0001.jpg 7")
    return Tree(
        "raf-db-compound",
        images | basic | {f"compound/{_LIST}": lines(*rows, end="\r\n")},
        {
            "train_0001": ("disgustedly surprised", ""),
            "train_0002": ("happily surprised", ""),
            "test_0001": ("fearfully angry", "test"),
        },
        rows=4,
        release="compound",
        rejected={"train_0002": "file is missing"},
        excluded={"repeated row": 1},
        bad_label=(f"compound/{_LIST}", lines("train_0001.jpg 0", "test_0001.jpg 12"), ("code 0", "code 12")),
    )


def raf_distributions() -> Tree:
    images = " ".join(f"Image/aligned/{stem}_aligned.jpg" for stem in ("train_0001", "train_0002", "test_0001"))
    shares = ("train_0001.jpg 0.1 0 0 0.7 0.2 0", "train_0002.jpg 0 0.5 0.5 0 0 0", "test_0001.jpg 0 0 0 0 0 1")
    return Tree(
        "raf-ml",
        images_of(images)
        | {
            "EmoLabel/distribution.txt": lines(*shares, "train_0003.jpg 1 0 0 0 0 0"),
            "EmoLabel/partition_label.txt": lines(
                "train_0001.jpg 0", "train_0002.jpg 0", "test_0001.jpg 1", "train_0004.jpg 0"
            ),
        },
        {
            "train_0001": ("happiness", ""),
            "train_0002": ("fear", ""),
            "test_0001": ("anger", "test"),
        },
        rows=5,
        release="distributions",
        excluded={"no partition": 1, "no distribution": 1},
        options={"columns": "surprise, fear,disgust happy,sadness,anger"},
    )


def raf_fourteen() -> Tree:
    """Codes count from 0; partition 1 is test and 2 val."""
    codes = dict(enumerate(CLASS_SETS["raf-ce"]))
    return Tree(
        "raf-ce",
        images_of("aligned/0001_aligned.jpg aligned/0002_aligned.jpg aligned/0003_aligned.jpg")
        | {
            "RAF_label.txt": lines("0001.jpg 0", "0002.jpg 13", "0003.jpg 5", "0004.jpg 5"),
            "RAF_partition.txt": lines("0001.jpg 0", "0002.jpg 1", "0003.jpg 2"),
        },
        {
            "0001": ("happily surprised", "train"),
            "0002": ("happily sad", "test"),
            "0003": ("sadly disgusted", "val"),
        },
        rows=4,
        release="labels and partition",
        excluded={"no partition": 1},
        options={"codes": codes, "labels": "RAF_label.txt", "partition": "RAF_partition.txt"},
        bad_label=("RAF_label.txt", lines("0001.jpg 14"), ("code 14",)),
    )


TREES = named(raf_compound, raf_distributions, raf_fourteen)
