"""Pictures of the press, and of the web."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture


def muxspace() -> Tree:
    rows = ["user.id,image,emotion", "628,facial-expressions_2868588k.jpg,anger"]
    rows += ["7,Ann_Lee_0001.jpg,HAPPINESS", "8,Ann_Lee_0001.jpg,happiness", "7,Ann_Lee_0002.JPG,Neutral"]
    rows += ["7,Bo_Ek_0001.jpg,fear", "7,Bo_Ek_0001.jpg,surprise", "7,Cy_Oz_0001.jpg,contempt"]
    images = "images/facial-expressions_2868588k.jpg images/Ann_Lee_0001.jpg images/Ann_Lee_0002.jpg"
    images += " images/Bo_Ek_0001.jpg images/Cy_Oz_0001.jpg images/not_in_the_legend_0001.jpg"
    return Tree(
        "muxspace",
        images_of(images) | {"data/legend.csv": lines(*rows)},
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
            lines(*rows, "7,Dee_0001.jpg,hapiness", "7,Dee_0002.jpg,hapiness", "7,Ed_0001.jpg,3"),
            ("2 x", "'hapiness'", "'happiness'", "1 x", "'3'"),
        ),
    )


def mma() -> Tree:
    images = "train/angry/1.jpg train/disgust/1.jpg valid/happy/1.jpg valid/neutral/1.jpg"
    images += " test/sad/1.jpg test/fear/2.jpg"
    return Tree(
        "mma",
        {f"MMAFEDB/{name}": data for name, data in images_of(images).items()},
        {
            "train/angry/1.jpg": ("anger", "train"),
            "train/disgust/1.jpg": ("disgust", "train"),
            "valid/happy/1.jpg": ("happiness", "val"),
            "valid/neutral/1.jpg": ("neutral", "val"),
            "test/sad/1.jpg": ("sadness", "test"),
            "test/fear/2.jpg": ("fear", "test"),
        },
        rows=6,
        release="MMAFEDB",
        bad_label=("MMAFEDB/train/sadd/x.jpg", picture(9), ("1 x", "'sadd'", "'sadness'")),
        by_names=True,
    )


TREES = named(muxspace, mma)
