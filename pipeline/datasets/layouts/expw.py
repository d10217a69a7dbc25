"""`expw`: faces in pictures from the web, several of them in some, with a box and a confidence each."""

from __future__ import annotations

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.box_order import edge_boxes
from pipeline.datasets.reading.boxes import pixel_box
from pipeline.datasets.reading.field_lists import number, read_fields
from pipeline.datasets.reading.listfile import Line
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.sample import Sample

__all__ = ["Expw", "ExpwOptions"]

_LIST = "label/label.lst"
_EDGES = ("top", "left", "right", "bottom")
_COLUMNS = ("name", "face_id", *_EDGES, "confidence", "label")
_EXAMPLE = "afraid_african_214.jpg 0 28 113 226 141 22.9525 2"


class ExpwOptions(LayoutOptions):
    min_confidence: float | None = Field(
        None, description="leave out faces that the detector was less sure of, as the list states it; default: none"
    )


_FACTS = DatasetFacts(
    title="ExpW (Expression in-the-Wild)",
    content="91,793 faces in pictures from web searches, several in some pictures",
    access="from its authors, in parts of one 7z archive",
    licence="See the agreement that comes with the dataset.",
    reference="Zhang et al., From Facial Expression Recognition to Interpersonal Relation Prediction, IJCV 2018",
    label_codes="last field of label.lst: 0 anger, 1 disgust, 2 fear, 3 happiness, 4 sadness, 5 surprise, 6 neutral",
    counts=(
        PublishedCounts(
            "label.lst",
            labels={
                "": {
                    "surprise": 7_060,
                    "fear": 1_088,
                    "disgust": 3_995,
                    "happiness": 30_537,
                    "sadness": 10_559,
                    "anger": 3_671,
                    "neutral": 34_883,
                }
            },
            options={"min_confidence": None},
            source="as quoted in the literature",
        ),
    ),
    traps=(
        "The box is top, left, right, bottom: read in the usual order it shows another part of the picture.",
        "A picture may have several faces: all of them belong in one split.",
        "There is no official split: results with other splits cannot be compared.",
        "MMA holds these faces too, so that neither of the two is an unseen domain for the other.",
    ),
    biases=("Found by searching the web for words of emotion, so that posed and stock pictures are frequent.",),
)


class Expw:
    """`data/label/label.lst`, one face a line (`name face_id top left right bottom confidence label`), and
    `data/image/origin/`.

    The four numbers are the edges of the face in pixels, the top one first; if most boxes cannot be boxes in this
    order the list is refused. The faces of one picture are a group, which no split divides. Sample ids are name and
    face, `name.jpg#0`. There is no official split.
    """

    name = "expw"
    summary = f"data/{_LIST} and data/image/origin/*.jpg"
    Options = ExpwOptions
    facts = _FACTS

    def scan(self, root: Root, options: ExpwOptions) -> Scan:
        name = root.find(_LIST) or root.find("label.lst")
        if name is None:
            raise not_this_layout(root, self)
        where = f"{root.path}: {name}"
        lines = read_fields(root, name, _COLUMNS, _EXAMPLE)
        labels = translate([line["label"] for line in lines], CODE_MAPS["fer2013"], where)
        boxes = edge_boxes(lines, _EDGES, where)
        lookup, folder = Lookup(root.names(), parts=2), _images_folder(name)
        rows = [
            Row(_sample(line, lookup, folder, label, box), _excluded(line, options))
            for line, label, box in zip(lines, labels, boxes, strict=True)
        ]
        return assemble(merge_repeats(rows, options.names), options)


def _images_folder(name: str) -> str:
    if name.casefold().endswith(f"/{_LIST}") or name.casefold() == _LIST:
        return f"{name[: -len(_LIST)]}image/origin/"
    return f"{name[: -len('label.lst')]}origin/"


def _sample(line: Line, lookup: Lookup, folder: str, label: str, numbers: tuple[float, ...] | None) -> Sample:
    name = line["name"].replace("\\", "/").rpartition("/")[2]
    box, reason = (None, "") if numbers is None else pixel_box(numbers)
    return Sample(f"{name}#{line['face_id']}", lookup(f"{folder}{name}"), label, "", reason=reason, box=box)


def _excluded(line: Line, options: ExpwOptions) -> str:
    lowest, confidence = options.min_confidence, number(line, "confidence")
    return "" if lowest is None or confidence >= lowest else f"confidence below {lowest:g}"
