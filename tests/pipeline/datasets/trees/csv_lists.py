"""Tables of any dataset."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named


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
        {f"set/{name}": data for name, data in images_of("imgs/a.jpg imgs/b.jpg imgs/c.jpg").items()}
        | {"set/labels.csv": b"\xef\xbb\xbf" + lines(header, *rows, end="\r\n")},
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
            lines("path,label", "imgs/a.jpg,hapy", "imgs/b.jpg,hapy", "imgs/c.jpg,grr"),
            ("2 unknown labels", "2 x", "'hapy'", "1 x", "'grr'"),
        ),
    )


def csv_codes() -> Tree:
    rows = ["id\tpath\tlabel", "one\ta.png\t   3.0000000e+00", "two\tb.png\t7.0", "three\tc.png\t0"]
    return Tree(
        "csv",
        images_of("a.png b.png c.png") | {"emotion.tsv": lines(*rows)},
        {"one": ("disgust", ""), "two": ("surprise", ""), "three": ("neutral", "")},
        rows=3,
        options={"file": "emotion.tsv", "codes": "ck-plus"},
        bad_label=("emotion.tsv", lines(*rows, "four\td.png\t3.5", "five\te.png\t12"), ("'3.5'", "code 12")),
    )


TREES = named(csv_full, csv_codes)
