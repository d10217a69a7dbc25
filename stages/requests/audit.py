"""The request of audit."""

from __future__ import annotations

from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from stages.requests.fields import (
    CONFIG,
    FolderOrBucket,
    OptionalPathLike,
    OptionalPng,
    PathLike,
    Positive,
    Request,
    Share,
    Texts,
    default,
)

__all__ = ["AUDIT_KINDS", "PAIRS_SUFFIXES", "AuditRequest"]

AUDIT_KINDS = ("bytes", "pixels", "phash", "features")  # those of `pipeline.audit.record`, which `--help` does not load
PAIRS_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, config=CONFIG)
class AuditRequest(Request):
    """Find equal and nearly equal pictures, contradicting labels, and people in two splits, in datasets together.

    Parameters
    ----------
    datasets : names of indexed datasets, one or several
    kinds : what is compared: `bytes` of files, in any case, decoded `pixels`, perceptual hashes (`phash`), `features`
    max_bits : of 64 bits of two hashes that may differ, 0 to 16
    encoder : whose features are compared; by default the first of params.yaml
    min_cosine : of two features, in [0, 1]
    pairs : a .csv or .parquet to write, with every pair
    contact_sheet : a .png to write, with up to 48 of the pairs
    run : folder of a head whose predictions are compared with the labels: do they fit another order? `default` is the
        head that is part of fer-stage. It needs features of its encoder
    zero_shot : compare with zero-shot predictions of `encoder` instead
    threads : that read and decode; by default one per core
    tables, audits : folders of sample tables, and of the record that `evaluate` and `report` read
    """

    datasets: Texts
    _: KW_ONLY
    kinds: Texts = default(("bytes", "pixels", "phash"))
    max_bits: Annotated[int, Field(ge=0, le=16)] = 4
    encoder: str | None = None
    min_cosine: Share = 0.98
    pairs: OptionalPathLike = default(None)
    contact_sheet: OptionalPng = default(None)
    run: OptionalPathLike = default(None)
    zero_shot: bool = False
    threads: Positive | None = None
    dry_run: bool = False
    tables: PathLike = default(Path("tables"))
    features: FolderOrBucket = default(Path("features"))
    audits: PathLike = default(Path("audits"))
    device: str = "auto"
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))

    def __post_init__(self) -> None:
        if unknown := [kind for kind in self.kinds if kind not in AUDIT_KINDS]:
            raise ValueError(f"`kinds`: expected names among {', '.join(AUDIT_KINDS)}, found {unknown[0]!r}")
        if not self.kinds:
            raise ValueError(f"`kinds`: expected at least one of {', '.join(AUDIT_KINDS)}, found none")
        if not self.datasets or len(set(self.datasets)) < len(self.datasets):
            raise ValueError(f"`datasets`: expected names, each once, found {', '.join(self.datasets) or 'none'}")
        if self.encoder and "features" not in self.kinds and not self.zero_shot:
            raise ValueError("`encoder` states whose features are compared: add features to `kinds`, or `zero_shot`")
        if self.run is not None and self.zero_shot:
            raise ValueError("`run` and `zero_shot` exclude each other: labels are compared with one or the other")
        if self.pairs is not None and self.pairs.suffix.lower() not in PAIRS_SUFFIXES:
            raise ValueError(
                f"`pairs`: expected a name that ends with {' or '.join(PAIRS_SUFFIXES)}, found {self.pairs}"
            )

    @property
    def compared(self) -> tuple[str, ...]:
        """The kinds that are compared, the strictest first; bytes always: for others, equal files are one picture."""
        return tuple(kind for kind in AUDIT_KINDS if kind in self.kinds or kind == "bytes")
