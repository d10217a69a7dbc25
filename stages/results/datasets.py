"""Results of draw, datasets, code, index and align."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import check_rejected
from stages.results.base import Result

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.datasets.description import LayoutDescription
    from pipeline.datasets.digests import ScanCounts
    from pipeline.datasets.published import PublishedComparison
    from pipeline.faces.table import FaceTable
    from pipeline.tables.samples import SampleTable

__all__ = ["AlignResult", "CodeResult", "DatasetRow", "DatasetsResult", "DrawResult", "IndexResult", "NamedCode"]


@dataclass(frozen=True)
class DatasetRow:
    """One dataset of params.yaml, or one layout.

    Parameters
    ----------
    name : of the dataset, or of the layout
    layout, root : how it is read, and where it is expected
    exists : whether the root is on this machine
    rows : of its sample table; None if it is not indexed
    outdated : how the table differs from what params.yaml states now; empty if it does not
    """

    name: str
    layout: str
    root: str
    exists: bool
    rows: int | None
    outdated: str


@dataclass(frozen=True)
class DatasetsResult(Result):
    """Every dataset of params.yaml and every layout; or one of them.

    Parameters
    ----------
    about : what is known of the one that was requested; None if none was
    """

    datasets: tuple[DatasetRow, ...]
    about: LayoutDescription | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """One row per dataset or layout, with the columns of `DatasetRow`."""
        import pandas as pd  # late: `import stages` needs no pandas

        return pd.DataFrame(self.datasets).astype({"rows": "Int64"})


@dataclass(frozen=True)
class NamedCode:
    """The code of one name of params.yaml.

    Parameters
    ----------
    block : `datasets`, `encoders` or `methods` of params.yaml
    name : in that block, or in `run.methods`
    code : FILE.py:NAME, or the name of an entry point; empty for what is part of fer-stage
    version : sha256 of the file; of a method of fer-stage its version; "built in" for other parts of fer-stage
    """

    block: str
    name: str
    code: str
    version: int | str


@dataclass(frozen=True)
class CodeResult(Result):
    """The code of every method, encoder and layout that params.yaml names, and where it was written."""

    code: tuple[NamedCode, ...]
    path: Path

    @property
    def frame(self) -> pd.DataFrame:
        """One row per name, with the columns of `NamedCode`."""
        import pandas as pd  # late: `import stages` needs no pandas

        return pd.DataFrame(self.code)


@dataclass(frozen=True)
class DrawResult(Result):
    """Drawn faces or clips, and where they were written (not in a dry run).

    Parameters
    ----------
    style : one of sample-a to sample-e, or of sample-video-a to sample-video-e
    n : faces, or clips
    seed : of what was drawn
    path : folder of a style, file of a group
    is_group : whether all are in one picture
    """

    style: str
    n: int
    seed: int
    path: Path
    is_group: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row per face or clip: `id`, `label`, `split`, `subject`, `intensity` in [0, 1].

        Of a group the hindmost person is the first one.
        """
        import pandas as pd  # late: `import stages` needs no pandas

        from pipeline.datasets.drawn import group_specs, kind_of

        kind = kind_of(self.style)
        specs = (group_specs if self.is_group else kind.specs)(self.style, self.n, self.seed)
        columns = ["id", "label", "split", "subject", "intensity"]
        faces = [kind.face(spec) for spec in specs]
        return pd.DataFrame([[getattr(face, name) for name in columns] for face in faces], columns=columns)

    @property
    def what(self) -> str:
        """What `n` counts."""
        from pipeline.datasets.drawn import kind_of

        if self.is_group:
            return "people"
        return "clips" if kind_of(self.style).unit == "clip" else "faces"


@dataclass(frozen=True)
class IndexResult(Result):
    """A sample table, and where it was written (not in a dry run).

    Parameters
    ----------
    published : its counts against those that are published of the dataset
    description : the file beside it that describes it in Croissant
    scan : how many images there are, and how many of them were read, as they are new or changed since the last scan
    """

    table: SampleTable
    path: Path
    published: PublishedComparison
    description: Path
    scan: ScanCounts

    @property
    def frame(self) -> pd.DataFrame:
        """One row per image or frame, in the order of the table."""
        return self.table.frame

    def summary(self) -> Mapping[str, Any]:
        """Counts of rows, rejected ones and images that were read, those published, and the paths of files."""
        scan = {"files": self.scan.files, "unchanged": self.scan.unchanged, "read": self.scan.read}
        files = {"path": str(self.path), "description": str(self.description)}
        return {**self.table.summary(), "scan": scan, "published": self.published.as_json(), **files}


@dataclass(frozen=True)
class AlignResult(Result):
    """A face table, and where it was written (not in a dry run).

    Parameters
    ----------
    faces : of a dry run, those that earlier runs found; empty where `if_any` found nothing to align
    path : of the face table
    n_rows : of the sample table
    n_to_detect : images that a dry run would search; None if the table is complete
    n_detected : images that this run searched
    seconds : that the search took
    max_rejected : share of rejected images above which `check` fails, in [0, 1]
    """

    faces: FaceTable
    path: Path
    n_rows: int
    n_to_detect: int | None = None
    n_detected: int = 0
    seconds: float = 0.0
    max_rejected: float = 1.0

    @property
    def frame(self) -> pd.DataFrame:
        """One row per image, in the order of the sample table: status, score, box and landmarks of its face."""
        return self.faces.frame

    def summary(self) -> Mapping[str, Any]:
        """Counts of faces, of images without one and of rejected images; of a dry run, what is to be done."""
        of_dataset = {"dataset": self.faces.info.dataset, "rows": self.n_rows}
        if self.n_to_detect is not None:
            return {**of_dataset, "to_detect": self.n_to_detect, "path": str(self.path)}
        from pipeline.faces.table import FOUND, MISSED, UNUSABLE  # late: `import stages` needs no pandas

        is_found = self.frame["status"] == FOUND
        return {
            **of_dataset,
            "aligned": int(is_found.sum()),
            "missed": self.faces.count(MISSED),
            "rejected": self.faces.count(UNUSABLE),
            "several": int(((self.frame["faces"] > 1) & is_found).sum()),
            "detected": self.n_detected,
            "seconds": round(self.seconds, 3),
            "faces_per_second": round(self.n_detected / self.seconds, 2) if self.n_detected and self.seconds else 0.0,
            "path": str(self.path),
        }

    def check(self) -> None:
        """Raise CheckFailedError if more than `max_rejected` of the images were rejected; the face table is kept."""
        from pipeline.faces.table import UNUSABLE

        if self.n_to_detect is None:
            reasons = f". {self.path} has the reasons"
            check_rejected(self.faces.count(UNUSABLE), self.n_rows, self.max_rejected, "images are rejected", reasons)
