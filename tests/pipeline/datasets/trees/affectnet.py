"""AffectNet in its releases."""

from __future__ import annotations

import io

import numpy as np

from trees.tree import Tree, images_of, lines, named, picture


def affectnet_lists() -> Tree:
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    train = [
        "1/aa.jpg,134,134,899,899,181.64;530.91;188.32,1,0.78,-0.04",
        "1/bb.JPG,2,3,20,20,1;2,7,0,0",
        "2/cc.png,2,3,20,20,1;2,8,-2,-2",
        "2/dd.jpg,2,3,20,20,1;2,9,-2,-2",
        "2/ee.jpg,2,3,20,20,1;2,10,-2,-2",
        "2/ff.jpg,-1,-1,-1,-1,1;2,0,0,0",
        "1001/gg.tif,5,5,20,20,1;2,6,0,0",
    ]
    validation = ["3/hh.bmp,0,0,10,10,1;2,4,0,0", "3/lost.jpg,0,0,10,10,1;2,5,0,0"]
    images = "1/aa.jpg 1/bb.jpg 2/cc.png 2/dd.jpg 2/ee.jpg 2/ff.jpg 1001/gg.tif 3/hh.bmp"
    manual = {f"Manually_Annotated_Images/{name}": data for name, data in images_of(images).items()}
    lists = "Manually_Annotated_file_lists"
    return Tree(
        "affectnet",
        manual
        | {
            f"{lists}/training.csv": lines(header, *train),
            f"{lists}/validation.csv": lines(header, *validation, end="\r\n"),
            "Automatically_Annotated_Images/1/aa.jpg": picture(200),
            "Automatically_annotated.csv": lines(header, "1/aa.jpg,1,1,1,1,1,0,0,0"),
        },
        {
            "1/aa.jpg": ("happiness", ""),
            "1001/gg.tif": ("anger", ""),
            "3/hh.bmp": ("fear", "test"),
            "3/lost.jpg": ("disgust", "test"),
        },
        rows=9,
        release="manual lists (2017)",
        rejected={"3/lost.jpg": "file is missing"},
        excluded={"contempt": 1, "none": 1, "uncertain": 1, "no face": 1, "no face box": 1},
        with_contempt="1/bb.JPG",
        bad_label=(
            f"{lists}/training.csv",
            lines(header, "1/aa.jpg,1,1,9,9,1,11,0,0", "1/bb.jpg,1,1,9,9,1,sadd,0,0"),
            ("1 x", "code 11", "'sadd'", "'sadness'"),
        ),
    )


def _npy(value: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(value))
    return out.getvalue()


def affectnet_npy() -> Tree:
    images = "train_set/images/10.jpg train_set/images/11.jpg train_set/images/12.jpg train_set/images/99.jpg"
    images += " val_set/images/10.jpg"
    labels: dict[str, object] = {
        "train_set/annotations/10_exp.npy": "3",
        "train_set/annotations/11_exp.npy": 0,
        "train_set/annotations/12_exp.npy": np.float64(7),
        "train_set/annotations/13_exp.npy": "1",
        "val_set/annotations/10_exp.npy": np.array("5"),
        "val_set/annotations/10_val.npy": "0.5",
        "val_set/annotations/10_lnd.npy": np.zeros(136),
    }
    return Tree(
        "affectnet",
        images_of(images) | {name: _npy(value) for name, value in labels.items()},
        {
            "train_set/10": ("surprise", ""),
            "train_set/11": ("neutral", ""),
            "train_set/13": ("happiness", ""),
            "val_set/10": ("disgust", "test"),
        },
        rows=6,
        release="cropped, npy labels (2021)",
        rejected={"train_set/13": "file is missing"},
        excluded={"contempt": 1, "no annotation": 1},
        with_contempt="train_set/12",
        bad_label=("train_set/annotations/10_exp.npy", _npy("8"), ("1 x", "code 8")),
    )


def affectnet_folders() -> Tree:
    images = "train/0/a.jpg train/1/b.png train/7/c.jpg val/2/d.jpg"
    return Tree(
        "affectnet",
        images_of(images),
        {
            "train/0/a.jpg": ("neutral", ""),
            "train/1/b.png": ("happiness", ""),
            "val/2/d.jpg": ("sadness", "test"),
        },
        rows=4,
        release="class folders",
        excluded={"contempt": 1},
        with_contempt="train/7/c.jpg",
        bad_label=("train/8/e.jpg", picture(8), ("code 8",)),
        by_names=True,
    )


def affectnet_alphabetical() -> Tree:
    return Tree(
        "affectnet",
        images_of("train/0/a.jpg train/4/b.jpg test/7/c.jpg"),
        {
            "train/0/a.jpg": ("anger", ""),
            "train/4/b.jpg": ("happiness", ""),
            "test/7/c.jpg": ("surprise", "test"),
        },
        rows=3,
        release="class folders",
        options={"codes": "alphabetical-8"},
        by_names=True,
    )


TREES = named(affectnet_lists, affectnet_npy, affectnet_folders, affectnet_alphabetical)
