"""What `align` does: look for the faces that no earlier face table knows, and keep them all."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cache.atomic import storage_errors
from cache.keys import sha256_of
from cache.links import require_inside
from cache.lock import exclusive, lock_path
from pipeline.datasets.roots import open_root
from pipeline.faces import Alignment, FaceDetector, load_detector
from pipeline.faces.search import NO_FACE, Finding, search
from pipeline.faces.table import FOUND, MISSED, UNUSABLE, FacesInfo, FaceTable
from pipeline.images.formats import decodable_since
from pipeline.images.prepare import Job
from pipeline.images.rejects import AlikeRejects
from pipeline.progress import OnProgress, Progress
from pipeline.tables.samples import OK, SampleTable
from stages.output import say
from stages.params import load_params
from stages.requests import AlignRequest
from stages.workflows.contact_sheets import write_contact_sheet
from stages.workflows.faces import NOT_LOOKED_AT, images_of_table
from stages.workflows.store_identity import jobs_of
from stages.workflows.tables import wanted_rows, write_table
from stages.workspace import Workspace

__all__ = ["Aligning", "aligned"]

_SAVE_EVERY_S = 30.0


def aligned(given: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Make a dataset's face table whole; see `stages.commands.align` for the options that are `given`."""
    params, workspace = load_params(given["params_path"]), Workspace(faces=given["face_tables"])
    if given["if_any"] and params.extract.faces == "given":
        return _nothing(given["dataset"], workspace.face_table(given["dataset"]), given["dry_run"])
    request = AlignRequest(
        given["dataset"], params=given["params_path"], tables=given["tables"], limit=given["limit"],
        dry_run=given["dry_run"],
    )  # fmt: skip
    table, root, stem = wanted_rows(request, params, on_progress)
    path = workspace.face_table(stem)
    require_inside(path, given["face_tables"])
    aligning = Aligning(
        table, root, load_detector(), path, given["threads"] or os.cpu_count() or 1, given["max_rejected"] >= 1
    )
    if given["dry_run"]:
        return aligning.plan()
    summary = aligning.run(on_progress)
    if sheet := given["contact_sheet"]:
        write_contact_sheet(sheet, table, root, FaceTable.read(path), Alignment(params.extract.margin))
    return summary


def _nothing(dataset: str, path: Path, dry_run: bool) -> dict[str, Any]:
    """dvc.yaml is one graph for given and aligned faces: where nothing is aligned a face table stands all the same.

    One that knows faces is left alone: they took long to find.
    """
    if not path.exists() and not dry_run:
        write_table(FaceTable.of([], [], [], FacesInfo(dataset, "", {})), path)
    return {"dataset": dataset, "rows": 0, "aligned": 0, "missed": 0, "path": str(path)}


@dataclass
class Aligning:
    """One dataset's faces.

    Parameters
    ----------
    table, root : the images
    detector : what finds faces
    path : where the face table stands
    threads : that read, decode and detect
    tries_all : whether to go on where the first images are all rejected for one reason
    """

    table: SampleTable
    root: Path
    detector: FaceDetector
    path: Path
    threads: int
    tries_all: bool = False
    _known: dict[str, Finding] = field(default_factory=dict)

    @cached_property
    def _images(self) -> list[str]:
        return [str(image) for image in images_of_table(self.table)]

    @cached_property
    def _info(self) -> FacesInfo:
        frame = self.table.frame
        rows = [frame["id"].tolist(), self._images, frame["status"].tolist()]
        return FacesInfo(self.table.info.dataset, sha256_of(rows), dict(self.detector.identity))

    def plan(self) -> dict[str, Any]:
        """What `run` would do, without doing it."""
        if (finished := self._finished()) is not None:
            return self._summary(finished, 0, 0.0)
        self._remember()
        return {
            "dataset": self.table.info.dataset,
            "rows": len(self.table),
            "to_detect": len(self._jobs()),
            "path": str(self.path),
        }

    def run(self, on_progress: OnProgress) -> dict[str, Any]:
        """Make the face table whole, looking only for faces that no earlier one knows."""
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock_path(self.path)):
            if (finished := self._finished()) is not None:
                say(f"{self.path} is up to date")
                return self._summary(finished, 0, 0.0)
            self._remember()
            start, jobs = time.perf_counter(), self._jobs()
            self._search(jobs, on_progress)
            faces = FaceTable.of(self.table.frame["id"].tolist(), self._images, self._findings(), self._info)
            write_table(faces, self.path)
            self._unfinished.unlink(missing_ok=True)
        return self._summary(faces, len(jobs), time.perf_counter() - start)

    @property
    def _unfinished(self) -> Path:
        """What a stopped run has found."""
        return self.path.with_name(f".{self.path.name}.building")

    def _finished(self) -> FaceTable | None:
        if not self.path.exists():
            return None
        faces = FaceTable.read(self.path)
        if faces.info != self._info or faces.frame["image"].tolist() != self._images:
            return None
        return None if decodable_since(faces.frame["reason"].unique()) else faces

    def _remember(self) -> None:
        """What this detector found in earlier runs, of whatever sample table."""
        for path in (self.path, self._unfinished):
            if path.exists():
                faces = FaceTable.read(path)
                if faces.info.detector == self._info.detector:
                    self._known |= faces.findings()

    def _jobs(self) -> list[Job]:
        """One for every image that has to be looked at; an image that stands on two rows is looked at once."""
        new: dict[str, Job] = {}
        for job in jobs_of(self.table, 1):
            if (image := self._images[job.row]) not in self._known:
                new.setdefault(image, job)
        return list(new.values())

    def _search(self, jobs: Sequence[Job], on_progress: OnProgress) -> None:
        if not jobs:
            return
        saved, done = time.monotonic(), 0
        alike = None if self.tries_all or self._known else AlikeRejects()
        try:
            with open_root(self.root.absolute()) as root:
                for found in search(jobs, root, self.detector, self.threads):
                    self._known |= {self._images[job.row]: finding for job, finding in found}
                    if alike:
                        for job, finding in found:
                            alike.add(job.path, "" if finding.face or finding.reason == NO_FACE else finding.reason)
                    done += len(found)
                    on_progress(Progress("faces", done, len(jobs)))
                    if time.monotonic() - saved > _SAVE_EVERY_S:
                        self._save()
                        saved = time.monotonic()
        except BaseException:  # also Ctrl-C: the next run goes on from here
            self._save()
            raise

    def _save(self) -> None:
        images = list(self._known)
        info = FacesInfo(self._info.dataset, "", self._info.detector)
        write_table(FaceTable.of(images, images, list(self._known.values()), info), self._unfinished)

    def _findings(self) -> list[Finding]:
        usable, rejected = (self.table.frame["status"] == OK).tolist(), Finding(None, 0, NOT_LOOKED_AT)
        return [self._known[image] if ok else rejected for image, ok in zip(self._images, usable, strict=True)]

    def _summary(self, faces: FaceTable, detected: int, seconds: float) -> dict[str, Any]:
        return {
            "dataset": self.table.info.dataset,
            "rows": len(self.table),
            "aligned": faces.count(FOUND),
            "missed": faces.count(MISSED),
            "rejected": faces.count(UNUSABLE),
            "several": int(((faces.frame["faces"] > 1) & (faces.frame["status"] == FOUND)).sum()),
            "detected": detected,
            "seconds": round(seconds, 3),
            "faces_per_second": round(detected / seconds, 2) if detected and seconds else 0.0,
            "path": str(self.path),
        }
