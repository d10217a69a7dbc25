"""From a name to a picture: a row of a sample table, whose bytes are known, or any file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from pipeline.errors import ChangedImageError, ImageError
from pipeline.images.decode import decode_picture
from pipeline.images.transform import Box
from pipeline.regular_files import RefusedFileError, read_regular

__all__ = [
    "MAX_IMAGE_BYTES",
    "ImageRow",
    "ImageSource",
    "file_picture",
    "read_image",
    "row_picture",
    "unreadable_reason",
]

MAX_IMAGE_BYTES = 256 * 2**20  # of one file, as it is encoded; the largest of real datasets have some 50 MB


class ImageSource(Protocol):
    """What images are read from; every root of `pipeline.datasets.roots` is one."""

    def read(self, name: str, /) -> bytes:
        """The bytes of the file that the sample table calls `name`.

        Raises
        ------
        ImageError
            If there is no such file, or it cannot be read.
        """

    def difference(self, name: str, data: bytes, sha256: str, /) -> str:
        """How the file, of which `read` gave `data`, is not the one that the sample table knows by `sha256`.

        Returns
        -------
        The end of a sentence about it; empty if it is that file.
        """


@dataclass(frozen=True, slots=True)
class ImageRow:
    """The image of one row of a sample table, and which of its views are encoded.

    Parameters
    ----------
    row : of the table
    path : as the table has it, `archive.tar::member` included
    sha256 : of the file's bytes; of a frame of a video see `pipeline.video.identity`
    box : x, y, width, height, pixels; ignored where there is a face
    views : numbers of the views
    face : x, y of five landmarks, pixels of the whole picture; the image is aligned by them
    """

    row: int
    path: str
    sha256: str
    box: Box | None = None
    views: tuple[int, ...] = (0,)
    face: tuple[float, ...] | None = None


def read_image(root: ImageSource, image: ImageRow) -> bytes:
    """The file's bytes. A file that is not the one in the table is no bad image but another dataset.

    Raises
    ------
    ChangedImageError
        If the file is gone or changed since it was indexed. The message ends with what to do, without the command.
    """
    try:
        data = root.read(image.path)
    except ImageError as error:
        raise ChangedImageError(
            f"{image.path} was there when it was indexed, now: {error}. Index the dataset again"
        ) from error
    if difference := root.difference(image.path, data, image.sha256):
        raise ChangedImageError(f"{image.path} {difference} (row {image.row}). Index the dataset again")
    return data


def row_picture(root: ImageSource, image: ImageRow) -> Image.Image:
    """The upright picture of a row, mode RGB; ImageError if it cannot be decoded, and as `read_image`."""
    return decode_picture(read_image(root, image))


def file_picture(path: Path) -> Image.Image:
    """The upright picture in a file of no sample table, mode RGB; of an animation the first frame.

    Raises
    ------
    ImageError
        With a short reason, if it is no regular file, too large, or no image.
    """
    try:
        data = read_regular(path, MAX_IMAGE_BYTES)
    except OSError as error:
        raise ImageError(unreadable_reason(error)) from error
    return decode_picture(data)


def unreadable_reason(error: OSError) -> str:
    """Why a file is not read, in a few words."""
    return str(error.strerror) if isinstance(error, RefusedFileError) else f"file cannot be read: {error.strerror}"
