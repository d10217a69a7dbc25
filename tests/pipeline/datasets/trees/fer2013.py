"""FER2013 as a csv of pixels and as folders, alone and with the votes of FER+."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture

_VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def ferplus() -> Tree:
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
            "fer2013new.csv": lines(_VOTES, *rows),
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


def pixels(shade: int, n: int = 48 * 48) -> str:
    """The field of a picture of one shade."""
    return " ".join([str(shade)] * n)


def fer2013_csv() -> Tree:
    rows = [
        f"0,{pixels(10)},Training",
        f"6,{pixels(11)},Training",
        f"3,{pixels(12, 2303)},Training",
        f"1,{pixels(256)},PublicTest",
        f"4,{pixels(13)},PublicTest",
        f"2,{pixels(14).replace('14', '1.5', 1)},PrivateTest",
        "",
        f'5,"{pixels(15)}",PrivateTest',
    ]
    header = "emotion,pixels,Usage"
    return Tree(
        "fer2013",
        {"fer2013/fer2013.csv": lines(header, *rows, end="\r\n"), "fer2013/README": b"x", "fer2013/fer2013.bib": b"x"},
        {
            "0000000": ("anger", "train"),
            "0000001": ("neutral", "train"),
            "0000002": ("happiness", "train"),
            "0000003": ("disgust", "val"),
            "0000004": ("sadness", "val"),
            "0000005": ("fear", "test"),
            "0000006": ("surprise", "test"),
        },
        rows=7,
        release="fer2013.csv",
        rejected={
            "0000002": "row has not 48 x 48 pixels",
            "0000003": "a pixel is above 255",
            "0000005": "pixels are not whole numbers",
        },
        bad_label=(
            "fer2013/fer2013.csv",
            lines(header, rows[0], f"7,{pixels(1)},Training", f"hapy,{pixels(2)},Training"),
            ("1 x", "code 7", "'hapy'", "'happiness'"),
        ),
        by_names=True,
    )


def fer2013_icml() -> Tree:
    rows = [f"0,Training,{pixels(20)}", f"3,PublicTest,{pixels(21)}", f"5,PrivateTest,{pixels(22)}"]
    header = "emotion, Usage, pixels"
    return Tree(
        "fer2013",
        {
            "icml_face_data.csv": b"\xef\xbb\xbf" + lines(header, *rows),
            "train.csv": lines("emotion,pixels", f"0,{pixels(20)}"),
            "test.csv": lines("pixels", pixels(21)),
        },
        {"0000000": ("anger", "train"), "0000001": ("happiness", "val"), "0000002": ("surprise", "test")},
        rows=3,
        release="icml_face_data.csv",
        bad_label=("icml_face_data.csv", lines(header, f"9,Training,{pixels(1)}"), ("1 x", "code 9")),
        by_names=True,
    )


def fer2013_kaggle() -> Tree:
    rows = [f"{code},{pixels(30 + code)}" for code in range(7)]
    return Tree(
        "fer2013",
        {
            "train.csv": lines("emotion,pixels", *rows),
            "test.csv": lines("pixels", pixels(40), pixels(41)),
        },
        {
            f"000000{code}": (label, "")
            for code, label in enumerate(["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"])
        },
        rows=9,
        release="train.csv",
        excluded={"no label": 2},
        bad_label=("train.csv", lines("emotion,pixels", f"-1,{pixels(1)}"), ("1 x", "code -1")),
        by_names=True,
    )


def fer2013_folders() -> Tree:
    images = "train/angry/a.jpg train/disgust/b.jpg test/neutral/PrivateTest_1.jpg test/surprise/PublicTest_2.jpg"
    return Tree(
        "fer2013",
        images_of(images),
        {
            "train/angry/a.jpg": ("anger", ""),
            "train/disgust/b.jpg": ("disgust", ""),
            "test/neutral/PrivateTest_1.jpg": ("neutral", "test"),
            "test/surprise/PublicTest_2.jpg": ("surprise", "test"),
        },
        rows=4,
        release="class folders, test is PublicTest and PrivateTest",
        bad_label=("train/hapy/x.jpg", picture(9), ("1 x", "'hapy'", "'happiness'")),
        by_names=True,
    )


def fer2013_validation() -> Tree:
    return Tree(
        "fer2013",
        images_of("images/train/happy/1.jpg images/train/sad/2.jpg images/validation/fear/3.jpg"),
        {
            "train/happy/1.jpg": ("happiness", ""),
            "train/sad/2.jpg": ("sadness", ""),
            "validation/fear/3.jpg": ("fear", "val"),
        },
        rows=3,
        release="class folders, train and validation",
        bad_label=("images/train/3/x.jpg", picture(9), ("1 x", "'3'", "codes=NAME")),
        by_names=True,
    )


def ferplus_pixels() -> Tree:
    votes = [
        "Training,fer0000000.png,8,1,1,0,0,0,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "Training,fer0000001.png,0,9,0,0,0,0,0,1,0,0",
        "PublicTest,fer0000002.png,0,0,0,0,0,0,0,10,0,0",
        "PrivateTest,fer0000003.png,0,0,0,0,0,10,0,0,0,0",
        "PrivateTest,fer0000003.png,0,0,0,0,10,0,0,0,0,0",  # the same name, another picture
        "PrivateTest,fer0000004.png,0,0,0,0,0,0,10,0,0,0",
    ]
    usages = [line.partition(",")[0] for line in votes]
    rows = [f"6,{pixels(50 + i, 48 * 48 - (i == 6))},{usage}" for i, usage in enumerate(usages)]
    return Tree(
        "ferplus",
        {
            "fer2013/fer2013.csv": lines("emotion,pixels,Usage", *rows),
            "FERPlus/fer2013new.csv": lines(_VOTES, *votes),
        },
        {
            "fer0000000": ("neutral", "train"),
            "fer0000001": ("happiness", "train"),
            "fer0000003-4": ("disgust", "test"),
            "fer0000003-5": ("anger", "test"),
            "fer0000004": ("fear", "test"),
        },
        rows=7,
        release="fer2013new.csv and fer2013.csv",
        rejected={"fer0000004": "row has not 48 x 48 pixels"},
        excluded={"no image name": 1, "contempt": 1},
        with_contempt="fer0000002",
        by_names=True,
    )


TREES = named(ferplus, ferplus_pixels, fer2013_csv, fer2013_icml, fer2013_kaggle, fer2013_folders, fer2013_validation)
