"""What `query --near` searches for: a row of the store, an image file or a text, as a vector in the store's space."""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache import Store
from pipeline.encoders import Encoder, ImageEncoder, encodes_text
from pipeline.errors import ImageError
from pipeline.faces.search import NO_FACE, find_face
from pipeline.images.formats import is_image
from pipeline.images.preprocess import Preprocess
from pipeline.images.reading import file_picture
from pipeline.images.transform import ImageTransform
from stages.errors import StageError
from stages.workflows.store_encoder import alignment_of

__all__ = ["SearchVector", "search_vector"]


@dataclass(frozen=True)
class SearchVector:
    """What is searched for.

    Parameters
    ----------
    vector : float, the row shape of the store's output
    row : of the store, if it is an id; it is its own nearest row, which is no result
    interpretation : whether it is taken as an id, an image or a text, for people
    """

    vector: npt.NDArray[np.floating]
    row: int | None
    interpretation: str


def search_vector(
    near: str, store: Store, output: str, view: int, load_encoder: Callable[[], ImageEncoder]
) -> SearchVector:
    """`near` as an id of the store, else as an image file, else as a text.

    Parameters
    ----------
    near : an id, a path or a text
    store, output, view : what is searched
    load_encoder : gives the store's own encoder; called for images and texts only

    Raises
    ------
    StageError
        If the row is rejected, the file is no image, there is no file of an image's name, or it is none of the three
        and the encoder has no text tower.
    """
    rows = np.flatnonzero((store.columns(["id"])["id"] == near).to_numpy())
    if len(rows):
        return _of_row(int(rows[0]), store, output, view)
    if os.path.isfile(near):
        vector = _of_image(Path(near), store, load_encoder(), output)
        return SearchVector(vector, None, f"{near} is taken as an image file")
    neither = f"{near!r} is no id of {store.path} and no file"
    if is_image(near):
        raise StageError(
            f"--near: {neither}, but ends as an image does: it is not taken as a text. Expected an id, the path of an "
            f"image relative to {Path.cwd()}, or a text",
            remedy=_list_ids(store),
            purpose="to see the ids",
        )
    vector = _of_text(near, neither, store, output, load_encoder())
    small = "cosines of texts with images are small: compare them with each other only"
    return SearchVector(vector, None, f"{neither}: it is taken as a text; {small}")


def _of_row(row: int, store: Store, output: str, view: int) -> SearchVector:
    vector = store.read(np.array([row]), output, view)[0]
    if not np.isfinite(vector).all():
        reason = store.columns(["reason"])["reason"][row] or f"no view {view}"
        raise StageError(f"--near: row {row} of {store.path} has no feature ({reason}). Choose another one")
    return SearchVector(vector, row, f"row {row} is left out: it is what is searched for")


def _of_image(path: Path, store: Store, encoder: ImageEncoder, output: str) -> npt.NDArray[np.floating]:
    try:
        square = _as_encoded(path, store, encoder.preprocess)
    except ImageError as error:
        raise StageError(f"--near {path}: {error}. Expected an id, an image file or a text") from error
    vector: npt.NDArray[np.floating] = encoder.encode_images(np.stack([square]), (output,))[output][0]
    return vector


def _as_encoded(path: Path, store: Store, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    """What the store's encoder encodes of a picture: all of it, or its aligned face."""
    picture, size = file_picture(path), preprocess.size
    if (alignment := alignment_of(store)) is None:
        return ImageTransform(preprocess, (size,))(picture)[size]
    from pipeline.faces.detector import load_detector  # late: it brings OpenCV

    face = find_face(picture, None, load_detector()).face
    if face is None:
        raise ImageError(f"{NO_FACE}, and {store.path} holds aligned faces")
    return ImageTransform(preprocess, (size,), alignment)(picture, face=face.landmarks)[size]


def _list_ids(store: Store) -> list[tuple[str, dict[str, object]]]:
    return [("query", {"store": store.path, "columns": ("id",)})]


def _of_text(near: str, neither: str, store: Store, output: str, encoder: Encoder) -> npt.NDArray[np.floating]:
    if not encodes_text(encoder):
        identity = store.encoder["encoder"]
        raise StageError(
            f"--near: {neither}, and {identity['family']}:{identity['architecture']} has no text tower. Expected an id "
            "or an image file",
            remedy=_list_ids(store),
            purpose="to see the ids",
        )
    vector: npt.NDArray[np.floating] = encoder.encode_text([near])[0]
    if vector.shape != (expected := store.array(output).row_shape):
        raise StageError(
            f"--near: {neither}; a text becomes a vector of {len(vector)} values, {output} has {expected}. "
            "Texts are compared with `pooled` of an encoder whose two towers share a space"
        )
    return vector
