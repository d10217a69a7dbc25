"""SFEW 2.0 as archives unpack, and as copies have it."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture


def sfew_nested() -> Tree:
    train = "SFEW/Train/Train_Aligned_Faces"
    val = "SFEW/Val/Val_Aligned_Faces_new/Val_Aligned_Faces"
    images = f"{train}/Angry/Airheads_000519240_00000005.png {train}/Happy/B_01_1.PNG {train}/Surprise/C_02_1.png"
    images += f" {val}/Disgust/D_03_1.png {val}/Neutral/E_04_1.png {val}/Sad/E_04_1.png"
    images += " SFEW/Test/Test_Aligned_Faces/F_05_1.png SFEW/Test/Test_Aligned_Faces/F_05_2.png SFEW/poster.png"
    return Tree(
        "sfew",
        images_of(images) | {"SFEW/Test_Aligned_Faces.zip": b"x"},
        {
            "train/Angry/Airheads_000519240_00000005.png": ("anger", ""),
            "train/Happy/B_01_1.PNG": ("happiness", ""),
            "train/Surprise/C_02_1.png": ("surprise", ""),
            "val/Disgust/D_03_1.png": ("disgust", "test"),
            "val/Neutral/E_04_1.png": ("neutral", "test"),
            "val/Sad/E_04_1.png": ("sadness", "test"),
        },
        rows=9,
        release="aligned faces",
        excluded={"no label": 2, "outside the split folders": 1},
        bad_label=(f"{train}/Hapy/x.png", picture(9), ("1 x", "'Hapy'", "'happiness'")),
        by_names=True,
    )


def sfew_archives() -> Tree:
    return Tree(
        "sfew",
        images_of("Train_Aligned_Faces/Fear/a.png Val_Aligned_Faces_new/Fear/a.png"),
        {"train/Fear/a.png": ("fear", ""), "val/Fear/a.png": ("fear", "test")},
        rows=2,
        release="aligned faces",
        bad_label=("Val_Aligned_Faces_new/4/b.png", picture(9), ("1 x", "'4'", "codes=NAME")),
        by_names=True,
    )


def sfew_imgs() -> Tree:
    files = images_of("Train/imgs/Angry/a.jpg Train/imgs/Sad/b.jpg Val/imgs/Neutral/c.jpg")
    files |= {"Train/Annotations/Bboxs/Angry/a.txt": b"1 2 3 4", "Train/Annotations/Landmarks_5/Angry/a.txt": b"1 2"}
    return Tree(
        "sfew",
        files,
        {
            "train/Angry/a.jpg": ("anger", ""),
            "train/Sad/b.jpg": ("sadness", ""),
            "val/Neutral/c.jpg": ("neutral", "test"),
        },
        rows=3,
        release="class folders",
        by_names=True,
    )


def sfew_table() -> Tree:
    header = "image_name,label,emotion,original_split"
    rows = ["a_1.png,0,Angry,Train", "b_1.png,3,Happy,Train", "lost.png,6,Surprise,Train", "b_1.png,3,Happy,Train"]
    rows += ["c_1.png,4,Neutral,Val", "d_1.png,,,Test"]
    images = images_of("sfew2.0_images/a_1.png sfew2.0_images/b_1.png sfew2.0_images/c_1.png sfew2.0_images/d_1.png")
    return Tree(
        "sfew",
        images | {"sfew_2.0_labels.csv": lines(header, *rows, end="\r\n")},
        {
            "a_1.png": ("anger", ""),
            "b_1.png": ("happiness", ""),
            "lost.png": ("surprise", ""),
            "c_1.png": ("neutral", "test"),
        },
        rows=6,
        release="sfew_2.0_labels.csv",
        rejected={"lost.png": "file is missing"},
        excluded={"no label": 1, "repeated row": 1},
        bad_label=("sfew_2.0_labels.csv", lines(header, "a_1.png,0,Angri,Train"), ("1 x", "'Angri'", "'anger'")),
    )


TREES = named(sfew_nested, sfew_archives, sfew_imgs, sfew_table)
