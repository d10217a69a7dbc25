"""Drawn faces and clips: five styles of each, which the project carries as code: no download, no licence."""

from pipeline.datasets.drawn.anatomy import FaceSpec
from pipeline.datasets.drawn.clips import CLIP_SAMPLES, ClipSpec, clip_specs, draw_clip, draw_clip_sheet
from pipeline.datasets.drawn.dataset import (
    DrawingProcess,
    draw_dataset,
    drawing_changes,
    is_free,
    require_drawable,
    unfinished_drawing,
)
from pipeline.datasets.drawn.kinds import CLIP_GENERATOR_VERSION, GENERATOR_VERSION, SAMPLES, kind_of
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
    "CLIP_GENERATOR_VERSION",
    "CLIP_SAMPLES",
    "GENERATOR_VERSION",
    "MOST_PEOPLE",
    "SAMPLES",
    "STYLES",
    "ClipSpec",
    "DrawingProcess",
    "FaceSpec",
    "clip_specs",
    "draw_clip",
    "draw_clip_sheet",
    "draw_contact_sheet",
    "draw_dataset",
    "draw_face",
    "draw_group",
    "drawing_changes",
    "group_specs",
    "is_free",
    "kind_of",
    "require_drawable",
    "sample_specs",
    "unfinished_drawing",
]
