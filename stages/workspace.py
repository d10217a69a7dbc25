"""Where things lie below the current folder: the same words as in dvc.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Workspace"]


@dataclass(frozen=True)
class Workspace:
    """Folders that commands read from and write to."""

    tables: Path = Path("tables")
    faces: Path = Path("faces")
    features: Path = Path("features")
    runs: Path = Path("runs")
    reports: Path = Path("reports")

    def table(self, dataset: str) -> Path:
        return self.tables / f"{dataset}.parquet"

    def face_table(self, dataset: str) -> Path:
        return self.faces / f"{dataset}.parquet"

    def run(self, encoder: str, method: str, dataset: str, seed: int, variant: str = "") -> Path:
        return self.runs / encoder / method / dataset / variant / f"seed-{seed}"
