"""What a report was made of, in REPORTS/tables/record.json: whether it is up to date is known without making it again.

A report follows from its inputs: where their digests are equal, its tables are, too, and its page but for the date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cache import Store
from cache.keys import sha256_of
from pipeline.encoders.file_digest import file_sha256, files_sha256
from pipeline.predict.head_folder import HISTORY, RUN, WEIGHTS
from pipeline.regular_files import MAX_JSON_BYTES, read_regular
from pipeline.versions import program_version
from stages.names import SCORES
from stages.workflows.audit_records import AuditRecords
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.text_vectors import known_texts
from stages.workspace import heads_below, scores_path

__all__ = ["RECORD", "ReportRecord", "run_files"]

RECORD = Path("tables", "record.json")  # below the folder of reports: in a folder that is an output of the DVC stage

_CODE = ("report", "published")  # folders of pipeline
_CODE_FILES = (".py", ".j2", ".csv", ".json")


class ReportRecord(BaseModel):
    """The digests of everything that a report follows from, and of what was written.

    Parameters
    ----------
    code : of what makes the page, and of the published values
    runs : the folder, which the page names
    files : of the runs and their scores, by path
    stores : of those that the runs were trained and scored on, ENCODER/DATASET: of what is stated of them; empty of one
        that was not there
    texts : of the templates of text vectors, by encoder
    audits : of what audits found in the datasets
    written : by path below the folder of reports
    options : of `report`, those that are no defaults
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    runs: str
    files: dict[str, str]
    stores: dict[str, str]
    texts: dict[str, str]
    audits: str
    written: dict[str, str] = {}
    options: dict[str, bool | str | tuple[str, ...]] = {}

    @classmethod
    def of(
        cls,
        runs: Path,
        files: Mapping[str, str],
        pairs: Collection[tuple[str, str]],
        encoders: Iterable[str],
        stores: OpenedStores,
        audits: AuditRecords,
    ) -> Self:
        """The inputs of a report as they are now.

        Parameters
        ----------
        runs : folder of trained heads
        files : what `run_files` gave for it
        pairs : encoder and dataset of the stores that the runs were trained and scored on
        encoders : those whose text vectors the runs learned from

        Raises
        ------
        CacheError
            If a store cannot be opened.
        """
        return cls(
            code=_code_digest(),
            runs=str(runs),
            files=dict(files),
            stores={"/".join(pair): _store_digest(stores.store(*pair)) if stores.has(*pair) else "" for pair in pairs},
            texts={encoder: sha256_of(known_texts(stores.features, [encoder])) for encoder in sorted(encoders)},
            audits=_audits_digest(audits, {dataset for _, dataset in pairs}),
        )

    @classmethod
    def read(cls, reports: Path) -> Self | None:
        """That of the report in a folder; None if there is none, as of a version that wrote none, or it is damaged."""
        try:
            return cls.model_validate_json(read_regular(reports / RECORD, MAX_JSON_BYTES))
        except (OSError, ValidationError):
            return None

    def as_bytes(self) -> bytes:
        """The content of the file."""
        return f"{self.model_dump_json(indent=1)}\n".encode()

    def now(self, runs: Path, stores: OpenedStores, audits: AuditRecords) -> Self:
        """The inputs of now. Which stores and texts are read follows from the files: if those are equal, so are these.

        Raises
        ------
        InputError
            If the record of a run cannot be read.
        CacheError
            If a store cannot be opened.
        """
        pairs = [(encoder, dataset) for encoder, _, dataset in (name.partition("/") for name in self.stores)]
        return self.of(runs, run_files(runs), pairs, self.texts, stores, audits)

    def changes(self, now: Self) -> list[str]:
        """The inputs that are not as they were."""
        changed = _differing(self.files, now.files)
        changed += [f"features of {name}" for name in _differing(self.stores, now.stores)]
        changed += [f"texts of {name}" for name in _differing(self.texts, now.texts)]
        changed += ["what audits found"] if self.audits != now.audits else []
        changed += [f"the folder of runs, which was {self.runs}"] if self.runs != now.runs else []
        return changed + (["fer-stage itself"] if self.code != now.code else [])

    def differing_files(self, reports: Path) -> list[str]:
        """Which files of the report are gone, or are not as they were written."""
        paths = {name: reports / name for name in self.written}
        return [name for name, path in paths.items() if not path.is_file() or file_sha256(path) != self.written[name]]


def run_files(runs: Path) -> dict[str, str]:
    """Path -> sha256 of all that a report reads of runs: records, histories, weights, scores and predictions.

    Raises
    ------
    InputError
        If the record of a run cannot be read.
    """
    paths = dict.fromkeys(_paths_of(runs, heads_below(runs, RUN)))
    return {str(path): file_sha256(path) for path in paths if path.is_file()}


def _paths_of(runs: Path, folders: Collection[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (folder / name for name in (RUN, HISTORY, WEIGHTS))
    of_runs = {path for folder in folders if (path := scores_path(folder))}
    for path in sorted(of_runs.union((runs / SCORES).rglob("scores.json"))):  # those of no run are noted
        yield path
        yield from sorted(path.parent.glob("predictions/*/*.parquet"))


def _code_digest() -> str:
    root = Path(str(files("pipeline")))
    paths = [path for name in _CODE for path in sorted((root / name).rglob("*")) if path.suffix in _CODE_FILES]
    return sha256_of({"version": program_version(), "files": files_sha256(paths)})


def _store_digest(store: Store) -> str:
    """Of all that a report states of a store; the manifest has the digests of its columns."""
    manifest = store.manifest
    return sha256_of(
        {
            "key": store.key,
            "columns": dict(manifest.columns),
            "dataset": dict(manifest.dataset),
            "encoder": [manifest.provenance.get(name) for name in ("encoder", "encoder_note", "encoder_saw")],
        }
    )


def _audits_digest(audits: AuditRecords, datasets: Collection[str]) -> str:
    return sha256_of([[list(finding) for finding in audits.findings(set(datasets))], *audits.notes])


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
