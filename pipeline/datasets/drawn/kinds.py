"""What is drawn of a style: still faces, or clips. Each is a sample of its own, with a file for each unit."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.datasets.drawn.anatomy import FaceSpec
from pipeline.datasets.drawn.clips import (
    CLIP_SAMPLES,
    FRAMES_PER_SECOND,
    clip_specs,
    draw_clip,
    draw_clip_sheet,
    style_of_clips,
)
from pipeline.datasets.drawn.pictures import draw_contact_sheet, draw_face, sample_specs
from pipeline.datasets.drawn.styles import STYLES, style_named
from pipeline.errors import ConfigError
from pipeline.suggestions import did_you_mean

__all__ = ["CLIP_GENERATOR_VERSION", "GENERATOR_VERSION", "KINDS", "SAMPLES", "Kind", "kind_of"]

GENERATOR_VERSION = 1
"""Raise it whenever a change of this package changes a byte of any picture."""

CLIP_GENERATOR_VERSION = 1
"""Raise it whenever a change of this package, or of how clips are encoded, changes a byte of any clip."""

SAMPLES = (*STYLES, *CLIP_SAMPLES)

_JPEG_QUALITY = 88


@dataclass(frozen=True)
class Kind:
    """One kind of sample.

    Parameters
    ----------
    unit : `image` or `clip`
    folder : of its files
    version : of the generator
    least_share : files of a process: fewer take no longer than its start
    file_name : sample, id -> name
    written : matches any name that this kind of sample may have written, temporary ones included
    specs : sample, n, seed -> what decides each file
    face : of a spec: id, label, split, subject and intensity of the unit
    encode : spec, sample -> content of its file
    sheet : sample -> a picture of all expressions
    """

    unit: str
    folder: str
    version: int
    least_share: int
    file_name: Callable[[str, str], str]
    written: re.Pattern[str]
    specs: Callable[[str, int, int], list[Any]]
    face: Callable[[Any], FaceSpec]
    encode: Callable[[Any, str], bytes]
    sheet: Callable[[str], npt.NDArray[np.uint8]]


def kind_of(sample: str) -> Kind:
    """The kind of a sample; ConfigError if there is none of that name."""
    if sample not in SAMPLES:
        raise ConfigError(f"sample: unknown name {sample!r:.100}. {did_you_mean(sample, SAMPLES)}")
    return _CLIPS if sample in CLIP_SAMPLES else _FACES


def _face(spec: FaceSpec) -> FaceSpec:
    return spec


def _encoded_picture(spec: FaceSpec, style: str) -> bytes:
    scene, picture, buffer = style_named(style), draw_face(spec, style), io.BytesIO()
    image = Image.fromarray(picture[..., 0] if scene.grey else picture)
    if scene.suffix == ".jpg":
        image.save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    else:
        image.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def _encoded_clip(spec: Any, sample: str) -> bytes:
    from pipeline.video.writing import mp4_bytes  # late: every command reads names of samples, and PyAV takes 60 ms

    return mp4_bytes(draw_clip(spec, style_of_clips(sample)), FRAMES_PER_SECOND)


def _names(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\.?{pattern}(\.[0-9a-f]{{8}}\.partial)?")


_FACES = Kind(
    unit="image",
    folder="images",
    version=GENERATOR_VERSION,
    least_share=50,
    file_name=lambda style, name: name + style_named(style).suffix,
    written=_names(r"[a-e]\d{5}\.(png|jpg)"),
    specs=sample_specs,
    face=_face,
    encode=_encoded_picture,
    sheet=draw_contact_sheet,
)
_CLIPS = Kind(
    unit="clip",
    folder="clips",
    version=CLIP_GENERATOR_VERSION,
    least_share=4,
    file_name=lambda sample, name: f"{name}.mp4",
    written=_names(r"v[a-e]\d{5}\.mp4"),
    specs=clip_specs,
    face=attrgetter("apex"),
    encode=_encoded_clip,
    sheet=draw_clip_sheet,
)
KINDS = (_FACES, _CLIPS)
