"""What `align` does: detect the faces that no earlier face table has, and write them all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cache.columns import TextColumn, row_blocks
from cache.keys import sha256_of_columns
from cache.places.links import require_inside
from cache.places.lock import exclusive, lock_path
from cache.places.refusals import storage_errors
from cache.reuse import Digests, image_digests, rows_of_images
from pipeline.cores import n_cores
from pipeline.datasets.roots import open_root
from pipeline.faces import FaceDetector
from pipeline.faces.detections import DetectionColumns
from pipeline.faces.detector import load_detector
from pipeline.faces.search import NO_FACE, Detection, search
from pipeline.faces.table import UNUSABLE, FacesInfo, FaceTable
from pipeline.heap import keep_freed_memory
from pipeline.images.alignment import Alignment
from pipeline.images.formats import decodable_since
from pipeline.images.rejects import AlikeRejects
from pipeline.progress import OnProgress, Progress
from pipeline.tables.samples import OK, SampleTable
from stages.output import say
from stages.params import load_params
from stages.requests import AlignRequest
from stages.results import AlignResult
from stages.workflows.contact_sheets import write_contact_sheet
from stages.workflows.faces import NOT_SEARCHED, face_table_digests, image_texts
from stages.workflows.image_rows import ImageRows
from stages.workflows.store_identity import image_rows_of
from stages.workflows.tables import index_named, requested_rows, write_table
from stages.workspace import Workspace

__all__ = ["FaceTableBuilder", "align"]

_SAVE_EVERY_S = 30.0


def align(request: AlignRequest, on_progress: OnProgress) -> AlignResult:
    """Find the faces of a dataset that no earlier run found, and write its face table unless it is a dry run."""
    params, workspace = load_params(request.params), Workspace(faces=request.face_tables)
    if request.if_any and params.extract.faces == "given":
        return _without_faces(request, workspace.face_table(request.dataset))
    with index_named(request):
        table, root, name = requested_rows(request, params, on_progress)
        path = workspace.face_table(name)
        require_inside(path, request.face_tables)
        threads = request.threads or n_cores()
        builder = FaceTableBuilder(table, root, load_detector(), path, threads, request.max_rejected)
        if request.dry_run:
            return builder.plan()
        keep_freed_memory()
        result = builder.run(on_progress)
        if request.contact_sheet:
            write_contact_sheet(request.contact_sheet, table, root, result.faces, Alignment(params.extract.margin))
    return result


def _without_faces(request: AlignRequest, path: Path) -> AlignResult:
    """An empty face table: dvc.yaml is one graph for given and aligned faces, and expects one in either case.

    A table with faces is not replaced: they took long to find.
    """
    faces = FaceTable.of([], [], [], FacesInfo(request.dataset, "", {}))
    if not path.exists() and not request.dry_run:
        write_table(faces, path)
    return AlignResult(faces, path, n_rows=0)


@dataclass
class FaceTableBuilder:
    """Builds the face table of one dataset.

    Parameters
    ----------
    table, root : the images
    detector : what finds faces
    path : of the face table
    threads : that read, decode and detect
    max_rejected : share of rejected images above which the result fails its check; below 1, the search stops where
        the first images are all rejected for one reason
    """

    table: SampleTable
    root: Path
    detector: FaceDetector
    path: Path
    threads: int
    max_rejected: float = 0.99
    _earlier: list[FaceTable] = field(default_factory=list)
    _new: DetectionColumns = field(default_factory=DetectionColumns)

    @cached_property
    def _images(self) -> TextColumn:
        return image_texts(self.table)

    @cached_property
    def _digests(self) -> Digests:
        return image_digests(len(self.table), [self._images])

    @cached_property
    def _usable(self) -> npt.NDArray[np.bool_]:
        return (self.table.frame["status"] == OK).to_numpy(dtype=bool)

    @cached_property
    def _first_rows(self) -> npt.NDArray[np.int32]:
        """The first usable row with the image of each row, -1 if there is none; shape (N,)."""
        rows = rows_of_images(self._digests, self._digests, self._usable)
        not_found = self._usable & (rows < 0)  # the first number of its digest is that of another image
        rows[not_found] = np.flatnonzero(not_found)
        return rows

    @cached_property
    def _positions(self) -> npt.NDArray[np.int64]:
        """Where the detection of each row is among all of `_earlier`, then `_new`; -1 if it has none; shape (N,).

        Of the rows with one image only the first has a position.
        """
        return np.full(len(self.table), -1, np.int64)

    @cached_property
    def _info(self) -> FacesInfo:
        columns = (self.table.frame["id"].array, self._images, self.table.frame["status"].array)
        blocks = ((block.tolist() for block in row_blocks(column)) for column in columns)
        return FacesInfo(self.table.info.dataset, sha256_of_columns(blocks), dict(self.detector.identity))

    def plan(self) -> AlignResult:
        """What `run` would do, without doing it: the faces that are known, and how many images would be searched."""
        if (finished := self._finished()) is not None:
            return self._result(finished)
        self._load_known()
        return AlignResult(self._known_faces(), self.path, len(self.table), n_to_detect=len(self._unknown_images()))

    def run(self, on_progress: OnProgress) -> AlignResult:
        """Complete the face table, searching only images that no earlier one has."""
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock_path(self.path)):
            if (finished := self._finished()) is not None:
                say(f"{self.path} is up to date")
                return self._result(finished)
            self._load_known()
            start, images = time.perf_counter(), self._unknown_images()
            self._search(images, on_progress)
            faces = self._known_faces()
            write_table(faces, self.path)
            self._unfinished.unlink(missing_ok=True)
        return self._result(faces, len(images), time.perf_counter() - start)

    def _result(self, faces: FaceTable, n_detected: int = 0, seconds: float = 0.0) -> AlignResult:
        return AlignResult(
            faces, self.path, len(self.table), n_detected=n_detected, seconds=seconds, max_rejected=self.max_rejected
        )

    @property
    def _unfinished(self) -> Path:
        """The detections of a stopped run."""
        return self.path.with_name(f".{self.path.name}.building")

    def _finished(self) -> FaceTable | None:
        if not self.path.exists():
            return None
        faces = FaceTable.read(self.path)
        if faces.info != self._info or not np.array_equal(face_table_digests(faces), self._digests):
            return None
        return None if decodable_since(faces.frame["reason"].unique()) else faces

    def _load_known(self) -> None:
        """The detections of this detector in earlier runs, of whatever sample table."""
        n_loaded = 0
        for path in (self.path, self._unfinished):
            if not path.exists():
                continue
            faces = FaceTable.read(path)
            if faces.info.detector != self._info.detector:
                continue
            can_be_used = (faces.frame["status"] != UNUSABLE).to_numpy(dtype=bool)
            at = rows_of_images(self._digests, face_table_digests(faces), can_be_used)
            is_new = self._is_first & (self._positions < 0) & (at >= 0)
            self._positions[is_new] = n_loaded + at[is_new]
            self._earlier.append(faces)
            n_loaded += len(faces)

    @property
    def _is_first(self) -> npt.NDArray[np.bool_]:
        return np.equal(self._first_rows, np.arange(len(self.table)))

    def _unknown_images(self) -> ImageRows:
        """One for every image that has to be searched; an image of two rows is searched once."""
        images = image_rows_of(self.table, 1)
        return images.with_views(self._is_first & (self._positions < 0), images.augmented)

    def _search(self, images: ImageRows, on_progress: OnProgress) -> None:
        n_images, n_earlier = len(images), sum(map(len, self._earlier))
        if not n_images:
            return
        last_save = time.monotonic()
        alike = AlikeRejects() if self.max_rejected < 1 and not (self._positions >= 0).any() else None
        try:
            with open_root(self.root.absolute()) as root:
                for batch in search(images, root, self.detector, self.threads):
                    for image, detection in batch:
                        self._positions[image.row] = n_earlier + len(self._new)
                        self._new.append(detection)
                    if alike:
                        for image, detection in batch:
                            alike.add(image.path, "" if detection.reason == NO_FACE else detection.reason)
                    on_progress(Progress("faces", len(self._new), n_images))
                    if time.monotonic() - last_save > _SAVE_EVERY_S:
                        self._save()
                        last_save = time.monotonic()
        except BaseException:  # also Ctrl-C: the next run resumes here
            self._save()
            raise

    def _save(self) -> None:
        """Write the detections of earlier runs and those of this one, whichever rows are in the sample table."""
        n_earlier = sum(map(len, self._earlier))
        rows = np.flatnonzero(self._positions >= n_earlier)  # ascending, and images are searched in this order
        new = self._new.frame().assign(image=self._image_series(rows).array)
        frame = pd.concat([*(faces.frame.drop(columns="id") for faces in self._earlier), new], ignore_index=True)
        frame = frame[(frame["status"] != UNUSABLE) | (frame.index >= n_earlier)].drop_duplicates("image")
        info = FacesInfo(self._info.dataset, "", self._info.detector)
        write_table(FaceTable.of_columns(frame["image"], frame["image"], frame, info), self._unfinished)

    def _known_faces(self) -> FaceTable:
        """The rows whose image was searched, or was rejected when it was indexed: after `_search`, all rows."""
        not_searched = DetectionColumns()
        not_searched.append(Detection(None, 0, NOT_SEARCHED))
        frames = [*(faces.frame for faces in self._earlier), self._new.frame(), not_searched.frame()]
        every = pd.concat([frame[frames[-1].columns] for frame in frames], ignore_index=True)
        positions = np.where(self._usable, self._positions[self._first_rows], len(every) - 1)
        rows = np.flatnonzero(positions >= 0)
        ids = self.table.frame["id"].iloc[rows]
        return FaceTable.of_columns(ids, self._image_series(rows), every.iloc[positions[rows]], self._info)

    def _image_series(self, rows: npt.NDArray[np.intp]) -> pd.Series[str]:
        """The texts of some rows' images, in order."""
        chosen = np.zeros(len(self.table), bool)
        chosen[rows] = True
        blocks, start = [], 0
        for block in row_blocks(self._images):
            blocks.append(pa.array(block[chosen[start : start + len(block)]], pa.string()))
            start += len(block)
        texts: pd.Series[str] = pa.chunked_array(blocks, pa.string()).to_pandas()
        return texts
