"""Paths of tables, features, runs and reports below the current folder: those that dvc.yaml names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cache.places.names import is_path_part
from stages.names import SCORES, path_part

if TYPE_CHECKING:
    from pipeline.records import Run

__all__ = ["Workspace", "heads_below", "run_of_scores", "run_parts", "runs_root", "scores_path"]


@dataclass(frozen=True)
class Workspace:
    """Folders that commands read from and write to.

    Methods raise ParamsError where the name of a dataset, an encoder or a method is more than a plain name, so that no
    path is outside of these folders.
    """

    tables: Path = Path("tables")
    faces: Path = Path("faces")
    features: Path = Path("features")
    runs: Path = Path("runs")
    reports: Path = Path("reports")

    def table(self, dataset: str) -> Path:
        return self.tables / f"{path_part('dataset', dataset)}.parquet"

    def scan_record(self, dataset: str) -> Path:
        return self.tables / f"{path_part('dataset', dataset)}.scan"

    def code_sheet(self, dataset: str) -> Path:
        return self.tables / f"{path_part('dataset', dataset)}.codes.png"

    def fingerprints(self, dataset: str) -> Path:
        return self.tables / f"{path_part('dataset', dataset)}.pixels.parquet"

    def face_table(self, dataset: str) -> Path:
        return self.faces / f"{path_part('dataset', dataset)}.parquet"

    def run(self, encoder: str, method: str, dataset: str, seed: int, variant: str = "") -> Path:
        names = {"encoder": encoder, "method": method, "dataset": dataset, "variant": variant}
        for kind, name in names.items():
            if name or kind != "variant":  # a run that no grid made has none
                path_part(kind, name)
        return self.runs.joinpath(*_parts(encoder, method, dataset, variant, seed))


def scores_path(run_folder: Path) -> Path | None:
    """The file of a run's scores: `RUNS/scores/ENCODER/METHOD/DATASET/[VARIANT/]seed-N/scores.json`.

    The path is that of the run folder below its runs root, so that scores can be an output of another DVC stage than
    the run itself.

    Parameters
    ----------
    run_folder : of a trained run; may be relative to the current folder

    Returns
    -------
    None for a head that is not at the path of its record: exported, renamed, or moved out of its runs root. Its scores
    are not written.

    Raises
    ------
    InputError
        If the folder has a run.json that is damaged.
    """
    from pipeline.records import read_run  # late: commands that need folders only start faster

    if not (path := run_folder / "run.json").is_file():
        return None
    parts = run_parts(read_run(path))
    for folder in (run_folder, Path(os.path.abspath(run_folder))):  # the second if it was named as `.`
        if parts and folder.parts[-len(parts) :] == parts:
            root = Path(*folder.parts[: -len(parts)])
            return root.joinpath(SCORES, *parts, "scores.json")
    return None


def runs_root(scores: Path) -> Path:
    """The runs root of a path that `scores_path` gave."""
    above = scores.parents
    return above[5] if above[4].name == SCORES else above[6]  # with a variant; no encoder is named as SCORES


def run_of_scores(scores: Path) -> Path:
    """The folder of the run whose scores are at a path that `scores_path` gave."""
    root = runs_root(scores)
    return root / scores.parent.relative_to(root / SCORES)


def heads_below(folder: Path, record: str) -> list[Path]:
    """The folders at and below `folder` that hold a file of the name `record`, sorted.

    Folders of scores are left out: below a folder named as `SCORES` they are ENCODER/METHOD/DATASET/seed-N, or deeper.

    Parameters
    ----------
    record : `pipeline.predict.head_folder.RUN` of runs, or `EXPORTED` of exported heads
    """
    heads = [path.parent for path in sorted(folder.rglob(record))]
    return [head for head in heads if SCORES not in head.relative_to(folder).parts[:-4]]


def run_parts(record: Run) -> tuple[str, ...]:
    """The folders of a run below the runs root, by its record; empty if one is no name of a folder."""
    parts = _parts(record.encoder, record.method, record.dataset, record.variant, record.seed)
    return parts if all(map(is_path_part, parts)) else ()


def _parts(encoder: str, method: str, dataset: str, variant: str, seed: int) -> tuple[str, ...]:
    return tuple(part for part in (encoder, method, dataset, variant, f"seed-{seed}") if part)
