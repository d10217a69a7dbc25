"""RAF-DB in its forms."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture

_RAF = {
    "train_00001": ("sadness", ""),
    "train_00002": ("surprise", ""),
    "train_00003": ("neutral", ""),
    "test_0001": ("happiness", "test"),
    "test_0002": ("fear", "test"),
}
_RAF_LINES = ("train_00001.jpg 5", "train_00002.jpg 1", "train_00002.jpg 1", "train_00003.jpg 7", "test_0001.jpg 4")
_RAF_BAD = (*_RAF_LINES, "train_00004.jpg 9", "train_00005.jpg 0")


def raf_official() -> Tree:
    stems = "train_00001 train_00002 test_0001 test_0002"
    images = images_of(" ".join(f"Image/aligned/{stem}_aligned.jpg" for stem in stems.split()))
    originals = images_of(" ".join(f"Image/original/{stem}.jpg" for stem in stems.split()), first=50)
    name = "EmoLabel/list_patition_label.txt"
    files = images | originals | {name: lines(*_RAF_LINES, "test_0002.jpg 2")}
    files |= {"Annotation/boundingbox/train_00001_boundingbox.txt": b"1 2 3 4"}
    compound = {
        f"compound/{name}": b"train_0001.jpg 11\n",
        "compound/Image/aligned/train_0001_aligned.jpg": picture(99),
    }
    return Tree(
        "raf-db",
        {f"basic/{path}": data for path, data in files.items()} | compound,
        _RAF,
        rows=6,
        release="official",
        rejected={"train_00003": "file is missing"},
        excluded={"repeated row": 1},
        bad_label=(f"basic/{name}", lines(*_RAF_BAD), ("2 unknown labels", "1 x", "code 9", "code 0")),
    )


def raf_flat() -> Tree:
    images = "aligned/train_00001_aligned.JPG aligned/train_00002_aligned.jpg aligned/train_00003_aligned.jpg"
    images += " aligned/test_0001_aligned.jpg aligned/test_0002_aligned.jpg"
    name = "annotation/list_patition_label.txt"
    return Tree(
        "raf-db",
        images_of(images) | {name: lines(*_RAF_LINES, "test_0002.jpg 2", end="\r\n")},
        _RAF,
        rows=6,
        release="aligned and annotation",
        excluded={"repeated row": 1},
        bad_label=(name, lines(*_RAF_BAD, end="\r\n"), ("code 9", "code 0")),
    )


def raf_folders() -> Tree:
    images = "DATASET/train/5/train_00001_aligned.jpg DATASET/train/1/train_00002_aligned.jpg"
    images += " DATASET/test/7/test_0001_aligned.jpg DATASET/preview.png"
    return Tree(
        "raf-db",
        images_of(images) | {"train_labels.csv": b"image,label\ntrain_00001_aligned.jpg,5\n"},
        {
            "train/5/train_00001_aligned.jpg": ("sadness", ""),
            "train/1/train_00002_aligned.jpg": ("surprise", ""),
            "test/7/test_0001_aligned.jpg": ("neutral", "test"),
        },
        rows=4,
        release="class folders",
        excluded={"outside the class folders (DATASET/)": 1},
        bad_label=("DATASET/train/8/a.jpg", picture(9), ("code 8",)),
        by_names=True,
    )


TREES = named(raf_official, raf_flat, raf_folders)
