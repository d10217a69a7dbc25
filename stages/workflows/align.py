"""What `align` does: detect the faces that no earlier face table has, and write them all."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cache.keys import sha256_of
from cache.places.links import require_inside
from cache.places.lock import exclusive, lock_path
from cache.places.refusals import storage_errors
from pipeline.datasets.roots import open_root
from pipeline.faces import FaceDetector
from pipeline.faces.detector import load_detector
from pipeline.faces.search import NO_FACE, Detection, search
from pipeline.faces.table import FacesInfo, FaceTable
from pipeline.heap import keep_freed_memory
from pipeline.images.alignment import Alignment
from pipeline.images.formats import decodable_since
from pipeline.images.reading import ImageRow
from pipeline.images.rejects import AlikeRejects
from pipeline.progress import OnProgress, Progress
from pipeline.tables.samples import OK, SampleTable
from stages.output import say
from stages.params import load_params
from stages.requests import AlignRequest
from stages.results import AlignResult
from stages.workflows.contact_sheets import write_contact_sheet
from stages.workflows.faces import NOT_SEARCHED, images_of_table
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
        threads = request.threads or os.cpu_count() or 1
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
    _known: dict[str, Detection] = field(default_factory=dict)

    @cached_property
    def _keys(self) -> list[str]:
        return [str(image) for image in images_of_table(self.table)]

    @cached_property
    def _info(self) -> FacesInfo:
        frame = self.table.frame
        rows = [frame["id"].tolist(), self._keys, frame["status"].tolist()]
        return FacesInfo(self.table.info.dataset, sha256_of(rows), dict(self.detector.identity))

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
        if faces.info != self._info or faces.frame["image"].tolist() != self._keys:
            return None
        return None if decodable_since(faces.frame["reason"].unique()) else faces

    def _load_known(self) -> None:
        """The detections of this detector in earlier runs, of whatever sample table."""
        for path in (self.path, self._unfinished):
            if path.exists():
                faces = FaceTable.read(path)
                if faces.info.detector == self._info.detector:
                    self._known |= faces.detections()

    def _unknown_images(self) -> list[ImageRow]:
        """One for every image that has to be searched; an image of two rows is searched once."""
        new: dict[str, ImageRow] = {}
        for image in image_rows_of(self.table, 1):
            if (key := self._keys[image.row]) not in self._known:
                new.setdefault(key, image)
        return list(new.values())

    def _search(self, images: Sequence[ImageRow], on_progress: OnProgress) -> None:
        if not images:
            return
        last_save, done = time.monotonic(), 0
        alike = AlikeRejects() if self.max_rejected < 1 and not self._known else None
        try:
            with open_root(self.root.absolute()) as root:
                for batch in search(images, root, self.detector, self.threads):
                    self._known |= {self._keys[image.row]: detection for image, detection in batch}
                    if alike:
                        for image, detection in batch:
                            alike.add(image.path, "" if detection.reason == NO_FACE else detection.reason)
                    done += len(batch)
                    on_progress(Progress("faces", done, len(images)))
                    if time.monotonic() - last_save > _SAVE_EVERY_S:
                        self._save()
                        last_save = time.monotonic()
        except BaseException:  # also Ctrl-C: the next run resumes here
            self._save()
            raise

    def _save(self) -> None:
        images = list(self._known)
        info = FacesInfo(self._info.dataset, "", self._info.detector)
        write_table(FaceTable.of(images, images, list(self._known.values()), info), self._unfinished)

    def _known_faces(self) -> FaceTable:
        """The rows whose image was searched, or was rejected when it was indexed: after `_search`, all rows."""
        ids, images = self.table.frame["id"].tolist(), self._keys
        usable, rejected = (self.table.frame["status"] == OK).tolist(), Detection(None, 0, NOT_SEARCHED)
        rows = [row for row, image in enumerate(images) if not usable[row] or image in self._known]
        detections = [self._known[images[row]] if usable[row] else rejected for row in rows]
        return FaceTable.of([ids[row] for row in rows], [images[row] for row in rows], detections, self._info)
