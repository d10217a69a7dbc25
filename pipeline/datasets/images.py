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

from pipeline.datasets.formats import open_formats, undecodable
from pipeline.errors import ImageError

__all__ = ["DECODER", "MAX_PIXELS", "as_picture", "crop", "decode", "decode_picture", "decoder_version"]

DECODER = "pillow"
MAX_PIXELS = 80_000_000  # below Pillow's own limit, so that ours is the one that speaks

_ORIENTATION = 0x0112
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
    data : the whole file; what it is says its content, not its name

    Returns
    -------
    Image of mode RGB
        Upright by its EXIF orientation. Grey is replicated; 16 bits are scaled to 8; floats are taken as [0, 1]
        if they lie in it, else as [0, 255]; transparency is laid over black; of an animation the first frame is taken.
        Colour profiles are not applied.

    Raises
    ------
    ImageError
        With a short stable reason, the same for every file with that fault. Pictures above `MAX_PIXELS` are refused
        from the header.
    """
    if not data:
        raise ImageError("file is empty")
    with _quiet(), _load(data) as image:
        return _upright(image)


def as_picture(image: Image.Image) -> Image.Image:
    """An image that somebody else opened, as `decode_picture` gives it; ImageError if its file turns out damaged."""
    with _quiet():
        try:
            image.load()
        except _DAMAGED as error:
            raise ImageError(_CUT_OFF) from error
        return _upright(image)


def crop(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The part of `picture` inside `box` (x, y, width, height); what sticks out of the picture is left off.

    Raises
    ------
    ImageError
        If nothing of the box lies inside, or less than 2 x 2 pixels.
    """
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, picture.width), min(y + height, picture.height)
    if left >= right or top >= bottom:
        raise ImageError("box lies outside the image")
    if right - left < 2 or bottom - top < 2:
        raise ImageError("less than 2 x 2 pixels of the box lie inside the image")
    return picture.crop((left, top, right, bottom))


def decoder_version() -> str:
    """What decoded the pixels, for provenance: another JPEG library may round differently."""
    jpeg = features.version_feature("libjpeg_turbo") or features.version_codec("jpg") or "unknown"
    return f"{DECODER} {PIL.__version__}, libjpeg {jpeg}"


def _load(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=open_formats(data))
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(_TOO_LARGE)
        image.load()
    except UnidentifiedImageError as error:
        raise ImageError(undecodable(data) or "not an image") from error
    except Image.DecompressionBombError as error:
        raise ImageError(_TOO_LARGE) from error
    except _DAMAGED as error:
        raise ImageError(_CUT_OFF) from error
    return image


def _upright(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    rgb = _to_rgb(image)
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGED:
        return 1  # a broken note beside the picture does not make the picture bad


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _to_eight_bits(image).convert("RGB")
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for an inverted one of Adobe's; without that mark it is not.
        return image.point(lambda value: 255 - value).convert("RGB")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # converting RGB to RGB would copy it


def _to_eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError("pixels are not finite")
    if image.mode != "F":
        if values.min() < 0 or values.max() > 65535:
            raise ImageError("pixels have more than 16 bits")
        values = values / 257
    elif values.min() >= 0 and values.max() <= 1:
        values = values * 255
    return Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))


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
