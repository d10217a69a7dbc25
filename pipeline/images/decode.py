"""One image file -> one array, the same way in every command. Odd pictures become RGB; bad ones become a reason."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, UnidentifiedImageError, features

from pipeline.errors import ImageError
from pipeline.images.formats import open_formats, undecodable
from pipeline.images.rgb import check_16_bit_colours, has_16_bit_colours, to_rgb

__all__ = [
    "DECODER",
    "MAX_PIXELS",
    "as_picture",
    "decode",
    "decode_picture",
    "decoder_version",
]

DECODER = "pillow"
MAX_PIXELS = 80_000_000  # below Pillow's own limit, so that the message is ours
# Of formats whose decoders take 15 to 25 bytes a pixel, where others take 5 to 10: a picture stays below 1 GB.
_MAX_PIXELS_OF = {"WEBP": 40_000_000, "JPEG2000": 40_000_000, "AVIF": 50_000_000, "HEIF": 50_000_000}

_ORIENTATION = 0x0112
_TIFF = (b"II*\0", b"MM\0*")
_UNKNOWN_TIFF = "TIFF of a kind that is not read: colours of floats or of 32 bits, or an unknown compression"
_TOO_LARGE = "image is too large"
_CUT_OFF = "image is damaged or cut off"
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# All that Pillow's parsers are known to raise on damaged bytes.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


def decode(data: bytes) -> npt.NDArray[np.uint8]:
    """The picture in the bytes of an image file: uint8 (H, W, 3). See `decode_picture`."""
    return np.array(decode_picture(data), dtype=np.uint8)


def decode_picture(data: bytes) -> Image.Image:
    """The picture in the bytes of an image file.

    Parameters
    ----------
    data : the whole file; its format is that of its content, whatever its name

    Returns
    -------
    Image of mode RGB
        Upright by its EXIF orientation. Grey is replicated; transparency is laid over black; of an animation the first
        frame is taken. Colour profiles are not applied.

    Raises
    ------
    ImageError
        With a short reason; up to its first colon it is the same for every file with that fault. Pictures above
        `MAX_PIXELS` (WebP and JPEG 2000: 40, AVIF and HEIC: 50 million) are refused from the header.

    Notes
    -----
    More than 8 bits are scaled to 8 by a range that explains all values of the picture (`pipeline.images.ranges`):

    - Floats: [0, 1] with an overshoot of 0.1 and a maximum of 1/16 or more; [-1, 1] with an overshoot of 0.2 and a
      minimum of -0.25 or less; [0, 255] with an overshoot of 25.5 and a maximum of 32 or more.
    - 16 bits without sign, grey or colour: [0, 65535] with a maximum of 16384 or more. JPEG 2000, PGM and PPM state
      their range, as do TIFFs of 12 bits a sample: theirs is used.
    - 32-bit integers: [0, 255] with a maximum from 32 to 255; [0, 65535] with a maximum of 16384 or more.

    A picture of zeros is black. Any other, such as 8, 12 or 14 bits inside 16, a mask of zeros and ones, or values that
    were standardised, is refused: another reading would make it almost black.
    """
    if not data:
        raise ImageError("file is empty")
    with _quiet(), _open(data) as image:
        return _upright(image)


def as_picture(image: Image.Image) -> Image.Image:
    """An image that the caller opened, as `decode_picture` gives it; ImageError if its file turns out damaged."""
    with _quiet():
        return _upright(image)


def decoder_version() -> str:
    """What decoded the pixels, for provenance: another JPEG library may round differently."""
    jpeg = features.version_feature("libjpeg_turbo") or features.version_codec("jpg") or "unknown"
    return f"{DECODER} {PIL.__version__}, libjpeg {jpeg}"


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=open_formats(data))
    except UnidentifiedImageError as error:
        why = _UNKNOWN_TIFF if data.startswith(_TIFF) else undecodable(data)
        raise ImageError(why or "not an image") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{_TOO_LARGE}: at most {MAX_PIXELS:,} pixels, found more") from error
    except _DAMAGED as error:
        raise ImageError(_CUT_OFF) from error
    return image


def _check_pixels(image: Image.Image) -> None:
    limit = _MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
    if image.width * image.height > limit:
        raise ImageError(f"{_TOO_LARGE}: at most {limit:,} pixels, found {image.width} x {image.height}")


def _upright(image: Image.Image) -> Image.Image:
    try:
        _check_pixels(image)
        is_16_bit = has_16_bit_colours(image)
        image.load()
    except Image.DecompressionBombError as error:
        raise ImageError(f"{_TOO_LARGE}: at most {MAX_PIXELS:,} pixels, found more") from error
    except _DAMAGED as error:
        raise ImageError(_CUT_OFF) from error
    if is_16_bit:
        check_16_bit_colours(image)
    transpose = _UPRIGHT.get(_orientation(image))
    rgb = to_rgb(image)
    return rgb if transpose is None else rgb.transpose(transpose)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGED:
        return 1  # damaged metadata does not make the picture unusable


_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters = warnings.catch_warnings()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings while any thread decodes.

    The filters belong to the whole process: two threads that each saved and restored them would leave them changed.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_filters = warnings.catch_warnings()
            _quiet_filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if not _quiet_depth:
                _quiet_filters.__exit__(None, None, None)
