"""The drawn sample faces."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named


def sample() -> Tree:
    header = "id,path,label,split,subject,intensity"
    rows = ["a-0,images/a-0.png,fear,train,p1,0.5", "a-1,images/a-1.png,neutral,val,p2,0.01"]
    rows += ["a-2,images/a-2.png,anger,test,p3,0.9", "a-3,images/a-3.png,disgust,test,p3,0.7"]
    return Tree(
        "sample",
        images_of("images/a-0.png images/a-1.png images/a-2.png")
        | {
            "labels.csv": lines(header, *rows),
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
        bad_label=("labels.csv", lines(header, rows[0].replace("fear", "feer")), ("1 x", "'feer'", "'fear'")),
    )


TREES = named(sample)
