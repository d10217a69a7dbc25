"""Drawn faces: five small datasets that the project carries as code, with no download and no licence to ask for."""

from pipeline.datasets.drawn.anatomy import FaceSpec
from pipeline.datasets.drawn.generate import (
    GENERATOR_VERSION,
    MOST_PEOPLE,
    begun_drawing,
    draw_contact_sheet,
    draw_dataset,
    draw_group,
    drawing_changes,
    is_free,
    require_drawable,
)
from pipeline.datasets.drawn.styles import STYLES, draw_face, sample_specs

__all__ = [
    "GENERATOR_VERSION",
    "MOST_PEOPLE",
    "STYLES",
    "FaceSpec",
    "begun_drawing",
    "draw_contact_sheet",
    "draw_dataset",
    "draw_face",
    "draw_group",
    "drawing_changes",
    "is_free",
    "require_drawable",
    "sample_specs",
]
