"""Datasets whose faces lie in larger pictures: ExpW, AFE, CAER-S."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture


def expw() -> Tree:
    rows = [
        "afraid_african_214.jpg 0 0 1 5 4 22.9525 2",
        "afraid_african_214.jpg 1 1 0 6 6 51.25 3",
        "crowd.jpg 0 0 1 4 4 90 0",
        "crowd.jpg 0 0 1 4 4 90 0",  # occurs twice, equal
        "crowd.jpg 3 0 1 4 4 90 5",
        "crowd.jpg 3 0 1 4 4 90 6",  # the same face, and another expression
        "flat.jpg 0 2 2 2 5 80 6",
        "lost.jpg\t0\t0\t1\t4\t4\t80\t1",
    ]
    name = "data/label/label.lst"
    images = "data/image/origin/afraid_african_214.jpg data/image/origin/crowd.jpg data/image/origin/flat.JPG"
    return Tree(
        "expw",
        images_of(images) | {name: b"\xef\xbb\xbf" + lines(*rows, end="\r\n"), "data/readme.txt": b"x"},
        {
            "afraid_african_214.jpg#0": ("fear", ""),
            "afraid_african_214.jpg#1": ("happiness", ""),
            "crowd.jpg#0": ("anger", ""),
            "crowd.jpg#3": ("surprise", ""),
            "flat.jpg#0": ("neutral", ""),
            "lost.jpg#0": ("disgust", ""),
        },
        rows=8,
        rejected={
            "crowd.jpg#3": "conflicting rows",
            "flat.jpg#0": "box without area",
            "lost.jpg#0": "file is missing",
        },
        excluded={"repeated row": 2},
        bad_label=(name, lines(*rows, "a.jpg 0 0 1 4 4 90 7", "b.jpg 0 0 1 4 4 90 sadd"), ("code 7", "'sadd'")),
    )


def afe() -> Tree:
    train = ["film a/1.jpg 0 1 5 6 3", "film a/1.jpg 0 0 4 4 0", "film b/2.jpg 1 1 5 5 6"]
    test = ["film c/3.jpg,0,0,6,6,4", "film c/4.jpg,0,0,6,6,5"]
    name = "annos/TrainTest/Train.csv"
    images = {f"src/image/film {key}.jpg": picture(10 + i) for i, key in enumerate(("a/1", "b/2", "c/3"))}
    return Tree(
        "afe",
        images
        | {
            name: lines(*train),
            "annos/TrainTest/Test.csv": lines("path,left,top,right,bottom,emotion", *test, end="\r\n"),
        },
        {
            "film a/1.jpg@0,1,5,5": ("happiness", ""),
            "film a/1.jpg@0,0,4,4": ("anger", ""),
            "film b/2.jpg@1,1,4,4": ("surprise", ""),
            "film c/3.jpg@0,0,6,6": ("neutral", "test"),
            "film c/4.jpg@0,0,6,6": ("sadness", "test"),
        },
        rows=5,
        rejected={"film c/4.jpg@0,0,6,6": "file is missing"},
        bad_label=(name, lines(*train, "film b/2.jpg 1 1 5 5 7"), ("1 x", "code 7")),
    )


_SCENES = "train/Anger/0001.png train/Happy/0001.png train/Happy/0002.png test/Anger/0001.png test/Sad/0002.png"


def caer_s() -> Tree:
    return Tree(
        "caer-s",
        {f"CAER-S/{name}": data for name, data in images_of(_SCENES).items()},
        {
            "train/Anger/0001.png": ("anger", ""),
            "train/Happy/0001.png": ("happiness", ""),
            "train/Happy/0002.png": ("happiness", ""),
            "test/Anger/0001.png": ("anger", "test"),
            "test/Sad/0002.png": ("sadness", "test"),
        },
        rows=5,
        release="whole scenes",
        bad_label=("CAER-S/train/Angr/1.png", picture(9), ("1 x", "'Angr'", "'anger'")),
        by_names=True,
    )


def caer_s_faces() -> Tree:
    train = ["train/Anger/0001.png,0,1,0,5,4", "train/Happy/0001.png,3,0.0,0.2,4.0,4.1", "train/Happy/9.png,3,0,0,4,4"]
    test = ["test/Anger/0001.png,0,0,0,6,6"]
    return Tree(
        "caer-s",
        {f"CAER-S/{name}": data for name, data in images_of(_SCENES).items()}
        | {"CAER-S/train.txt": lines(*train, end="\r\n"), "CAER-S/test.txt": lines(*test)},
        {
            "train/Anger/0001.png": ("anger", ""),
            "train/Happy/0001.png": ("happiness", ""),
            "train/Happy/9.png": ("happiness", ""),
            "test/Anger/0001.png": ("anger", "test"),
        },
        rows=6,
        release="faces of a list",
        rejected={"train/Happy/9.png": "file is missing"},
        excluded={"no face in the list": 2},
        options={"faces": "list"},
        by_names=True,
    )


TREES = named(expw, afe, caer_s, caer_s_faces)
