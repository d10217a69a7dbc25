"""FER2013 with the votes of FER+."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named


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
        {f"data/{name}": data for name, data in images_of(images).items()}
        | {
            "fer2013new.csv": lines(header, *rows),
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


TREES = named(ferplus)
