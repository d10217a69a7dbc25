"""Class folders of any dataset."""

from __future__ import annotations

from trees.tree import Tree, images_of, named, picture


def folder_with_splits() -> Tree:
    images = "train/Happy/a.jpg train/angry/day1/b.PNG Valid/sad/c.jpeg test/0_neutral/d.bmp test/contempt/e.webp"
    return Tree(
        "folder",
        images_of(images) | {"train/Happy/notes.txt": b"x", "readme.md": b"x", "sheet.png": picture(77)},
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
        images_of(images) | {"disgusted/empty.png": b""},
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
        images_of(images),
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
        images_of("00/a.jpg 01/a.jpg 06/a.jpg"),
        {"00/a.jpg": ("anger", ""), "01/a.jpg": ("disgust", ""), "06/a.jpg": ("neutral", "")},
        rows=3,
        options={"codes": "fer2013"},
        bad_label=("07/a.jpg", picture(9), ("code 7",)),
        by_names=True,
    )


TREES = named(folder_with_splits, folder_flat, folder_with_wrappers, folder_with_numbers)
