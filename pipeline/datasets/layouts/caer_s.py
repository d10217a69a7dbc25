"""`caer-s`: whole scenes of television series in class folders; the faces in them are a separate list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.box_order import edge_boxes
from pipeline.datasets.reading.boxes import pixel_box
from pipeline.datasets.reading.class_folders import class_rows, other_files
from pipeline.datasets.reading.field_lists import read_fields
from pipeline.datasets.reading.listfile import Line
from pipeline.datasets.reading.rows import Row, assemble, split_word
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError
from pipeline.tables.labels import canonical
from pipeline.tables.sample import Sample

__all__ = ["CaerS", "CaerSOptions"]

_LISTS = {"train": "train.txt", "test": "test.txt"}
_EDGES = ("left", "top", "right", "bottom")
_EXAMPLE = "train/Anger/0001.png,0,214,48,402,236"
_NOT_LISTED = "no face in the list"


class CaerSOptions(LayoutOptions):
    faces: Literal["scene", "list"] = Field(
        "scene",
        description="scene: the whole picture; list: the boxes of train.txt and test.txt (path,label,x1,y1,x2,y2)",
    )


_FACTS = DatasetFacts(
    title="CAER-S",
    content="still pictures of television series: whole scenes, often with several people, in seven classes",
    access="from the website of its authors",
    licence="See the agreement that comes with the dataset.",
    reference="Lee et al., Context-Aware Emotion Recognition Networks, ICCV 2019",
    label_codes="names of folders: Anger, Disgust, Fear, Happy, Neutral, Sad, Surprise",
    traps=(
        "The pictures are scenes and not faces: encode them with `extract --faces aligned`, or read the list of faces.",
        "The lists of faces are not part of the dataset: they come from detectors of others and leave some scenes out.",
        "Neighbouring frames of one clip are in one folder, and no file says which belong together.",
    ),
    biases=("Actors in television series; the scene often gives the expression away.",),
)


class CaerS:
    """`train|test/Anger/0001.png`: whole scenes; with `faces: list` also train.txt and test.txt with a face in each.

    By default the picture is the whole scene: an encoder sees people and room. `extract --faces aligned` finds and
    crops the largest face.

    With `faces: list` each line `path,label,x1,y1,x2,y2` gives the box of the face in a picture of that split. The
    label is the picture's folder; a code that is used for two folders is an error. Scenes that the list does not name
    are left out and counted. The official splits are train and test; val is carved out of train.
    """

    name = "caer-s"
    summary = "train/Anger/0001.png and test/Anger/0001.png, scenes in seven class folders"
    Options = CaerSOptions
    facts = _FACTS

    def scan(self, root: Root, options: CaerSOptions) -> Scan:
        rows = class_rows(root, None)
        if not any(row.sample.split for row in rows if not row.excluded):
            raise not_this_layout(root, self)
        if options.faces == "list":
            lists = {split: name for split, tail in _LISTS.items() if (name := root.find(tail))}
            unread = other_files(root, lists.values())
            return assemble(_with_faces(root, rows, lists), options, "faces of a list", unread_files=unread)
        return assemble(rows, options, "whole scenes", unread_files=other_files(root))


def _with_faces(root: Root, rows: Sequence[Row], lists: Mapping[str, str]) -> list[Row]:
    splits = {row.sample.split for row in rows if not row.excluded}
    if missing := sorted(splits - lists.keys()):
        raise DatasetError(
            f"{root.path}: expected a list of faces for each of {', '.join(sorted(splits))}, found none for "
            f"{', '.join(missing)}. Add {' and '.join(f'{split}.txt' for split in missing)}, or set the option faces "
            "to scene"
        )
    scenes = {(row.sample.split, _tail(row.sample.path).casefold()): row for row in rows if not row.excluded}
    listed: dict[tuple[str, str], Row] = {}
    for split, name in lists.items():
        listed |= _face_rows(root, name, split, scenes)
    without = [replace(row, excluded=_NOT_LISTED) for key, row in scenes.items() if key not in listed]
    return [*listed.values(), *without, *(row for row in rows if row.excluded)]


def _face_rows(root: Root, name: str, split: str, scenes: Mapping[tuple[str, str], Row]) -> dict[tuple[str, str], Row]:
    where = f"{root.path}: {name}"
    lines = read_fields(root, name, ("path", "label", *_EDGES), _EXAMPLE, ",")
    tails = [_tail(line["path"].replace("\\", "/")) for line in lines]
    _check_lines(lines, tails, where)
    _check_split(lines, split, where)
    above = next((row.sample.path[: -len(tail)] for (of, tail), row in scenes.items() if of == split), f"{split}/")
    rows = {}
    for tail, numbers in zip(tails, edge_boxes(lines, _EDGES, where), strict=True):
        key = (split, tail.casefold())
        folder = tail.partition("/")[0]
        sample = scenes[key].sample if key in scenes else Sample(f"{split}/{tail}", f"{above}{tail}", "", split)
        box, reason = (None, "") if numbers is None else pixel_box(numbers)
        rows[key] = Row(replace(sample, label=sample.label or canonical(folder), box=box, reason=reason))
    return rows


def _check_lines(lines: Sequence[Line], tails: Sequence[str], where: str) -> None:
    if bad := [line["path"] for line, tail in zip(lines, tails, strict=True) if "/" not in tail]:
        raise DatasetError(
            f"{where}: expected paths with their class folder, such as {_EXAMPLE.partition(',')[0]}, found {len(bad)} "
            f"others: {some(bad)}. Correct the list"
        )
    if twice := [tail for tail, n in Counter(tails).items() if n > 1]:
        raise DatasetError(
            f"{where}: expected one face of every picture, found {len(twice):,} pictures with more: {some(twice)}. "
            "Keep one line for each"
        )
    folders: dict[str, str] = {}
    for line, tail in zip(lines, tails, strict=True):
        folder = tail.partition("/")[0]
        if (other := folders.setdefault(line["label"], folder)) != folder:
            raise DatasetError(
                f"{line.where}: expected one class for each code, found {line['label']} for {other}/ and {folder}/. "
                "Are list and pictures of one release?"
            )


def _check_split(lines: Sequence[Line], split: str, where: str) -> None:
    """Both splits have pictures of the same names: a box of one would be that of another picture in the other."""
    folders = [line["path"].replace("\\", "/").split("/")[:-2] for line in lines]
    if wrong := [
        line["path"] for line, above in zip(lines, folders, strict=True) if {*map(split_word, above)} - {"", split}
    ]:
        raise DatasetError(
            f"{where}: expected pictures of {split}, found {len(wrong):,} of another split: {some(wrong)}. Are the "
            "lists named after their splits?"
        )


def _tail(path: str) -> str:
    """Class folder and name."""
    return "/".join(composed(path).split("/")[-2:])
