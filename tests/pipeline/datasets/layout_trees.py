"""Small datasets written exactly as the public ones lie on disk, traps included, and what a reader must find there."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from trees import lab, listed_faces

KINDS = ("folder", "tar", "tar.gz", "zip")
JUNK = {".DS_Store": b"x", "__MACOSX/._a.jpg": b"x", "Thumbs.db": b"x", ".ipynb_checkpoints/happy/a.jpg": b"x"}


def picture(shade: int, size: int = 6) -> bytes:
    """The bytes of a small grey PNG; every shade has its own."""
    out = io.BytesIO()
    Image.fromarray(np.full((size, size), shade, np.uint8)).save(out, "PNG")
    return out.getvalue()


def pack(files: Mapping[str, bytes], folder: Path, kind: str, prefix: str = "") -> Path:
    """Write `files` as a folder or archive below `folder`; the path is the root to give to a reader."""
    named = {prefix + name: data for name, data in files.items()}
    return {"folder": _folder, "tar": _tar, "tar.gz": _tar, "zip": _zip}[kind](named, folder / f"root.{kind}")


def _folder(files: Mapping[str, bytes], path: Path) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def _tar(files: Mapping[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in reversed(files.items()):  # archives keep no useful order
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def _zip(files: Mapping[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in reversed(files.items()):
            archive.writestr(name, data)
    return path


@dataclass(frozen=True)
class Tree:
    """A dataset, and the truth about it.

    `samples` is id -> (label, split), split empty where it is carved by hash. `rows` counts the rows of the source:
    every one of them is a sample or excluded. `bad_label` is a file to put in with unknown labels, with the
    words that the error must hold. `by_names`: no list names the images, so that a missing one cannot be noticed.
    """

    layout: str
    files: Mapping[str, bytes]
    samples: Mapping[str, tuple[str, str]]
    rows: int
    release: str = ""
    rejected: Mapping[str, str] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    with_contempt: str = ""
    bad_label: tuple[str, bytes, tuple[str, ...]] | None = None
    by_names: bool = False


def _images(names: str, first: int = 0) -> dict[str, bytes]:
    return {name: picture(first + i) for i, name in enumerate(names.split())}


def _lines(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def sample() -> Tree:
    header = "id,path,label,split,subject,intensity"
    rows = ["a-0,images/a-0.png,fear,train,p1,0.5", "a-1,images/a-1.png,neutral,val,p2,0.01"]
    rows += ["a-2,images/a-2.png,anger,test,p3,0.9", "a-3,images/a-3.png,disgust,test,p3,0.7"]
    return Tree(
        "sample",
        _images("images/a-0.png images/a-1.png images/a-2.png")
        | {
            "labels.csv": _lines(header, *rows),
            "sample.json": b'{"generator": 3, "style": "sample-a", "seed": 5, "n": 4}',
        },
        {
            "a-0": ("fear", "train"),
            "a-1": ("neutral", "val"),
            "a-2": ("anger", "test"),
            "a-3": ("disgust", "test"),
        },
        rows=4,
        release="sample-a, generator 3, seed 5",
        rejected={"a-3": "file is missing"},
        bad_label=("labels.csv", _lines(header, rows[0].replace("fear", "feer")), ("1 x", "'feer'", "'fear'")),
    )


def ferplus() -> Tree:
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = [
        "Training,fer0000000.png,8,1,1,0,0,0,0,0,0,0",
        "Training,fer0000001.png,0,9,0,0,0,0,0,1,0,0",
        "Training,fer0000001.png,0,9,0,0,0,0,0,1,0,0",  # occurs twice, equal
        "Training,,0,0,0,0,0,0,0,0,0,10",  # no picture
        "Training,fer0000002.png,4,0,0,3,3,0,0,0,0,0",  # no label has more than half
        "Training,fer0000003.png,1,0,0,0,0,0,0,9,0,0",  # contempt
        "PublicTest,fer0000004.png,0,0,0,0,0,10,0,0,0,0",
        "PublicTest,fer0000005.png,0,0,0,0,0,0,0,0,9,1",  # unknown
        "PrivateTest,fer0000006.png,5,0,0,1,1,0,0,0,3,0",  # 5 of 8 once the single votes are gone
        "PrivateTest,fer0000006.png,0,0,0,0,0,0,0,0,0,10",  # the same name, and no face
        "PrivateTest,fer0000007.png,0,0,0,0,9,0,0,0,0,0",  # nine votes; no picture on disk
    ]
    images = "FER2013Train/fer0000000.png FER2013Train/fer0000001.png FER2013Train/fer0000003.png"
    images += " FER2013Valid/fer0000004.png FER2013Test/fer0000006.png FER2013Train/fer0000009.png"
    return Tree(
        "ferplus",
        {f"data/{name}": data for name, data in _images(images).items()}
        | {
            "fer2013new.csv": _lines(header, *rows),
            "data/FER2013Train/label.csv": b'fer0000000.png,"(0, 0, 48, 48)",0,0,0,0,0,0,9,0,0,0\n',
        },
        {
            "fer0000000": ("neutral", "train"),
            "fer0000001": ("happiness", "train"),
            "fer0000004": ("disgust", "val"),
            "fer0000006": ("neutral", "test"),
            "fer0000007": ("anger", "test"),
        },
        rows=11,
        rejected={"fer0000006": "conflicting rows", "fer0000007": "file is missing"},
        excluded={
            "no image name": 1,
            "no majority": 1,
            "contempt": 1,
            "unknown or not a face": 2,
            "repeated row": 1,
        },
        with_contempt="fer0000003",
    )


def muxspace() -> Tree:
    rows = ["user.id,image,emotion", "628,facial-expressions_2868588k.jpg,anger"]
    rows += ["7,Ann_Lee_0001.jpg,HAPPINESS", "8,Ann_Lee_0001.jpg,happiness", "7,Ann_Lee_0002.JPG,Neutral"]
    rows += ["7,Bo_Ek_0001.jpg,fear", "7,Bo_Ek_0001.jpg,surprise", "7,Cy_Oz_0001.jpg,contempt"]
    images = "images/facial-expressions_2868588k.jpg images/Ann_Lee_0001.jpg images/Ann_Lee_0002.jpg"
    images += " images/Bo_Ek_0001.jpg images/Cy_Oz_0001.jpg images/not_in_the_legend_0001.jpg"
    return Tree(
        "muxspace",
        _images(images) | {"data/legend.csv": _lines(*rows)},
        {
            "facial-expressions_2868588k.jpg": ("anger", ""),
            "Ann_Lee_0001.jpg": ("happiness", ""),
            "Ann_Lee_0002.JPG": ("neutral", ""),
            "Bo_Ek_0001.jpg": ("fear", ""),
        },
        rows=7,
        rejected={"Bo_Ek_0001.jpg": "conflicting rows"},
        excluded={"contempt": 1, "repeated row": 2},
        with_contempt="Cy_Oz_0001.jpg",
        bad_label=(
            "data/legend.csv",
            _lines(*rows, "7,Dee_0001.jpg,hapiness", "7,Dee_0002.jpg,hapiness", "7,Ed_0001.jpg,3"),
            ("2 x", "'hapiness'", "'happiness'", "1 x", "'3'"),
        ),
    )


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
    images = _images(" ".join(f"Image/aligned/{stem}_aligned.jpg" for stem in stems.split()))
    originals = _images(" ".join(f"Image/original/{stem}.jpg" for stem in stems.split()), first=50)
    name = "EmoLabel/list_patition_label.txt"
    files = images | originals | {name: _lines(*_RAF_LINES, "test_0002.jpg 2")}
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
        bad_label=(f"basic/{name}", _lines(*_RAF_BAD), ("2 unknown labels", "1 x", "code 9", "code 0")),
    )


def raf_flat() -> Tree:
    images = "aligned/train_00001_aligned.JPG aligned/train_00002_aligned.jpg aligned/train_00003_aligned.jpg"
    images += " aligned/test_0001_aligned.jpg aligned/test_0002_aligned.jpg"
    name = "annotation/list_patition_label.txt"
    return Tree(
        "raf-db",
        _images(images) | {name: _lines(*_RAF_LINES, "test_0002.jpg 2", end="\r\n")},
        _RAF,
        rows=6,
        release="aligned and annotation",
        excluded={"repeated row": 1},
        bad_label=(name, _lines(*_RAF_BAD, end="\r\n"), ("code 9", "code 0")),
    )


def raf_folders() -> Tree:
    images = "DATASET/train/5/train_00001_aligned.jpg DATASET/train/1/train_00002_aligned.jpg"
    images += " DATASET/test/7/test_0001_aligned.jpg DATASET/preview.png"
    return Tree(
        "raf-db",
        _images(images) | {"train_labels.csv": b"image,label\ntrain_00001_aligned.jpg,5\n"},
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
    manual = {f"Manually_Annotated_Images/{name}": data for name, data in _images(images).items()}
    lists = "Manually_Annotated_file_lists"
    return Tree(
        "affectnet",
        manual
        | {
            f"{lists}/training.csv": _lines(header, *train),
            f"{lists}/validation.csv": _lines(header, *validation, end="\r\n"),
            "Automatically_Annotated_Images/1/aa.jpg": picture(200),
            "Automatically_annotated.csv": _lines(header, "1/aa.jpg,1,1,1,1,1,0,0,0"),
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
            _lines(header, "1/aa.jpg,1,1,9,9,1,11,0,0", "1/bb.jpg,1,1,9,9,1,sadd,0,0"),
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
        _images(images) | {name: _npy(value) for name, value in labels.items()},
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
        _images(images),
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
        _images("train/0/a.jpg train/4/b.jpg test/7/c.jpg"),
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


def folder_with_splits() -> Tree:
    images = "train/Happy/a.jpg train/angry/day1/b.PNG Valid/sad/c.jpeg test/0_neutral/d.bmp test/contempt/e.webp"
    return Tree(
        "folder",
        _images(images) | {"train/Happy/notes.txt": b"x", "readme.md": b"x", "sheet.png": picture(77)},
        {
            "train/Happy/a.jpg": ("happiness", "train"),
            "train/angry/day1/b.PNG": ("anger", "train"),
            "Valid/sad/c.jpeg": ("sadness", "val"),
            "test/0_neutral/d.bmp": ("neutral", "test"),
        },
        rows=6,
        excluded={"contempt": 1, "outside the class folders (./)": 1},
        with_contempt="test/contempt/e.webp",
        bad_label=("train/hapy/x.jpg", picture(9), ("1 x", "'hapy'", "'happiness'")),
        by_names=True,
    )


def folder_flat() -> Tree:
    images = "surprise/a.jpg surprise/b.jpg Afraid/a.jpg disgusted/x/y/z/a.tif"
    return Tree(
        "folder",
        _images(images) | {"disgusted/empty.png": b""},
        {
            "surprise/a.jpg": ("surprise", ""),
            "surprise/b.jpg": ("surprise", ""),
            "Afraid/a.jpg": ("fear", ""),
            "disgusted/x/y/z/a.tif": ("disgust", ""),
            "disgusted/empty.png": ("disgust", ""),
        },
        rows=5,
        rejected={"disgusted/empty.png": "file is empty"},
        bad_label=("3/x.jpg", picture(9), ("1 x", "'3'", "code map")),
        by_names=True,
    )


def folder_with_wrappers() -> Tree:
    images = "Train/Train_Aligned_Faces/Angry/a.png Train/Train_Aligned_Faces/Happy/b.png"
    images += " Val/Val_Aligned_Faces_new/Fear/a.png"
    return Tree(
        "folder",
        _images(images),
        {
            "Train/Train_Aligned_Faces/Angry/a.png": ("anger", ""),
            "Train/Train_Aligned_Faces/Happy/b.png": ("happiness", ""),
            "Val/Val_Aligned_Faces_new/Fear/a.png": ("fear", "val"),
        },
        rows=3,
        by_names=True,
    )


def folder_with_numbers() -> Tree:
    return Tree(
        "folder",
        _images("00/a.jpg 01/a.jpg 06/a.jpg"),
        {"00/a.jpg": ("anger", ""), "01/a.jpg": ("disgust", ""), "06/a.jpg": ("neutral", "")},
        rows=3,
        options={"codes": "fer2013"},
        bad_label=("07/a.jpg", picture(9), ("code 7",)),
        by_names=True,
    )


def csv_full() -> Tree:
    header = " Path; LABEL ;split;Subject;clip;frame;fold;x;y;w;h"
    rows = [
        r"imgs\a.jpg; Happy ;Training;p1;c1;3;1;1;2;3;4",
        "imgs/a.jpg;sad;train;p2;c1;4;1;-5;0;3;4",
        "./imgs/b.JPG;anger;validation;p3;c2;1;2;0;0;3.6;4",
        "imgs/c.jpg;contempt;test;p4;c3;1;3;0;0;3;4",
        "imgs/lost.jpg;fear;testing;p4;c3;2;3;0;0;3;4",
    ]
    return Tree(
        "csv",
        {f"set/{name}": data for name, data in _images("imgs/a.jpg imgs/b.jpg imgs/c.jpg").items()}
        | {"set/labels.csv": b"\xef\xbb\xbf" + _lines(header, *rows, end="\r\n")},
        {
            "imgs/a.jpg@1,2,3,4": ("happiness", "train"),
            "imgs/a.jpg@-5,0,3,4": ("sadness", "train"),
            "./imgs/b.JPG@0,0,4,4": ("anger", "val"),
            "imgs/lost.jpg@0,0,3,4": ("fear", "test"),
        },
        rows=5,
        rejected={"imgs/lost.jpg@0,0,3,4": "file is missing", "imgs/a.jpg@-5,0,3,4": "box lies outside the image"},
        excluded={"contempt": 1},
        with_contempt="imgs/c.jpg@0,0,3,4",
        bad_label=(
            "set/labels.csv",
            _lines("path,label", "imgs/a.jpg,hapy", "imgs/b.jpg,hapy", "imgs/c.jpg,grr"),
            ("2 unknown labels", "2 x", "'hapy'", "1 x", "'grr'"),
        ),
    )


def csv_codes() -> Tree:
    rows = ["id\tpath\tlabel", "one\ta.png\t   3.0000000e+00", "two\tb.png\t7.0", "three\tc.png\t0"]
    return Tree(
        "csv",
        _images("a.png b.png c.png") | {"emotion.tsv": _lines(*rows)},
        {"one": ("disgust", ""), "two": ("surprise", ""), "three": ("neutral", "")},
        rows=3,
        options={"file": "emotion.tsv", "codes": "ck-plus"},
        bad_label=("emotion.tsv", _lines(*rows, "four\td.png\t3.5", "five\te.png\t12"), ("'3.5'", "code 12")),
    )


TREES = (
    {
        tree.__name__: tree()
        for tree in (
            sample,
            ferplus,
            muxspace,
            raf_official,
            raf_flat,
            raf_folders,
            affectnet_lists,
            affectnet_npy,
            affectnet_folders,
            affectnet_alphabetical,
            folder_with_splits,
            folder_flat,
            folder_with_wrappers,
            folder_with_numbers,
            csv_full,
            csv_codes,
        )
    }
    | lab.TREES
    | listed_faces.TREES
)
