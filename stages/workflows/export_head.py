"""What `head export` does: a run folder -> a folder that can be handed on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from cache.atomic import replace, write_bytes
from cache.places import remove_tree
from cache.places.links import require_inside
from cache.places.lock import SHORT_WAIT_S, exclusive, lock_path
from pipeline import records
from pipeline.errors import InputError
from pipeline.methods.own import plain_name
from pipeline.plugins import is_reference
from pipeline.predict.export.card import model_card
from pipeline.predict.export.hub import Benchmark, benchmark_results, card_metadata
from pipeline.predict.head_folder import EXPORTED, WEIGHTS
from pipeline.predict.saved import SavedHead, read_saved
from pipeline.progress import OnProgress
from pipeline.records import Score, read_export, read_regular
from stages.errors import StageError
from stages.output import say, say_notes
from stages.params import load_params
from stages.requests import ExportHeadRequest
from stages.results import ExportHeadResult
from stages.workflows.scores_file import read_scores, score_source
from stages.workflows.store_encoder import encoder_changes
from stages.workspace import scores_path

__all__ = ["HeadExport", "export_head"]

_CARD, _ONNX, _RESULTS = "README.md", "head.onnx", ".eval_results"
# What reading an export raises where none is; a file that may not be read may be anything.
_NOT_OURS = (FileNotFoundError, NotADirectoryError, InputError)
_MAX_OTHER_BYTES = 16 * 2**20  # of a card, or of a graph without its weights


def export_head(request: ExportHeadRequest, _on_progress: OnProgress) -> ExportHeadResult:
    """Check the run and the folder, and write the folder unless it is a dry run or holds this very export."""
    params = load_params(request.params)
    plain_name(request.method or "")
    encoder = str(params.encoder(request.encoder)[1]) if request.encoder else ""
    benchmarks = tuple(map(Benchmark.parse, request.benchmarks))
    export = HeadExport.of(request.run, request.out, onnx=request.onnx, encoder=encoder, benchmarks=benchmarks)
    if export.up_to_date:
        return export.result("up to date")
    if request.dry_run:
        return export.result("planned")
    if request.onnx:
        say("writing head.onnx and comparing it with PyTorch")
    export.write()
    return export.result("written")


@dataclass(frozen=True)
class HeadExport:
    """A head that is to be in a folder of its own.

    Parameters
    ----------
    saved : the head
    out : where it goes: nothing, an empty folder, or this very export
    record : the fields of head.json but `onnx`
    onnx : whether head.onnx is written too
    encoder : as `SavedHead.load_encoder` takes it, for heads that are built with theirs
    results : name of a file below .eval_results -> its content
    """

    saved: SavedHead
    out: Path
    record: records.Export
    onnx: bool
    encoder: str
    results: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path, out: Path, *, onnx: bool, encoder: str, benchmarks: Sequence[Benchmark] = ()) -> Self:
        """Read and check the run and the place for the export.

        Raises
        ------
        StageError
            If something else is at `out`.
        InputError, MismatchError
            If the run cannot be read, packages are missing that write ONNX, or a benchmark has no score.
        """
        if onnx:
            from pipeline.predict.export.graph import require_packages  # late: it brings torch

            require_packages()
        saved = read_saved(folder)
        record = saved.export(_scores(saved))
        results = {name: _yaml(entries) for name, entries in benchmark_results(record, benchmarks).items()}
        export = cls(saved, out, record, onnx, encoder, results)
        require_inside(out / EXPORTED, out)  # the folder may be a link too: files are written through it
        export._require_place()
        return export

    @property
    def up_to_date(self) -> bool:
        """Whether all files are there, as they would be written; what was added to README.md is left there."""
        try:
            existing = read_export(self.out / EXPORTED)
            files = {name: read_regular(self.out / name, self._most_bytes, "") for name in self._names}
        except _NOT_OURS:
            return False
        graph = existing.onnx  # one that this request does not name is left where it is
        same = existing.model_copy(update={"onnx": None}) == self.record
        same = same and _sha256(files[WEIGHTS]) == self.record.head_sha256
        same = same and all(files[f"{_RESULTS}/{name}"] == data for name, data in self.results.items())
        return same and (not self.onnx or (graph is not None and _sha256(files[_ONNX]) == graph.sha256))

    def result(self, status: Literal["written", "planned", "up to date"]) -> ExportHeadResult:
        """What is, or would be, there."""
        return ExportHeadResult(
            status=status,
            path=self.out,
            run=self.saved.folder,
            method=self.record.method,
            dataset=self.record.dataset,
            encoder=self.record.encoder_spec,
            temperature=self.saved.temperature,
            n_scores=len(self.record.scores),
            files=self._names,
            notes=tuple(filter(None, (self._code_note, self._encoder_note, self.saved.note))),
        )

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
    def _code_note(self) -> str:
        """What has to be passed on beside the folder; empty for a method of fer-stage."""
        if not isinstance(self.record, records.OwnExport):
            return ""
        code, sha256 = self.record.method_code.code, self.record.method_code.sha256
        if not is_reference(code):
            return f"the head needs the package that has {code}, in the version of sha256 {sha256[:12]}"
        return (
            f"the folder holds no code. Whoever uses the head needs {code.rpartition(':')[0]} too, "
            f"with sha256 {sha256[:12]}, and names it with --method"
        )

    @property
    def _encoder_note(self) -> str:
        """Whether the spec of the head's encoder means another one on this machine; empty if it does not."""
        changes = encoder_changes(self.saved.encoder_spec, self.saved.record.head.encoder.encoder)
        if not changes:
            return ""
        return (
            f"{self.saved.encoder_spec} means another encoder on this machine now than the head's: {changes}. "
            "Whoever gets the head needs the one that it was trained with"
        )

    @property
    def _names(self) -> tuple[str, ...]:
        results = (f"{_RESULTS}/{name}" for name in self.results)
        return (WEIGHTS, *((_ONNX,) if self.onnx else ()), _CARD, *results, EXPORTED)

    @property
    def _most_bytes(self) -> int:
        """Of any file of this export: a graph holds the weights, and operators beside them."""
        return 2 * len(self.saved.state) + _MAX_OTHER_BYTES

    def _files(self) -> dict[str, bytes]:
        record, files = self.record, {WEIGHTS: self.saved.state}
        if self.onnx:
            graph, files[_ONNX] = self._graph()
            record = record.model_copy(update={"onnx": graph})
        files |= {f"{_RESULTS}/{name}": data for name, data in self.results.items()}
        return {**files, _CARD: _card(record).encode(), EXPORTED: record.as_bytes()}

    def _graph(self) -> tuple[records.Graph, bytes]:
        from pipeline.predict.export.graph import OUTPUTS, export_graph  # late: they bring torch

        encoder = self.saved.load_encoder(self.encoder, "cpu", "eager", say_notes) if self.saved.needs_encoder else None
        head = self.saved.build(encoder)
        graph = export_graph(head, self.saved.temperature)
        described = records.Graph(
            sha256=_sha256(graph.data),
            opset=graph.opset,
            inputs=tuple(head.spec.inputs),
            outputs=OUTPUTS,
            difference=graph.difference,
        )
        return described, graph.data

    def _require_place(self) -> None:
        if not self.out.exists() or (self.out.is_dir() and not any(self.out.iterdir())) or self.up_to_date:
            return
        content = "another export" if (self.out / EXPORTED).is_file() else "something else"
        raise StageError(
            f"{self.out}: expected no folder, an empty one or this export, found {content}. "
            "Nothing is overwritten: remove it, or name another --out"
        )


def _card(record: records.Export) -> str:
    """README.md: what the Hub reads, as YAML, and the text of the card."""
    metadata = _yaml(card_metadata(record)).decode()
    licence = (
        "# license: of this head, by one of the Hub's names, such as cc-by-nc-4.0, once you have chosen one.\n"
        f"# It has to be within the terms of {record.dataset} and of the encoder: see Licence below.\n"
        "# datasets: names of this project; replace them by those of the Hub, where it has the dataset.\n"
    )
    return f"---\n{licence}{metadata}---\n\n{model_card(record)}"


def _yaml(data: Any) -> bytes:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _scores(saved: SavedHead) -> Sequence[Score]:
    """Those of this very head in its scores.json, or in the record of a head that was exported before."""
    path = scores_path(saved.folder)
    if path is None or not path.exists():
        return saved.record.scores if isinstance(saved.record, records.Export) else ()
    return tuple(read_scores(path).of(score_source(saved.record)))
