"""Pictures of the press."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named


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


TREES = named(muxspace)
