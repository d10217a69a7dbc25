"""Lists of paths and labels, with no header."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture


def list_of_splits() -> Tree:
    images = images_of("images/a.jpg images/b.JPG images/c.jpg images/d.jpg") | {"images/e f.jpg": picture(9)}
    return Tree(
        "list",
        images
        | {
            "lists/train.txt": lines("images/a.jpg 0", "./images/b.jpg\t3", "images/lost.jpg 5", "", end="\r\n"),
            "lists/valid.txt": lines("images\\c.jpg, 6"),
            "lists/test.txt": lines("images/d.jpg 1", "images/e f.jpg 2", "images/e f.jpg 2", "images/a.jpg 0"),
            "lists/readme.md": b"x",
        },
        {
            "images/a.jpg": ("anger", "train"),
            "images/b.jpg": ("happiness", "train"),
            "images/lost.jpg": ("surprise", "train"),
            "images/c.jpg": ("neutral", "val"),
            "images/d.jpg": ("disgust", "test"),
            "images/e f.jpg": ("fear", "test"),
        },
        rows=8,
        rejected={"images/lost.jpg": "file is missing", "images/a.jpg": "conflicting rows"},
        excluded={"repeated row": 2},
        options={"codes": "fer2013"},
        bad_label=("lists/train.txt", lines("images/a.jpg 7", "images/b.jpg hapy"), ("1 x", "code 7", "'hapy'")),
    )


def list_of_names() -> Tree:
    rows = ["a_1.png Happy", "b_1.png\tsad", '"c_1.png",contempt']
    return Tree(
        "list",
        images_of("faces/a_1.png faces/b_1.png faces/c_1.png") | {"faces/list.txt": lines(*rows)},
        {"a_1.png": ("happiness", ""), "b_1.png": ("sadness", "")},
        rows=3,
        excluded={"contempt": 1},
        with_contempt="c_1.png",
        bad_label=("faces/list.txt", lines("a_1.png 3"), ("all of them numbers", "3 (1 images)", "codes=NAME")),
    )


def ferbench() -> Tree:
    return Tree(
        "ferbench",
        images_of("ferplus/a.png ferplus/b.png") | {"lists/fer_test.txt": lines("a.png 0", "b.png 6", "c.png 7")},
        {"a.png": ("neutral", "test"), "b.png": ("anger", "test")},
        rows=3,
        excluded={"contempt": 1},
        options={"codes": "affectnet", "lists": {"test": "fer_test.txt"}, "images": "ferplus"},
        with_contempt="c.png",
    )


TREES = named(list_of_splits, list_of_names, ferbench)
