"""RAF-DB's basic set in the forms of copies: other pictures, other lists, noisy labels."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture

_SAMPLES = {
    "train_00001": ("sadness", ""),
    "train_00002": ("surprise", ""),
    "test_0001": ("happiness", "test"),
}
_LIST = ("train_00001.jpg 5", "train_00002.jpg 1", "test_0001.jpg 4")
_STEMS = ("train_00001", "train_00002", "test_0001")


def raf_originals() -> Tree:
    """Boxes are left, top, right, bottom; one picture has none. Pictures are 20 x 20 pixels."""
    boxes = {"train_00001": b"1 2 13 14\r\n", "test_0001": b"0.0 0.0 19.0 20.0 "}
    files = {f"Image/original/{stem}.jpg": picture(50 + i, 20) for i, stem in enumerate(_STEMS)}
    files |= {f"Image/aligned/{stem}_aligned.jpg": picture(i) for i, stem in enumerate(_STEMS)}
    files |= {f"Annotation/boundingbox/{stem}_boundingbox.txt": box for stem, box in boxes.items()}
    return Tree(
        "raf-db",
        {f"basic/{name}": data for name, data in files.items()}
        | {"basic/EmoLabel/list_patition_label.txt": lines(*_LIST)},
        _SAMPLES,
        rows=3,
        release="official, original images",
        rejected={"train_00002": "no face box"},
        options={"images": "original"},
    )


def raf_two_lists() -> Tree:
    """EmoLabel/train.txt and test.txt, with pictures that were aligned again."""
    images = images_of(" ".join(f"basic/Image/aligned_224/{stem}_aligned.jpg" for stem in _STEMS))
    train = "basic/EmoLabel/train.txt"
    return Tree(
        "raf-db",
        images | {train: lines(*_LIST[:2]), "basic/EmoLabel/test.txt": lines(*_LIST[2:], end="\r\n")},
        _SAMPLES,
        rows=3,
        release="train.txt and test.txt, aligned_224 images",
        options={"images": "aligned_224"},
        bad_label=(train, lines("train_00001.jpg 0", "train_00002.jpg 8"), ("code 0", "code 8")),
    )


def raf_numbered() -> Tree:
    """images.txt, image_class_labels.txt and train_test_split.txt, numbered as in CUB-200."""
    images = images_of(" ".join(f"images/{stem}_aligned.jpg" for stem in _STEMS))
    lists = {
        "images.txt": lines(*(f"{i} {stem}_aligned.jpg" for i, stem in enumerate(_STEMS, start=1))),
        "image_class_labels.txt": lines("1 5", "2 1", "3 4"),
        "train_test_split.txt": lines("1 1", "2 1", "3 0"),
    }
    return Tree(
        "raf-db",
        images | lists,
        _SAMPLES,
        rows=3,
        release="images.txt, numbered as in CUB-200",
        bad_label=("image_class_labels.txt", lines("1 5", "2 0", "3 4"), ("code 0",)),
    )


def raf_noisy_labels() -> Tree:
    """noise01.txt has other labels, of train lines only; one train image is not in it."""
    images = images_of(" ".join(f"basic/Image/aligned/{stem}_aligned.jpg" for stem in (*_STEMS, "train_00003")))
    clean = "basic/EmoLabel/list_patition_label.txt"
    noisy = "basic/EmoLabel/noise01.txt"
    return Tree(
        "raf-db",
        images | {clean: lines(*_LIST, "train_00003.jpg 7"), noisy: lines("train_00001.jpg 6", "train_00002.jpg 1")},
        _SAMPLES | {"train_00001": ("anger", "")},
        rows=4,
        release="official, train labels of noise01.txt",
        excluded={"not in noise01.txt": 1},
        options={"labels": "noise01.txt"},
        bad_label=(noisy, lines("train_00001.jpg 6", "train_00002.jpg 9"), ("code 9",)),
    )


def raf_folders_with_lists() -> Tree:
    """DATASET/train/1..7 with train_labels.csv: one image is missing, one is in the folder of another label."""
    images = "DATASET/train/5/train_00001_aligned.jpg DATASET/train/1/train_00002_aligned.jpg"
    images += " DATASET/test/4/test_0001_aligned.jpg"
    listed = ("train_00001_aligned.jpg,5", "train_00002_aligned.jpg,2", "train_00003_aligned.jpg,7")
    return Tree(
        "raf-db",
        images_of(images)
        | {
            "train_labels.csv": lines("image,label", *listed),
            "test_labels.csv": lines("image,label", "test_0001_aligned.jpg,4"),
        },
        {
            "train/5/train_00001_aligned.jpg": ("sadness", ""),
            "train/1/train_00002_aligned.jpg": ("surprise", ""),
            "train/7/train_00003_aligned.jpg": ("neutral", ""),
            "test/4/test_0001_aligned.jpg": ("happiness", "test"),
        },
        rows=4,
        release="class folders",
        rejected={
            "train/1/train_00002_aligned.jpg": "conflicting rows",
            "train/7/train_00003_aligned.jpg": "file is missing",
        },
        bad_label=("train_labels.csv", lines("image,label", "train_00001_aligned.jpg,0"), ("code 0",)),
        by_names=True,  # of splits without any folder
    )


TREES = named(raf_originals, raf_two_lists, raf_numbered, raf_noisy_labels, raf_folders_with_lists)
