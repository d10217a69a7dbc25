"""What `query --near` was given: a row of the store, an image file or a text, as a vector in the store's space."""

from __future__ import annotations

import os.path
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache import Store
from pipeline.datasets.roots.files import MAX_IMAGE_BYTES
from pipeline.encoders import Encoder
from pipeline.errors import ImageError
from pipeline.faces import load_detector
from pipeline.faces.search import NO_FACE, find_face
from pipeline.images.decode import decode_picture
from pipeline.images.formats import is_image
from pipeline.regular_files import RefusedFileError, read_regular
from stages.errors import StageError
from stages.workflows.store_encoder import alignment_of

__all__ = ["Near", "find_near"]


@dataclass(frozen=True)
class Near:
    """Where to search from.

    Parameters
    ----------
    vector : float, the row shape of the store's output
    row : of the store, if an id was given; it is its own nearest row and nobody asks for it
    said : what it was taken for, for people
    """

    vector: npt.NDArray[np.floating]
    row: int | None
    said: str


def find_near(near: str, store: Store, output: str, view: int, load: Callable[[], Encoder]) -> Near:
    """`near` as an id of the store, else as an image file, else as a text.

    Parameters
    ----------
    near : of the user
    store, output, view : what is searched
    load : gives the store's own encoder; called for images and texts only

    Raises
    ------
    StageError
        If the row is rejected, the file is no image, there is no file of an image's name, or it is none of the three
        and the encoder knows no text.
    """
    rows = np.flatnonzero((store.columns(["id"])["id"] == near).to_numpy())
    if len(rows):
        return _of_row(int(rows[0]), store, output, view)
    if os.path.isfile(near):
        return Near(_of_image(Path(near), store, load(), output), None, f"{near} is taken as an image file")
    neither = f"{near!r} is no id of {store.path} and no file"
    if is_image(near):
        raise StageError(
            f"--near: {neither}, but ends as an image does: it is not taken as a text. Expected an id (see: "
            f"{_ids_of(store)}), the path of an image as seen from {Path.cwd()}, or a text"
        )
    vector = _of_text(near, neither, store, output, load())
    small = "cosines of texts with images are small: compare them with each other only"
    return Near(vector, None, f"{neither}: it is taken as a text; {small}")


def _of_row(row: int, store: Store, output: str, view: int) -> Near:
    vector = store.read(np.array([row]), output, view)[0]
    if not np.isfinite(vector).all():
        reason = store.columns(["reason"])["reason"][row] or f"no view {view}"
        raise StageError(f"--near: row {row} of {store.path} has no feature ({reason}). Choose another one")
    return Near(vector, row, f"row {row} is left out: it is what was asked for")


def _of_image(path: Path, store: Store, encoder: Encoder, output: str) -> npt.NDArray[np.floating]:
    try:
        picture = decode_picture(read_regular(path, MAX_IMAGE_BYTES))
        square = encoder.preprocess.square(_seen(picture, store, encoder))
    except (ImageError, RefusedFileError) as error:
        reason = error.strerror if isinstance(error, RefusedFileError) else error
        raise StageError(f"--near {path}: {reason}. Expected an id, an image file or a text") from error
    vector: npt.NDArray[np.floating] = encoder.encode_images(np.stack([square]), (output,))[output][0]
    return vector


def _seen(picture: Image.Image, store: Store, encoder: Encoder) -> Image.Image:
    """What the store's encoder saw of a picture: all of it, or its aligned face."""
    if (alignment := alignment_of(store)) is None:
        return picture
    face = find_face(picture, None, load_detector()).face
    if face is None:
        raise ImageError(f"{NO_FACE}, and {store.path} holds aligned faces")
    return alignment.crop(picture, face.landmarks, encoder.preprocess.size)


def _ids_of(store: Store) -> str:
    return shlex.join(["fer-stage", "query", str(store.path), "--columns", "id"])


def _of_text(near: str, neither: str, store: Store, output: str, encoder: Encoder) -> npt.NDArray[np.floating]:
    if not encoder.has_text:
        made_by = store.encoder["encoder"]
        raise StageError(
            f"--near: {neither}, and {made_by['family']}:{made_by['architecture']} has no text tower. "
            f"Expected an id (see: {_ids_of(store)}) or an image file"
        )
    vector: npt.NDArray[np.floating] = encoder.encode_text([near])[0]
    if vector.shape != (expected := store.array(output).row_shape):
        raise StageError(
            f"--near: {neither}; a text becomes a vector of {len(vector)} values, {output} has {expected}. "
            "Texts are compared with `pooled` of an encoder whose two towers share a space"
        )
    return vector
