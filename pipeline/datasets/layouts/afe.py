"""`afe`: Asian faces from films, in official train and test lists with a box each."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.box_order import EDGES, edge_boxes, with_box
from pipeline.datasets.reading.field_lists import read_fields
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate
from pipeline.datasets.roots.files import Lookup, Root, escapes, some
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.sample import Sample

__all__ = ["Afe"]

_LISTS = {"train": "annos/TrainTest/Train.csv", "test": "annos/TrainTest/Test.csv"}
_COLUMNS = ("path", *EDGES.names, "emotion")
_EXAMPLE = "film/0001.jpg 120 40 310 270 3"

_FACTS = DatasetFacts(
    title="AFE (Asian Facial Expression)",
    content="faces of Asian people from films, with a box and one of seven expressions each",
    access="on request from its authors",
    licence="See the agreement that comes with the dataset.",
    reference="Chen et al., Cross-Domain Facial Expression Recognition: A Unified Evaluation Benchmark and Adversarial "
    "Graph Learning, TPAMI 2022",
    label_codes="0 anger, 1 disgust, 2 fear, 3 happiness, 4 neutral, 5 sadness, 6 surprise",
    traps=(
        "The codes are in alphabetical order here, and others in the lists of AFED (0 neutral, 1 happiness, "
        "3 surprise, 4 sadness, 5 disgust, 6 fear, 9 anger).",
        "Train.csv and Test.csv have no header, and spaces between the fields.",
    ),
    biases=("Actors in films, posed for a camera.",),
)


class Afe:
    """`annos/TrainTest/Train.csv` and `Test.csv`, one face a line (`path left top right bottom emotion`).

    Fields are separated by spaces, tabs or commas, with or without a header. Images are found by the path in the list,
    in whatever folder below the root. The official splits are train and test; val is carved out of train. Sample ids
    are path and box.
    """

    name = "afe"
    summary = f"{_LISTS['train']} and Test.csv with lines 'path left top right bottom emotion', and the images"
    Options = LayoutOptions
    facts = _FACTS

    def scan(self, root: Root, options: LayoutOptions) -> Scan:
        lists = {split: name for split, tail in _LISTS.items() if (name := root.find(tail))}
        if not lists:
            raise not_this_layout(root, self)
        lookups: dict[int, Lookup] = {}
        rows = [row for split, name in lists.items() for row in _rows(root, name, split, lookups)]
        return assemble(merge_repeats(rows, options.names), options)


def _rows(root: Root, name: str, split: str, lookups: dict[int, Lookup]) -> list[Row]:
    where = f"{root.path}: {name}"
    first = next((line for line in root.lines(name) if line.strip()), "")
    lines = read_fields(root, name, _COLUMNS, _EXAMPLE, "," if "," in first else None)
    paths = [line["path"].replace("\\", "/").removeprefix("./") for line in lines]
    if bad := [path for path in paths if escapes(path)]:
        raise DatasetError(
            f"{where}: expected paths relative to the images' folder, found {len(bad)} others: {some(bad)}. Correct "
            "the list"
        )
    labels = translate([line["emotion"] for line in lines], CODE_MAPS["alphabetical-7"], where)
    boxes = edge_boxes(lines, EDGES.names, where)
    base = _images_folder(root, name, paths, lookups)
    rows = []
    for path, label, numbers in zip(paths, labels, boxes, strict=True):
        sample_id, box, reason = with_box(path, numbers)
        file = _file(root, path, lookups) or base + path
        rows.append(Row(Sample(sample_id, file, label, split, reason=reason, box=box)))
    return rows


def _file(root: Root, path: str, lookups: dict[int, Lookup]) -> str:
    """The file whose path ends with `path`; empty if there is none."""
    n_parts = path.count("/") + 1
    lookup = lookups.get(n_parts) or lookups.setdefault(n_parts, Lookup(root.names(), n_parts))
    name = lookup(path)
    return name if root.exists(name) else ""


def _images_folder(root: Root, name: str, paths: Sequence[str], lookups: dict[int, Lookup]) -> str:
    """The folder that the paths of a list start from, by the first image that exists; else the one of `annos/`."""
    for path in paths:
        if file := _file(root, path, lookups):
            return file[: -len(path)]
    return name[: name.casefold().rindex("annos/")]
