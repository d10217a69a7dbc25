"""What `head export` does: a run folder -> a folder that can be handed on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cache.places import remove_tree
from cache.places.atomic import replace, write_bytes
from cache.places.links import require_inside
from cache.places.lock import SHORT_WAIT_S, exclusive, lock_path
from pipeline.errors import InputError
from pipeline.export.card import model_card
from pipeline.export.record import export_record
from pipeline.records import read_regular
from pipeline.saved import EXPORTED, WEIGHTS, SavedHead, read_record, read_saved
from stages.errors import StageError
from stages.output import say_notes
from stages.workflows.scores_file import check_scores, scores_of
from stages.workspace import scores_path

__all__ = ["Export"]

_CARD, _ONNX = "README.md", "head.onnx"
# What reading an export raises where none is; a file that may not be read says nothing of what it is.
_NOT_OURS = (FileNotFoundError, NotADirectoryError, InputError)
_BESIDE = 16 * 2**20  # bytes: at most of a card, or of what a graph has beside its weights


@dataclass(frozen=True)
class Export:
    """A head that is to stand in a folder of its own.

    Parameters
    ----------
    saved : the head
    out : where it goes: nothing, an empty folder, or this very export
    record : what head.json says, but for `onnx`
    onnx : whether head.onnx is written too
    encoder : as `SavedHead.load_encoder` takes it, for heads that are built with theirs
    """

    saved: SavedHead
    out: Path
    record: Mapping[str, Any]
    onnx: bool
    encoder: str

    @classmethod
    def of(cls, folder: Path, out: Path, *, onnx: bool, encoder: str) -> Self:
        """Read and check the run and the place for the export.

        Raises
        ------
        StageError
            If something else stands at `out`.
        InputError, MismatchError
            If the run cannot be read, or packages are missing that write ONNX.
        """
        if onnx:
            from pipeline.export.graph import require_packages  # late: it brings torch

            require_packages()
        saved = read_saved(folder)
        record = export_record(saved, saved.sha256, _scores(saved))
        export = cls(saved, out, json.loads(json.dumps(record)), onnx, encoder)
        require_inside(out / EXPORTED, out)  # the folder may be a link too: files are written through it
        export._require_place()
        return export

    @property
    def note(self) -> str:
        """What must be said of the head."""
        return self.saved.note

    @property
    def up_to_date(self) -> bool:
        """Whether all files are there, as they would be written; what was added to README.md is left there."""
        try:
            there = read_record(self.out)
            files = {name: read_regular(self.out / name, self._most_bytes, "") for name in self._names}
        except _NOT_OURS:
            return False
        made = there.pop("onnx", None)  # a graph that was not asked for now does no harm
        same = there == self.record and _sha256(files[WEIGHTS]) == self.record["head_sha256"]
        return same and (not self.onnx or (made is not None and _sha256(files[_ONNX]) == made["sha256"]))

    def summary(self, status: str) -> dict[str, Any]:
        """What is, or would be, there."""
        return {
            "status": status,
            "path": str(self.out),
            "run": str(self.saved.folder),
            "method": self.record["method"],
            "dataset": self.record["dataset"],
            "encoder": self.record["encoder_spec"],
            "temperature": self.saved.temperature,
            "scores": len(self.record["scores"]),
            "files": list(self._names),
        }

    def write(self) -> None:
        """Write the folder, all of it or nothing.

        Raises
        ------
        PipelineError
            If the head cannot be written as ONNX, or its encoder is needed and cannot be loaded.
        """
        out = self.out.resolve()  # `.` has no name
        files, partial = self._files(), out.with_name(f".{out.name}.building")
        with exclusive(lock_path(out), SHORT_WAIT_S):
            self._require_place()  # another process may have exported another head meanwhile
            remove_tree(partial)  # of a process that was killed
            for name, data in files.items():
                write_bytes(partial / name, data)
            replace(partial, out)

    @property
    def _names(self) -> tuple[str, ...]:
        return (WEIGHTS, *((_ONNX,) if self.onnx else ()), _CARD, EXPORTED)

    @property
    def _most_bytes(self) -> int:
        """Of any file of this export: a graph holds the weights, and operators beside them."""
        return 2 * len(self.saved.state) + _BESIDE

    def _files(self) -> dict[str, bytes]:
        record, files = dict(self.record), {WEIGHTS: self.saved.state}
        if self.onnx:
            record["onnx"], files[_ONNX] = self._graph()
        return {
            **files,
            _CARD: model_card(record).encode(),
            EXPORTED: json.dumps(record, indent=2).encode(),
        }

    def _graph(self) -> tuple[dict[str, Any], bytes]:
        from pipeline.export.graph import OUTPUTS, export_graph  # late: they bring torch

        encoder = self.saved.load_encoder(self.encoder, "cpu", "eager", say_notes) if self.saved.needs_encoder else None
        head = self.saved.build(encoder)
        graph = export_graph(head, self.saved.temperature)
        described = {
            "sha256": _sha256(graph.data),
            "opset": graph.opset,
            "inputs": list(head.spec.inputs),
            "outputs": list(OUTPUTS),
            "difference": graph.difference,
        }
        return described, graph.data

    def _require_place(self) -> None:
        if not self.out.exists() or (self.out.is_dir() and not any(self.out.iterdir())) or self.up_to_date:
            return
        found = "another export" if (self.out / EXPORTED).is_file() else "something else"
        raise StageError(
            f"{self.out}: expected no folder, an empty one or this export, found {found}. "
            "Nothing is overwritten: remove it, or name another --out"
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _scores(saved: SavedHead) -> list[dict[str, Any]]:
    """Those that were kept of this very head, or in the record of one that was exported before."""
    path = scores_path(saved.folder)
    if path is None or not path.exists():
        scores = list(saved.record.get("scores", ()))
        where = f"{saved.record_path}, scores"
        check_scores(scores, where, saved.advice, exported=True)
        if any(score.get("head_sha256", saved.sha256) != saved.sha256 for score in scores):
            raise StageError(f"{where}: expected scores of the head beside them, found another's. {saved.advice}")
        return scores
    return scores_of(saved, path)
