"""Datasets of posed expressions: CK+ in its forms, JAFFE, KDEF, Oulu-CASIA."""

from __future__ import annotations

from trees.tree import Tree, images_of, lines, named, picture

_EMOTION = "Emotion/S005/001/S005_001_00000011_emotion.txt"


def ck_plus_sequences() -> Tree:
    frames = "S005/001/S005_001_00000001 S005/001/S005_001_00000002 S005/001/S005_001_00000011"
    frames += " S010/004/S010_004_00000001 S010/004/S010_004_00000005 S011/002/S011_002_00000001"
    frames += " S011/002/S011_002_00000002 S014/001/S014_001_00000001 S014/001/S014_001_00000002"
    images = images_of(" ".join(f"cohn-kanade-images/{name}.png" for name in frames.split()))
    return Tree(
        "ck-plus",
        images
        | {
            _EMOTION: b"   3.0000000e+00\n",
            "Emotion/S010/004/S010_004_00000005_emotion.txt": b"   2.0000000e+00\r\n",
            "Emotion/S011/002/S011_002_00000009_emotion.txt": b"   6.0000000e+00\n",  # its last frame is not there
            "Emotion/S005/.DS_Store": b"x",
            "FACS/S005/001/S005_001_00000011_facs.txt": b"   9.0000000e+00   5.0000000e+00\n",
            "Landmarks/S005/001/S005_001_00000001_landmarks.txt": b"   3.0e+02   1.0e+02\n",
        },
        {
            "S005_001_00000001": ("neutral", ""),
            "S005_001_00000011": ("disgust", ""),
            "S010_004_00000001": ("neutral", ""),
            "S011_002_00000001": ("neutral", ""),
            "S011_002_00000009": ("sadness", ""),
        },
        rows=10,
        release="sequences and labels, protocol 636",
        rejected={"S011_002_00000009": "file is missing"},
        excluded={"contempt": 1, "frame outside the protocol": 2, "sequence without an emotion label": 2},
        with_contempt="S010_004_00000005",
        bad_label=(_EMOTION, b"   9.0000000e+00\n", ("1 x", "code 9")),
    )


def ck_plus_folds() -> Tree:
    rows = ["1-fold 2 Angry 1 Sad 0 Contempt 1", "S130/007 Angry", "S147/002 Contempt"]
    rows += ["2-fold 2 Happy 1 Surprise 1", "S010/006 Happy", "S037/001 Surprise"]
    frames = "S130/007/S130_007_00000001 S130/007/S130_007_00000002 S130/007/S130_007_00000003 S147/002/1 S147/002/2"
    frames += " S010/006/S010_006_00000002 S010/006/S010_006_00000014 S999/001/S999_001_00000001"
    return Tree(
        "ck-plus",
        images_of(" ".join(f"face/ck_face/{name}.jpg" for name in frames.split()))
        | {"txt/CK+_10-fold_sample_IDascendorder_step10.txt": lines(*rows)},
        {
            "S130_007_00000001": ("neutral", ""),
            "S130_007_00000003": ("anger", ""),
            "S147_002_00000001": ("neutral", ""),
            "S010_006_00000002": ("neutral", ""),
            "S010_006_00000014": ("happiness", ""),
            "S037_001": ("surprise", ""),
        },
        rows=9,
        release="sequences and list of folds, protocol 636",
        rejected={"S037_001": "file is missing"},
        excluded={"contempt": 1, "frame outside the protocol": 1, "sequence without an emotion label": 1},
        options={"folds": 2},
        with_contempt="S147_002_00000002",
        bad_label=(
            "txt/CK+_10-fold_sample_IDascendorder_step10.txt",
            lines("1-fold 1 Hapy 1", "S130/007 Hapy", "2-fold 1 Sad 1", "S010/006 Sad"),
            ("1 x", "'Hapy'", "'happiness'"),
        ),
    )


def ck_plus_48() -> Tree:
    images = "anger/S010_004_00000017.png anger/S010_004_00000018.png anger/S010_004_00000019.PNG"
    images += " happy/S010_006_00000015.png contempt/S138_008_00000009.png happy/montage.png"
    return Tree(
        "ck-plus",
        images_of(" ".join(f"CK+48/{name}" for name in images.split())),
        {
            "S010_004_00000017": ("anger", ""),
            "S010_004_00000018": ("anger", ""),
            "S010_004_00000019": ("anger", ""),
            "S010_006_00000015": ("happiness", ""),
        },
        rows=6,
        release="CK+48, protocol 981",
        excluded={"contempt": 1, "name is not like S010_004_00000017.png": 1},
        with_contempt="S138_008_00000009",
        bad_label=("CK+48/hapy/S011_004_00000017.png", picture(9), ("1 x", "'hapy'")),
        by_names=True,
    )


def ck_plus_csv() -> Tree:
    grey = {shade: " ".join([str(shade)] * 48 * 48) for shade in range(1, 6)}
    header = "emotion,pixels,Usage"
    rows = [f"6,{grey[1]},Training", f"7,{grey[2]},Training", f"0,{grey[3]},PublicTest", f"5,{grey[4]},PrivateTest"]
    return Tree(
        "ck-plus",
        {"data/ckextended.csv": lines(header, *rows)},
        {"0000000": ("neutral", "train"), "0000002": ("anger", "val"), "0000003": ("surprise", "test")},
        rows=4,
        release="ckextended.csv",
        excluded={"contempt": 1},
        with_contempt="0000001",
        bad_label=("data/ckextended.csv", lines(header, *rows, f"8,{grey[5]},Training"), ("1 x", "code 8")),
        by_names=True,
    )


def jaffe() -> Tree:
    images = "KA.AN1.39.tiff KA.HA2.30.tiff KM.NE1.17.TIFF NM.SU158.tiff YM.FE4.70.tiff demo.tiff"
    return Tree(
        "jaffe",
        {f"jaffe/{name}": data for name, data in images_of(images).items()} | {"jaffe/README": b"x"},
        {
            "KA.AN1.39": ("anger", ""),
            "KA.HA2.30": ("happiness", ""),
            "KM.NE1.17": ("neutral", ""),
            "NM.SU158": ("surprise", ""),
            "YM.FE4.70": ("fear", ""),
        },
        rows=6,
        excluded={"name is not like KA.AN1.39.tiff": 1},
        by_names=True,
    )


def kdef() -> Tree:
    images = "AF01/AF01AFS.JPG AF01/AF01ANS.JPG AF01/AF01ANFL.JPG BF01/BF01ANS.JPG AM01/AM01SUHR.JPG AM01/AM01SUS.jpg"
    return Tree(
        "kdef",
        {f"KDEF/{name}": data for name, data in images_of(images + " AF01/Thumb.JPG").items()},
        {
            "AF01AFS": ("fear", ""),
            "AF01ANS": ("anger", ""),
            "BF01ANS": ("anger", ""),
            "AM01SUS": ("surprise", ""),
        },
        rows=7,
        excluded={"full left view": 1, "half right view": 1, "name is not like AF01ANS.JPG": 1},
        by_names=True,
    )


def oulu_casia() -> Tree:
    strong = " ".join(f"VL/Strong/P001/Anger/{i:03d}.jpeg" for i in range(5))
    strong += " VL/Strong/P002/Happiness/000.jpeg VL/Strong/P002/Happiness/001.jpeg"
    others = "VL/Weak/P001/Anger/000.jpeg NI/Strong/P001/Anger/000.jpeg"
    return Tree(
        "oulu-casia",
        {f"Oulu_CASIA_NIR_VIS/{name}": data for name, data in images_of(f"{strong} {others}").items()},
        {
            "VL/Strong/P001/Anger/000": ("neutral", ""),
            "VL/Strong/P001/Anger/002": ("anger", ""),
            "VL/Strong/P001/Anger/003": ("anger", ""),
            "VL/Strong/P001/Anger/004": ("anger", ""),
            "VL/Strong/P002/Happiness/000": ("neutral", ""),
            "VL/Strong/P002/Happiness/001": ("happiness", ""),
        },
        rows=9,
        release="VL, Strong",
        rejected={"VL/Strong/P002/Happiness/000": "neutral and apex frame in one"},
        excluded={"frame between neutral and apex": 1, "other spectrum, light or crop": 2},
        bad_label=("Oulu_CASIA_NIR_VIS/VL/Strong/P003/Hapiness/000.jpeg", picture(9), ("1 x", "'Hapiness'")),
        by_names=True,
    )


TREES = named(ck_plus_sequences, ck_plus_folds, ck_plus_48, ck_plus_csv, jaffe, kdef, oulu_casia)
