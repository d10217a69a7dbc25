"""Deep verification: some images are encoded again, alone and in float32, and compared with what a store holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.places import AnyPath
from cache.store import Store, open_store
from pipeline.datasets.roots import open_root
from pipeline.encoders.parity import parity
from pipeline.images.alignment import Alignment
from pipeline.images.prepare import Preparer
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform
from pipeline.images.views import ViewRecipe
from pipeline.tables.samples import OK, SampleTable
from stages.errors import StageError
from stages.names import parse_limited_name
from stages.output import say
from stages.params import load_params
from stages.workflows.parity import Tolerance, encode_one_by_one, tolerance_of
from stages.workflows.store_encoder import alignment_of, encoder_of
from stages.workflows.store_identity import box_of, face_of
from stages.workspace import Workspace

__all__ = ["DeepOptions", "SampleComparison", "compare_sample"]

_NEEDED = ("path", "sha256", "status")
_IMAGE_COLUMNS = (*_NEEDED, "box", "face")


@dataclass(frozen=True, kw_only=True)
class DeepOptions:
    """Which rows of a store are encoded again, by what, and how far they may be from the stored ones.

    Parameters
    ----------
    params : path of params.yaml
    encoder : its name, if that of the store means another one now
    root : where the images are; by default as in the sample table
    tables : folder of sample tables
    rows : images of each store, >= 1
    seed : chooses the images
    min_cosine : of an image's stored and new feature; None goes by what `extract` measured
    """

    params: Path
    encoder: str | None
    device: str
    root: Path | None
    tables: Path
    rows: int
    seed: int
    min_cosine: float | None


@dataclass(frozen=True)
class SampleComparison:
    """How far the stored rows of a sample are from new ones, of one output.

    Parameters
    ----------
    view : `plain`, or `augmented`: one random view of each row
    rows, cosine, difference, relative : see `pipeline.encoders.parity.Parity`
    expected, expected_relative : smallest cosine, and largest relative difference, None: any
    """

    output: str
    view: str
    rows: int
    cosine: float
    difference: float
    relative: float
    expected: float
    expected_relative: float | None

    @property
    def holds(self) -> bool:
        """Whether the rows are close enough; figures that are NaN are not."""
        is_near = self.expected_relative is None or self.relative <= self.expected_relative
        return self.cosine >= self.expected and is_near


def compare_sample(path: AnyPath, options: DeepOptions) -> list[SampleComparison]:
    """Compare a sample of a finished store, for every output that the encoder gives.

    Raises
    ------
    StageError
        If the images cannot be found, or the encoder is another one now.
    DatasetError
        If an image is not the one that was encoded.
    """
    store = open_store(path)
    encoder = encoder_of(store, load_params(options.params), options.encoder, options.device)
    images = _sample(store, options.rows, options.seed)
    say(f"{path}: {len(images)} images are encoded again, chosen by --seed {options.seed}")
    outputs = [array.name for array in store.manifest.schema.arrays]
    samples = {"plain": images, "augmented": _augmented(store, images, options.seed)}
    with open_root(_root(store, options)) as root:
        transform = ImageTransform(
            encoder.preprocess,
            (encoder.preprocess.size, *(store.row_shape(name)[0] for name in outputs if name == "pixels")),
            alignment_of(store) or Alignment(),
            seed=store.manifest.key_fields["views"].get("seed", 0),
        )
        references = {
            view: encode_one_by_one(images, Preparer(root, transform), encoder, outputs)
            for view, images in samples.items()
            if images or view == "plain"
        }
    return [
        _compare(store, output, view, samples[view], by_output[output], options.min_cosine)
        for view, by_output in references.items()
        for output in outputs
    ]


def _compare(
    store: Store,
    output: str,
    view: str,
    images: Sequence[ImageRow],
    reference: npt.NDArray[Any],
    min_cosine: float | None,
) -> SampleComparison:
    rows = np.array([image.row for image in images], np.intp)
    views = np.array([image.views[0] for image in images], np.intp)
    stored = np.empty((len(images), *store.row_shape(output)), reference.dtype)
    for number in np.unique(views):  # not row by row: a shard is read once for all of its rows
        stored[views == number] = store.read(rows[views == number], output, int(number))
    expected = tolerance_of(store.manifest, output) if min_cosine is None else Tolerance(min_cosine, None)
    measured = parity(stored, reference)
    return SampleComparison(
        output, view, **vars(measured), expected=expected.cosine, expected_relative=expected.relative
    )


def _augmented(store: Store, images: Sequence[ImageRow], seed: int) -> list[ImageRow]:
    """One augmented view, chosen by the seed, of each image that has any."""
    if store.n_views() == 1:
        return []
    if store.manifest.key_fields["views"].get("recipe") != ViewRecipe().as_json():
        say(
            f"note: views of {store.path} are drawn by another recipe than this program's: only plain ones are compared"
        )
        return []
    rng, train = np.random.default_rng(seed), store.columns(["split"])["split"] == "train"
    return [replace(image, views=(int(rng.integers(1, store.n_views())),)) for image in images if train[image.row]]


def _sample(store: Store, n_rows: int, seed: int) -> list[ImageRow]:
    """Usable rows, chosen by the seed, in the order of the store."""
    frame = store.columns([name for name in _IMAGE_COLUMNS if name in store.manifest.columns or name in _NEEDED])
    usable = np.flatnonzero((frame["status"] == OK).to_numpy())
    chosen = np.random.default_rng(seed).choice(usable, min(n_rows, len(usable)), replace=False)
    boxes, faces = (frame[name] if name in frame else [""] * len(frame) for name in ("box", "face"))
    return [
        ImageRow(int(row), frame["path"][row], frame["sha256"][row], box_of(boxes[row]), face=face_of(faces[row]))
        for row in np.sort(chosen)
    ]


def _root(store: Store, options: DeepOptions) -> Path:
    if options.root:
        return options.root
    limited = parse_limited_name(store.dataset)  # the store of the first rows has no table of its own
    names = (store.dataset, *((limited[0],) if limited else ()))
    tables = [Workspace(tables=options.tables).table(name) for name in names]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        raise StageError(
            f"{store.path}: its images are needed for --deep, and there is no {tables[-1]}. Name them with --root"
        )
    return Path(SampleTable.read(table).info.root)
