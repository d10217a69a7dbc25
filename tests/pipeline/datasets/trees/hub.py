"""Copies on the Hugging Face hub, saved datasets, and WebDataset shards."""

from __future__ import annotations

import json

from shards import CSV_ORDER, IMAGE, arrow, class_label, image_column, parquet, rows_table, tar

from trees.tree import Tree, images_of, named, picture

_NAMES = [*CSV_ORDER, "Contempt"]
_FEATURES = {"image": IMAGE, "label": class_label(_NAMES)}


def hf_parquet() -> Tree:
    first = rows_table(
        {
            "image": image_column([picture(1), picture(2), picture(3)], ["a.jpg", "b.jpg", "c.jpg"]),
            "label": [3, 0, None],
        },
        _FEATURES,
    )
    second = rows_table(
        {
            "image": image_column([picture(4), None, picture(5), picture(6)], ["d.jpg", "e.jpg", "f.jpg", "g.jpg"]),
            "label": [6, 2, 7, -1],
        },
        _FEATURES,
    )
    test = rows_table({"image": image_column([picture(7), None, b""]), "label": [5, 1, 4]}, _FEATURES)
    bad = rows_table({"image": image_column([picture(9)] * 3), "label": ["hapy", "hapy", "sad"]})
    return Tree(
        "hf",
        {
            "data/train-00000-of-00002-1a2b3c4d5e6f.parquet": parquet(first),
            "data/train-00001-of-00002-6f5e4d3c2b1a.parquet": parquet(second, row_group_size=2),
            "data/test-00000-of-00001-aabbccddeeff.parquet": parquet(test),
            "README.md": b"---\nlicense: unknown\n---\n",
            "faces.py": b"raise SystemExit('a script was run')\n",
        },
        {
            "train/a.jpg": ("happiness", "train"),
            "train/b.jpg": ("anger", "train"),
            "train/d.jpg": ("neutral", "train"),
            "train/e.jpg": ("fear", "train"),
            "test/0000000": ("surprise", "test"),
            "test/0000001": ("disgust", "test"),
            "test/0000002": ("sadness", "test"),
        },
        rows=10,
        rejected={
            "train/e.jpg": "file is missing",
            "test/0000001": "row has no image",
            "test/0000002": "file is empty",
        },
        excluded={"contempt": 1, "no label": 2},
        with_contempt="train/f.jpg",
        bad_label=("data/validation-00000-of-00001.parquet", parquet(bad), ("1 unknown labels", "2 x", "'hapy'")),
        by_names=True,
    )


def _saved(folder: str, shards: dict[str, bytes]) -> dict[str, bytes]:
    """A folder as `save_to_disk` writes it."""
    state = {"_data_files": [{"filename": name} for name in shards], "_format_type": None, "_split": "train"}
    info = {"description": "", "features": _FEATURES, "license": ""}
    described = {"state.json": json.dumps(state).encode(), "dataset_info.json": json.dumps(info).encode()}
    return {folder + name: data for name, data in {**shards, **described}.items()}


def hf_saved() -> Tree:
    one = rows_table({"image": image_column([picture(1), picture(2)], ["a.png", "b.png"]), "label": [0, 7]})
    two = rows_table({"image": image_column([picture(3)], ["c.png"]), "label": [4]}, _FEATURES)
    test = rows_table({"image": image_column([picture(4)], ["a.png"]), "label": [6]}, _FEATURES)
    train = {"data-00000-of-00002.arrow": arrow(one), "data-00001-of-00002.arrow": arrow(two)}
    return Tree(
        "hf",
        {
            **_saved("train/", train),
            **_saved("test/", {"data-00000-of-00001.arrow": arrow(test)}),
            "dataset_dict.json": b'{"splits": ["train", "test"]}',
            "train/cache-0123456789abcdef.arrow": arrow(one),
        },
        {
            "train/a.png": ("anger", "train"),
            "train/c.png": ("sadness", "train"),
            "test/a.png": ("neutral", "test"),
        },
        rows=4,
        excluded={"contempt": 1},
        with_contempt="train/b.png",
        by_names=True,
    )


def hf_codes() -> Tree:
    data = [picture(1), picture(2), picture(3)]
    table = rows_table({"img_bytes": data, "labels": [1, 5, 7], "person": ["x", "y", "x"]})
    unknown = rows_table({"img_bytes": data, "labels": [1, 9, 9], "person": ["x", "y", "x"]})
    return Tree(
        "hf",
        {"train.parquet": parquet(table)},
        {
            "train/0000000": ("surprise", ""),
            "train/0000001": ("sadness", ""),
            "train/0000002": ("neutral", ""),
        },
        rows=3,
        options={"codes": "raf-db", "subject": "person"},
        bad_label=("train.parquet", parquet(unknown), ("2 x", "code 9")),
        by_names=True,
    )


def hf_paths() -> Tree:
    paths = ["imgs/a.jpg", r"imgs\B.JPG", "./imgs/lost.jpg"]
    table = rows_table({"image": image_column([None] * 3, paths), "label": ["happy", "Sad", "fear"]})
    return Tree(
        "hf",
        {"default/train/0000.parquet": parquet(table), **images_of("imgs/a.jpg imgs/b.jpg imgs/other.jpg")},
        {
            "train/a.jpg": ("happiness", ""),
            "train/B.JPG": ("sadness", ""),
            "train/lost.jpg": ("fear", ""),
        },
        rows=3,
        rejected={"train/lost.jpg": "file is missing"},
    )


def webdataset_named() -> Tree:
    train = {"0000.jpg": picture(1), "0000.cls": b"3\n", "0001.cls": b"0", "0001.jpg": picture(2)}
    more = {"0000.png": picture(3), "0000.cls": b"6", "0001.cls": b"5", "0002.webp": picture(4), "0003.JPG": picture(5)}
    more |= {"0003.cls": b"x\xff"}
    test = {"0000.jpg": picture(6), "0000.cls": b"7", "0001.jpg": b"", "0001.cls": b" 2 ", "0001.npy": b"x"}
    names = b"angry\r\ndisgusted\r\nfearful\r\nhappy\r\nneutral\r\nsad\r\nsurprised\r\ncontempt\r\n"
    return Tree(
        "webdataset",
        {"train/0.tar": tar(train), "train/1.tar": tar(more), "test/0.tar": tar(test), "classnames.txt": names},
        {
            "train/0/0000": ("happiness", "train"),
            "train/0/0001": ("anger", "train"),
            "train/1/0000": ("surprise", "train"),
            "test/0001": ("fear", "test"),
        },
        rows=8,
        rejected={"test/0001": "file is empty"},
        excluded={"no label": 1, "no image": 1, "label cannot be read": 1, "contempt": 1},
        with_contempt="test/0000",
        bad_label=(
            "classnames.txt",
            names.replace(b"angry", b"angri"),
            ("1 x", "'angri'"),
        ),
        by_names=True,
    )


def webdataset_codes() -> Tree:
    members = {"a/1.jpg": picture(1), "a/1.json": b'{"label": 1}', "a/2.jpg": picture(2), "a/2.json": b'{"label": 7}'}
    return Tree(
        "webdataset",
        {"faces-train-000000.tar": tar(members), "faces-val-000000.tar": tar({"3.jpg": picture(3), "3.txt": b"4"})},
        {"train/a/1": ("surprise", ""), "train/a/2": ("neutral", ""), "val/3": ("happiness", "val")},
        rows=3,
        options={"codes": "raf-db"},
        bad_label=("faces-val-000000.tar", tar({"3.jpg": picture(3), "3.txt": b"9"}), ("1 x", "code 9")),
        by_names=True,
    )


TREES = named(hf_parquet, hf_saved, hf_codes, hf_paths, webdataset_named, webdataset_codes)
