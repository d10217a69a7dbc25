"""One picture to look at, whatever it comes from: a file, a video, or the caller's own memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.datasets.roots.files import MAX_IMAGE_BYTES
from pipeline.errors import ImageError, InputError
from pipeline.images.decode import as_picture, decode_picture
from pipeline.images.ranges import SHARES, eight_bits
from pipeline.regular_files import RefusedFileError, read_regular

__all__ = ["Still", "still_of_array", "still_of_file", "still_of_picture", "unread_reason"]


@dataclass(frozen=True)
class Still:
    """A picture that is loaded when it is needed.

    Parameters
    ----------
    image, frame, seconds : of `Prediction`
    load : gives the upright picture, mode RGB; ImageError with a short reason if it cannot
    """

    image: str
    load: Callable[[], Image.Image]
    frame: int | None = None
    seconds: float | None = None


def still_of_file(path: Path) -> Still:
    """The picture in a file; of an animation the first frame."""
    return Still(str(path), partial(_read, path))


def still_of_picture(picture: Image.Image, name: str) -> Still:
    """A picture of any mode, turned as its EXIF says."""
    return Still(name, partial(as_picture, picture))


def still_of_array(pixels: npt.NDArray[Any], name: str, colour: str = "rgb") -> Still:
    """Pixels of shape (H, W, 3) or, grey, (H, W): uint8, or floats in [0, 1] (see `SHARES`).

    Parameters
    ----------
    colour : order of the channels, `rgb` or `bgr`

    Raises
    ------
    InputError
        If they are something else, or floats of another range.
    """
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not (pixels.dtype == np.uint8 or pixels.dtype.kind == "f") or not fits or not pixels.size:
        raise InputError(
            f"picture {name}: expected pixels uint8 from 0 to 255, or floats from 0 to 1, of shape (H, W, 3) or "
            f"(H, W), found {pixels.dtype} {pixels.shape}. Convert them first"
        )
    plain = pixels if pixels.dtype == np.uint8 else _of_floats(pixels, name)
    ordered = plain[..., ::-1] if colour == "bgr" and plain.ndim == 3 else plain
    return Still(name, lambda: Image.fromarray(np.ascontiguousarray(ordered)).convert("RGB"))


def _of_floats(pixels: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    try:
        return eight_bits(pixels, (SHARES,))
    except ImageError as error:
        raise InputError(
            f"picture {name}: expected floats from 0 to 1, found {pixels.dtype} from {pixels.min():g} to "
            f"{pixels.max():g}. Scale them to that range, or convert them to uint8"
        ) from error


def _read(path: Path) -> Image.Image:
    try:
        data = read_regular(path, MAX_IMAGE_BYTES)
    except OSError as error:
        raise ImageError(unread_reason(error)) from error
    return decode_picture(data)


def unread_reason(error: OSError) -> str:
    """Why a file is not read, as a reason of `Prediction`."""
    return str(error.strerror) if isinstance(error, RefusedFileError) else f"file cannot be read: {error.strerror}"
