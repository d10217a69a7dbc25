"""Which files are images: by their names, where a folder is searched, and by their bytes, where one is opened."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec

from PIL import Image, features

__all__ = [
    "FORMATS",
    "IMAGE_SUFFIXES",
    "decodable_since",
    "is_image",
    "open_formats",
    "special_kind",
    "undecodable",
    "undecodable_kind",
]

# Formats of real datasets. Others stay closed: Pillow would start a program to draw an EPS.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
_SUFFIXES = (
    ".jpg .jpeg .jpe .jfif .jif .pjpeg .pjp .png .apng .bmp .dib .gif .tif .tiff .webp .ppm .pgm .pbm .pnm "
    ".jp2 .j2k .jpf .jpx .heic .heif .hif .avif"
)
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
# The brands of the `ftyp` box that every file of the HEIF family begins with.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_NEEDS = {
    "HEIF": "a HEIC image, and pillow-heif is not installed (pip install 'fer-stage[heic]')",
    "AVIF": "an AVIF image, which this Pillow cannot read (pip install -U 'pillow>=11.3')",
    "JPEG2000": "a JPEG 2000 image, which this Pillow cannot read (install Pillow with OpenJPEG)",
}


def is_image(name: str) -> bool:
    """Whether the name has a suffix of an image format, in any case."""
    _, dot, end = name.rpartition(".")
    return dot + end.casefold() in IMAGE_SUFFIXES


def open_formats(data: bytes) -> tuple[str, ...]:
    """The formats to hand to `PIL.Image.open` for a file with these bytes; other packages' readers are registered."""
    kind = special_kind(data)
    if kind not in ("HEIF", "AVIF") or not _can_decode(kind):
        return FORMATS
    return (*FORMATS, kind)


def undecodable(data: bytes) -> str:
    """Why no decoder that is installed reads a file with these bytes; empty for every other file, damaged ones too."""
    return undecodable_kind(special_kind(data))


def undecodable_kind(kind: str) -> str:
    """As `undecodable`, of a file of the format that `special_kind` gave."""
    return "" if not kind or _can_decode(kind) else _NEEDS[kind]


def decodable_since(reasons: Iterable[str]) -> dict[str, str]:
    """The reasons of `undecodable` that no longer apply, with their formats: a decoder was installed since."""
    recorded = set(reasons)
    return {reason: kind for kind, reason in _NEEDS.items() if reason in recorded and _can_decode(kind)}


def special_kind(data: bytes) -> str:
    """The format of a file with these bytes if it is one that not every installation can decode; else empty."""
    if data[4:8] == b"ftyp":
        size = int.from_bytes(data[:4], "big")
        # The major brand, then (after a version number) the compatible ones: iPhones write `mif1` first.
        brands = {data[8:12], *(data[i : i + 4] for i in range(16, min(size, 128), 4))}
        if brands & _HEIC_BRANDS:
            return "HEIF"
        return "AVIF" if brands & _AVIF_BRANDS else ""
    is_jpeg2000 = data[:4] == b"\xff\x4f\xff\x51" or data[4:12] == b"jP  \r\n\x87\n"
    return "JPEG2000" if is_jpeg2000 else ""


def _can_decode(kind: str) -> bool:
    if kind == "JPEG2000":
        return features.check("jpg_2000") is True
    if kind == "AVIF":
        return find_spec("PIL._avif") is not None
    if find_spec("pillow_heif") is None:
        return False
    if kind not in Image.OPEN:
        import_module("pillow_heif").register_heif_opener()
    return True
