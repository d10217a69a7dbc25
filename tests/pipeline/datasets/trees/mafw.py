"""MAFW: its own lists with names, those of public code with numbers, and the compound set."""

from __future__ import annotations

from trees.acted_clips import frames_of
from trees.tree import Tree, lines, named

_LISTS = "Train & Test Set"
_BAD = f"{_LISTS}/single/no_caption/set_1/train.txt"


def mafw_single() -> Tree:
    """Two folds; a clip has two labels, one has no frames, one is in no list, and other frames are there too."""
    single = f"{_LISTS}/single/no_caption"
    return Tree(
        "mafw",
        frames_of("data/faces/00001 data/faces/00002 data/faces/00003 data/faces/00005 data/faces/00077")
        | frames_of(" ".join(f"data/frames/{i:05d}" for i in (1, 2, 3, 4, 5)), n_frames=1, first=100)
        | {"data/faces/00004/readme.txt": b"x"}
        | {
            _BAD: lines("00001.mp4 anger", "00002.mp4 neutral", "00004.mp4 fear", end="\r\n"),
            f"{single}/set_1/test.txt": lines("00003.mp4 anxiety", "00005.mp4 happiness"),
            f"{single}/set_2/train.txt": lines("00003.mp4 anxiety", "00005.mp4 sadness", "00004.mp4 fear"),
            f"{single}/set_2/test.txt": lines("1.mp4 anger", "00002.mp4 neutral"),
            f"{_LISTS}/single/with_caption/set_1/train.txt": "00001.mp4\tanger\t\u4e00\tx\n".encode("gb18030"),
            f"{_LISTS}/compound/no_caption/set_1/train.txt": lines("00001.mp4 anger_disgust"),
        },
        {
            "00001": ("anger", "train"),
            "00002": ("neutral", "train"),
            "00003": ("anxiety", "test"),
            "00004": ("fear", "train"),
            "00005": ("happiness", "test"),
        },
        rows=5,
        release="single set, Train & Test Set, faces",
        rejected={"00004": "clip has no frames", "00005": "conflicting rows"},
        bad_label=(_BAD, lines("00001.mp4 angger", "00002.mp4 neutral"), ("1 x", "'angger'", "'anger'")),
    )


def mafw_compound() -> Tree:
    compound = f"{_LISTS}/compound/no_caption_new"
    return Tree(
        "mafw",
        frames_of("frames/00001 frames/00002 frames/00003 frames/00004")
        | {
            f"{compound}/set_1/train.txt": lines("00001.mp4\tanger_disgust", "00002.mp4\tanxiety_helplessness"),
            f"{compound}/set_1/test.txt": lines("00003.mp4 anxiety_fear", "00004.mp4 happiness"),
        },
        {"00001": ("anger", "train"), "00003": ("fear", "test"), "00004": ("happiness", "test")},
        rows=4,
        release="compound set, Train & Test Set, frames",
        excluded={"no label is a class of the table": 1},
        options={"set": "compound", "classes": 7},
    )


def mafw_numbers() -> Tree:
    return Tree(
        "mafw",
        frames_of("MAFW/data/faces/00001 MAFW/data/faces/00002")
        | {
            "annotation/MAFW_set_1_train.txt": lines("/data/x/MAFW/data/faces/00001 30 3"),
            "annotation/MAFW_set_1_test.txt": lines("/data/x/MAFW/data/faces/00002 2 7", "/data/x/faces/00003 2 0"),
        },
        {"00001": ("anger", "train"), "00002": ("contempt", "test"), "00003": ("happiness", "test")},
        rows=3,
        release="single set, MAFW_set_K lists, faces",
        rejected={"00003": "clip is missing"},
        options={"codes": "dfer-clip"},
        with_contempt="00002",
    )


TREES = named(mafw_single, mafw_compound, mafw_numbers)
