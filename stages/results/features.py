"""Results of extract and encode-text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stages.errors import StageError, check_rejected
from stages.results.base import Result

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from cache import Store
    from cache.places import AnyPath
    from pipeline.tables.samples import SampleTable

__all__ = ["EncodeTextResult", "ExtractResult"]


@dataclass(frozen=True, kw_only=True)
class ExtractResult(Result):
    """What an extract did, or would do in a dry run. Every row was encoded, reused, or rejected.

    Parameters
    ----------
    table : its rows
    path, key : of the store
    complete : whether the store is finished; False in a dry run, unless there is nothing to do
    encoder, device, note : the encoder's name, where it ran, and what must be stated of it
    n_encoded, n_reused, n_rejected : rows; reused ones are of finished shards, of other stores, or of equal images
    n_missed : images without a face; None where images are taken as they are
    seconds : that it took
    max_rejected : share of rejected rows above which `check` fails, in [0, 1]
    """

    table: SampleTable = field(repr=False)
    path: AnyPath
    key: str
    complete: bool
    encoder: str
    device: str
    note: str
    n_encoded: int
    n_reused: int
    n_rejected: int
    n_missed: int | None
    seconds: float
    max_rejected: float

    @property
    def store(self) -> Store:
        """The finished store, open for reading.

        Raises
        ------
        StageError
            If there is none, as this was a dry run.
        """
        if not self.complete:
            raise StageError(f"expected a finished store at {self.path}, found the plan of one: this was a dry run")
        from cache import open_store

        return open_store(self.path)

    @property
    def frame(self) -> pd.DataFrame:
        """The columns of the store, one row per sample; those of its sample table where there is no store yet."""
        return self.store.frame if self.complete else self.table.frame

    def summary(self) -> Mapping[str, Any]:
        """Counts of rows, speed, key and path."""
        rate = round(self.n_encoded / self.seconds, 2) if self.n_encoded and self.seconds else 0.0
        return {
            "dataset": self.table.info.dataset,
            "encoder": self.encoder,
            "device": self.device,
            **self._clips(),
            "rows": len(self.table),
            "encoded": self.n_encoded,
            "reused": self.n_reused,
            "rejected": self.n_rejected,
            **({} if self.n_missed is None else {"missed": self.n_missed}),
            "seconds": round(self.seconds, 3),
            "rows_per_s": rate,
            "key": self.key,
            "path": str(self.path),
            "complete": self.complete,
            "note": self.note,
        }

    def _clips(self) -> dict[str, Any]:
        """Of a table of clips their number: its rows are frames."""
        table = self.table
        return {"unit": "clip", "clips": table.frame["clip"].nunique()} if table.info.unit == "clip" else {}

    def check(self) -> None:
        """Raise CheckFailedError where more than `max_rejected` of the rows are rejected."""
        see_them = [("query", {"store": str(self.path), "where": "status == 'rejected'"})]
        check_rejected(
            self.n_rejected,
            len(self.table),
            self.max_rejected,
            "images are rejected",
            remedy=see_them if self.complete else (),
        )


@dataclass(frozen=True)
class EncodeTextResult(Result):
    """The vectors of a prompt set, and where they are.

    Parameters
    ----------
    encoder, prompts : folder name of the encoder, name of the prompt set
    templates, classes : what is encoded: T templates with C class names
    sentences : of template t and class c at [t][c]
    vectors : float32, shape (T, C, D), raw; None in a dry run of what was not encoded yet
    key : digest of what the vectors are of
    path : file of the vectors: a path, or a place in an object store
    note : what must be stated wherever a number of the encoder appears, else empty
    """

    encoder: str
    prompts: str
    templates: tuple[str, ...]
    classes: tuple[str, ...]
    sentences: tuple[tuple[str, ...], ...] = field(repr=False)
    vectors: npt.NDArray[np.float32] | None = field(repr=False)
    key: str
    path: AnyPath
    note: str = ""

    @property
    def frame(self) -> pd.DataFrame:
        """One row per sentence: its template, its class, itself; all classes of a template follow each other."""
        import pandas as pd  # late: `import stages` is light

        rows = [
            (template, name, sentence)
            for template, of_template in zip(self.templates, self.sentences, strict=True)
            for name, sentence in zip(self.classes, of_template, strict=True)
        ]
        return pd.DataFrame(rows, columns=["template", "class", "sentence"])

    def summary(self) -> Mapping[str, Any]:
        """Names, counts, the key and the path."""
        return {
            "encoder": self.encoder,
            "prompts": self.prompts,
            "templates": len(self.templates),
            "classes": list(self.classes),
            "key": self.key,
            "path": str(self.path),
            "note": self.note,
        }
