"""DFEW, FERV39k and AFEW: frames of clips in folders, with the lists of folds and splits that come with them."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture

_SPLITS = "EmoLabel_DataSplit"


def _frames(*folders: str, n: int = 3, first: int = 0, form: str = "{clip}_{i:05d}.jpg") -> dict[str, bytes]:
    """`n` frames in each folder, in shades from `first` up."""
    names = [f"{folder}/{form.format(clip=folder.rpartition('/')[2], i=i + 1)}" for folder in folders for i in range(n)]
    return {name: picture(first + i) for i, name in enumerate(names)}


def _csv(*rows: str) -> bytes:
    return lines("video_name,label", *rows)


def dfew_official() -> Tree:
    """Three folds; names without zeros, other frames beside; a clip too many, one too few, one of two labels."""
    frames = "DFEW/Clip/clip_224x224"
    files = {
        f"DFEW/{_SPLITS}/train(single-labeled)/set_1.csv": _csv("3,3", "4,4", "5,7", "6,1"),
        f"DFEW/{_SPLITS}/test(single-labeled)/set_1.csv": _csv("1,1", "2,2", "2,2"),
        f"DFEW/{_SPLITS}/train(single-labeled)/set_2.csv": _csv("1,1", "2,2", "5,7", "6,2"),
        f"DFEW/{_SPLITS}/test(single-labeled)/set_2.csv": _csv("3,3", "4,4"),
        f"DFEW/{_SPLITS}/train(single-labeled)/set_3.csv": _csv("1,1", "2,2", "3,3", "4,4"),
        f"DFEW/{_SPLITS}/test(single-labeled)/set_3.csv": _csv("5,7", "6,1"),
        **_frames(f"{frames}/00001", f"{frames}/00002", f"{frames}/part_2/00003", f"{frames}/00005", f"{frames}/00006"),
        **_frames("DFEW/Clip/clip_224x224_16f/00001", first=50, form="{i}.jpg"),
        **_frames(f"{frames}/00099", first=60),
        f"{frames}/readme.txt": b"frames",
    }
    return Tree(
        "dfew",
        files,
        {
            "00001": ("happiness", "test"),
            "00002": ("sadness", "test"),
            "00003": ("neutral", ""),
            "00004": ("anger", ""),
            "00005": ("fear", ""),
            "00006": ("happiness", ""),
        },
        rows=7,
        release="EmoLabel_DataSplit, clip_224x224",
        rejected={"00004": "clip is missing", "00006": "conflicting rows"},
        excluded={"repeated row": 1},
        bad_label=(
            f"DFEW/{_SPLITS}/train(single-labeled)/set_2.csv",
            _csv("1,1", "2,9", "5,9"),
            ("2 x", "9", "1=happiness"),
        ),
    )


def dfew_author() -> Tree:
    """The form that its authors' program reads; one fold, an empty folder of frames."""
    files = {
        "single_label/label/single_trainset_1.csv": _csv("00003,3", "4,5"),
        "single_label/label/single_testset_1.csv": _csv("1,1"),
        **_frames("single_label/data/00001", "single_label/data/00003"),
        "single_label/data/00004/00004.txt": b"no face",
    }
    return Tree(
        "dfew",
        files,
        {"00001": ("happiness", "test"), "00003": ("neutral", ""), "00004": ("surprise", "")},
        rows=3,
        release="label, data",
        rejected={"00004": "clip has no frames"},
    )


def dfew_text_lists() -> Tree:
    """Labels from 0, numbers of frames that are not those on disk, absolute paths, frames renamed to jpg_256."""
    files = {
        "annotation/DFEW_set_1_train.txt": lines("/home/user/DFEW_Face/00003 16 2", "/home/user/DFEW_Face/00004 16 6"),
        "annotation/DFEW_set_1_test.txt": lines("/home/user/DFEW_Face/00001 144 0"),
        **_frames("Clip/jpg_256/00001", "Clip/jpg_256/00003", "Clip/jpg_256/00004", n=2),
    }
    return Tree(
        "dfew",
        files,
        {"00001": ("happiness", "test"), "00003": ("neutral", ""), "00004": ("fear", "")},
        rows=3,
        release="txt lists, jpg_256",
    )


def ferv39k() -> Tree:
    """Lists of all scenes and of one; a folder of another expression, a clip without frames, a line twice."""
    setups, clips = "FERV39k/4_setups", "FERV39k/2_ClipsforFaceCrop"
    train = ["Action/Happy/0267 Happy", "Crisis/Sad/0001 Sad", "Crisis/Sad/0002 Sad", "War/Fear/0003 Sad"]
    files = {
        f"{setups}/All_scenes/train_All.csv": lines(*train, "Action/Happy/0267 Happy"),
        f"{setups}/All_scenes/test_All.csv": lines("Action/Happy/0268 Happy", "Crisis/Disgust/0267 Disgust"),
        f"{setups}/Action/train_Action.csv": lines("Action/Happy/0267 Happy"),
        f"{setups}/Action/test_Action.csv": lines("Action/Happy/0268 Happy"),
        **_frames(*(f"{clips}/{line.split()[0]}" for line in train if "0002" not in line), form="{i}.jpg", n=11),
        **_frames(f"{clips}/Action/Happy/0268", f"{clips}/Crisis/Disgust/0267", form="img_{i:03d}.png", first=60),
    }
    return Tree(
        "ferv39k",
        files,
        {
            "Action/Happy/0267": ("happiness", ""),
            "Crisis/Sad/0001": ("sadness", ""),
            "Crisis/Sad/0002": ("sadness", ""),
            "War/Fear/0003": ("sadness", ""),
            "Action/Happy/0268": ("happiness", "test"),
            "Crisis/Disgust/0267": ("disgust", "test"),
        },
        rows=7,
        release="all, 2_ClipsforFaceCrop",
        rejected={"Crisis/Sad/0002": "clip is missing", "War/Fear/0003": "conflicting rows"},
        excluded={"repeated row": 1},
        bad_label=(
            f"{setups}/All_scenes/test_All.csv",
            lines("Action/Happy/0268 Hapy"),
            ("1 x", "'Hapy'", "happiness"),
        ),
    )


def ferv39k_scene() -> Tree:
    files = ferv39k().files
    samples = {"Action/Happy/0267": ("happiness", ""), "Action/Happy/0268": ("happiness", "test")}
    options = {"setup": "action"}
    return Tree("ferv39k", files, samples, rows=2, release="action, 2_ClipsforFaceCrop", options=options)


def afew_class_folders() -> Tree:
    """Frames as Former-DFER has them; a clip of the test split has no label."""
    root = "AFEW_Face"
    files = {
        **_frames(f"{root}/train/Disgust/0_5_011756043", f"{root}/train/Anger/0_2_001343200", form="{i}.jpg"),
        **_frames(f"{root}/validation/Happiness/1_0_000000001", form="{i}.jpg", first=20),
        **_frames(f"{root}/test/000000002", form="{i}.jpg", first=30),
        **images_of(f"{root}/poster/a.png", first=40),
    }
    return Tree(
        "afew",
        files,
        {
            "train/disgust/011756043": ("disgust", ""),
            "train/anger/001343200": ("anger", ""),
            "val/happiness/000000001": ("happiness", "test"),
        },
        rows=5,
        release="faces",
        excluded={"no label": 1, "outside the split folders": 1},
        bad_label=(f"{root}/train/Angr/0_3_1/1.jpg", picture(90), ("1 x", "'Angr'", "'anger'")),
        by_names=True,
    )


def afew_aligned_faces() -> Tree:
    """Aligned faces without class folders, whose labels are the folders of the videos; a video without faces."""
    train, val = "Train_AFEW", "Val_AFEW"
    videos = [f"{train}/Happy/0001.avi", f"{train}/Sad/0002.avi", f"{train}/Sad/0003.avi", f"{val}/Fear/0001.avi"]
    files = {
        **dict.fromkeys(videos, b"RIFF"),
        **_frames(*(f"{train}/AlignedFaces_LBPTOP_Points/Faces/{clip}" for clip in ("0001", "0002", "0009"))),
        **_frames(f"{val}/AlignedFaces_LBPTOP_Points_Val/Faces/0001", first=20),
    }
    return Tree(
        "afew",
        files,
        {
            "train/happiness/0001": ("happiness", ""),
            "train/sadness/0002": ("sadness", ""),
            "train/sadness/0003": ("sadness", ""),
            "val/fear/0001": ("fear", "test"),
        },
        rows=5,
        release="faces",
        rejected={"train/sadness/0003": "clip is missing"},
        excluded={"no label": 1},
        by_names=True,
    )


TREES = named(
    dfew_official,
    dfew_author,
    dfew_text_lists,
    ferv39k,
    ferv39k_scene,
    afew_class_folders,
    afew_aligned_faces,
)
