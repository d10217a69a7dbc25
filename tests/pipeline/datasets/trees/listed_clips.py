"""Clips of any dataset, by lists, tables, and class folders."""

from __future__ import annotations

from trees.acted_clips import frames_of
from trees.tree import Tree, images_of, lines, named, picture


def clips_with_numbers_of_frames() -> Tree:
    """Three lists: a number of frames is not that on disk, a path has spaces, a clip is missing, one has two labels."""
    clips = frames_of("faces/00001 faces/00002 faces/00003") | {"faces/clip 4/001.png": picture(60)}
    return Tree(
        "clips",
        clips
        | {
            "lists/train.txt": lines(
                "faces/00001 30 3", "faces/00002.mp4 2 5", "faces/00099 16 3", "faces/00002 2 6", end="\r\n"
            ),
            "lists/test.txt": lines("./faces/00003\t2\t4", "", "faces/00003 2 4"),
            "lists/valid.csv": lines("faces/clip 4,1,0"),
        },
        {
            "faces/00001": ("happiness", "train"),
            "faces/00002.mp4": ("surprise", "train"),
            "faces/00099": ("happiness", "train"),
            "faces/00003": ("sadness", "test"),
            "faces/clip 4": ("anger", "val"),
        },
        rows=7,
        rejected={"faces/00099": "clip is missing", "faces/00002.mp4": "conflicting rows"},
        excluded={"repeated row": 2},
        options={"codes": "fer2013"},
        bad_label=("lists/train.txt", lines("faces/00001 2 7", "faces/00002 2 hapy"), ("1 x", "code 7", "'hapy'")),
    )


def clips_of_a_table() -> Tree:
    table = ["video path,Label,Subject,scene,fold,set,note", "a/one,Happy,p1,School,1,training,x"]
    table += ["a/two,anger,p2,War,2,training,y", "b/three,contempt,p3,War,2,test,z", "b/four,Fear,p3,War,2,test,z"]
    return Tree(
        "clips",
        frames_of("a/one a/two b/three b/four") | {"clips.csv": lines(*table), "unread/1.png": picture(99)},
        {"a/one": ("happiness", "train"), "a/two": ("anger", "train"), "b/four": ("fear", "test")},
        rows=4,
        excluded={"contempt": 1},
        with_contempt="b/three",
        bad_label=("clips.csv", lines("path,label", "a/one,hapy"), ("1 x", "'hapy'", "'happiness'")),
    )


def clips_of_frames() -> Tree:
    """A row for each frame; their order is that of the numbers."""
    rows = [f"frames/x_{i}.png\thappy\tx\tp1" for i in (10, 2, 1)] + ["frames/y_1.png\tsad\ty\tp2"]
    rows += ["frames/y_2.png\tfear\ty\tp2", "frames/x_1.png\thappy\tx\tp1"]
    return Tree(
        "clips",
        images_of("frames/x_1.png frames/x_2.png frames/x_10.png frames/y_1.png frames/y_2.png")
        | {"labels.tsv": lines("path\tlabel\tclip\tsubject", *rows)},
        {"x": ("happiness", ""), "y": ("sadness", "")},
        rows=3,
        rejected={"y": "conflicting rows"},
        excluded={"repeated row": 1},
    )


def clips_in_class_folders() -> Tree:
    clips = "train/Happy/s1/clip01 train/Angry/clip02 test/sad/clip01 test/contempt/clip03"
    return Tree(
        "clips",
        frames_of(clips) | {"train/Happy/notes.txt": b"x", "other/1.png": picture(88)},
        {
            "train/Happy/s1/clip01": ("happiness", "train"),
            "train/Angry/clip02": ("anger", "train"),
            "test/sad/clip01": ("sadness", "test"),
        },
        rows=5,
        excluded={"contempt": 1, "outside the class folders (./)": 1},
        with_contempt="test/contempt/clip03",
        bad_label=("train/hapy/clip05/1.png", picture(99), ("1 x", "'hapy'", "'happiness'")),
        by_names=True,
    )


TREES = named(clips_with_numbers_of_frames, clips_of_a_table, clips_of_frames, clips_in_class_folders)
