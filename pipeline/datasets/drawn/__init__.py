"""Drawn faces: five small datasets that the project carries as code, which need no download and no licence."""

from pipeline.datasets.drawn.anatomy import FaceSpec
from pipeline.datasets.drawn.dataset import (
    GENERATOR_VERSION,
    draw_dataset,
    drawing_changes,
    is_free,
    require_drawable,
    unfinished_drawing,
)
from pipeline.datasets.drawn.pictures import (
    MOST_PEOPLE,
    draw_contact_sheet,
    draw_face,
    draw_group,
    group_specs,
    sample_specs,
)
from pipeline.datasets.drawn.styles import STYLES

__all__ = [
    "GENERATOR_VERSION",
    "MOST_PEOPLE",
    "STYLES",
    "FaceSpec",
    "draw_contact_sheet",
    "draw_dataset",
    "draw_face",
    "draw_group",
    "drawing_changes",
    "group_specs",
    "is_free",
    "require_drawable",
    "sample_specs",
    "unfinished_drawing",
]
