"""What audits of datasets found, for scores and reports: read from a folder, and used only while it is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stages.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.audit.record import AuditInfo, AuditRecord
    from pipeline.footnotes import DatasetFinding

__all__ = ["AuditRecords"]


class AuditRecords:
    """The records of audits in a folder. Each is read once, when it is needed; a folder without any costs nothing.

    Parameters
    ----------
    folder : of the records; None for no audit
    tables : folder of the sample tables, which tell whether an audit is of the images of now

    """

    def __init__(self, folder: Path | None, tables: Path = Path("tables")) -> None:
        self.folder, self._notes = folder, dict[str, None]()
        self._outdated = dict[Path, str]()
        self._tables = Workspace(tables=tables)
        self._digests: dict[str, str | None] = {}
        self._images: dict[str, frozenset[str]] = {}
        self._records: dict[Path, AuditRecord] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Audits that were not used, or not checked, and why, each once; none of those that a newer one replaces."""
        outdated = [note for path, note in self._outdated.items() if not self._is_replaced(self._infos[path])]
        return (*outdated, *self._notes)

    def _is_replaced(self, old: AuditInfo) -> bool:
        return any(_covers(info, old) and self._is_current(path, info) for path, info in self._infos.items())

    def covering(self, *datasets: str) -> AuditRecord | None:
        """The audit of all of some datasets: of several, the one of most kinds of equality, then of most datasets.

        Raises
        ------
        TableError
            If a record is damaged.
        """
        from pipeline.audit.record import AuditRecord  # late: it brings pandas

        names = set(datasets)
        current = [(path, info) for path, info in self._infos.items() if names <= info.tables.keys()]
        usable = [(path, info) for path, info in current if self._is_current(path, info)]
        if not usable:
            return None
        path, _ = max(usable, key=lambda each: (len(each[1].kinds), len(each[1].tables), each[0].name))
        if path not in self._records:
            self._records[path] = AuditRecord.read(path)
        return self._records[path]

    def findings(self, datasets: Set[str]) -> Iterator[DatasetFinding]:
        """What audits found in the datasets among some that were audited, a sentence each."""
        known: dict[DatasetFinding, None] = {}
        for path, info in self._infos.items():
            audited = [name for name in info.tables if name in datasets]
            if audited and self._is_current(path, info):
                known |= {finding: None for name in audited for finding in info.findings(name)}
        yield from sorted(known)

    @cached_property
    def _infos(self) -> dict[Path, AuditInfo]:
        if self.folder is None or not self.folder.is_dir():
            return {}
        from pipeline.audit.record import AuditRecord  # late: it brings pandas

        return {path: AuditRecord.read_info(path) for path in sorted(self.folder.glob("*.parquet"))}

    def _is_current(self, path: Path, info: AuditInfo) -> bool:
        digests = {name: self._digest(name) for name in info.tables}
        if changed := [name for name, digest in digests.items() if digest and digest != info.tables[name]]:
            self._outdated[path] = (
                f"{path}: not used: {', '.join(changed)} changed since it was made, and its findings are of other "
                "images. Audit these datasets again"
            )
            return False
        if unknown := [name for name, digest in digests.items() if digest is None]:
            self._notes[
                f"{path}: used without a check that it is of the images of now: there is no table of "
                f"{', '.join(unknown)} in {self._tables.tables}"
            ] = None
        return True

    def note_unaudited(self, dataset: str, images: Sequence[str]) -> None:
        """Note how many of some images, sha256, are in no row of the table of `dataset`, which is what was audited."""
        if self._digest(dataset) is None:
            return  # that nothing is known of the table is noted already
        known = self._images[dataset]
        if n := sum(image not in known for image in set(images)):
            self._notes[
                f"{dataset}: {n:,} images that heads were trained or scored on are not in its table, which was "
                "audited: of these only equal bytes are known. Extract the dataset again"
            ] = None

    def _digest(self, dataset: str) -> str | None:
        """Of a dataset's table now; None if there is none."""
        from pipeline.audit.record import table_digest  # late: they bring pandas
        from pipeline.tables.samples import SampleTable

        if dataset not in self._digests:
            path = self._tables.table(dataset)
            table = SampleTable.read(path) if path.exists() else None
            self._digests[dataset] = table_digest(table) if table is not None else None
            self._images[dataset] = frozenset(table.frame["sha256"]) if table is not None else frozenset()
        return self._digests[dataset]


def _covers(info: AuditInfo, other: AuditInfo) -> bool:
    """Whether an audit is of all datasets of another one, and of all its kinds."""
    return info.tables.keys() >= other.tables.keys() and info.kinds.keys() >= other.kinds.keys()
