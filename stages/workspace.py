"""Where things lie below the current folder: the same words as in dvc.yaml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.places.names import is_path_part
from stages.names import SCORES, path_part

__all__ = ["Workspace", "heads_below", "run_parts", "runs_root", "scores_path"]


@dataclass(frozen=True)
class Workspace:
    """Folders that commands read from and write to.

    ParamsError where a name of a dataset, an encoder or a method is no plain name: nothing is outside of these folders.
    """

    tables: Path = Path("tables")
    faces: Path = Path("faces")
    features: Path = Path("features")
    runs: Path = Path("runs")
    reports: Path = Path("reports")

    def table(self, dataset: str) -> Path:
        return self.tables / f"{path_part('dataset', dataset)}.parquet"

    def face_table(self, dataset: str) -> Path:
        return self.faces / f"{path_part('dataset', dataset)}.parquet"

    def run(self, encoder: str, method: str, dataset: str, seed: int, variant: str = "") -> Path:
        names = {"encoder": encoder, "method": method, "dataset": dataset, "variant": variant}
        for kind, name in names.items():
            if name or kind != "variant":  # a run that no grid made has none
                path_part(kind, name)
        return self.runs.joinpath(*_parts(encoder, method, dataset, variant, seed))


def scores_path(run_folder: Path) -> Path | None:
    """Where the scores of a run are kept: `RUNS/scores/ENCODER/METHOD/DATASET/[VARIANT/]seed-N/scores.json`.

    The path is that of the run folder below its runs root, so that scores can be an output of another DVC stage than
    the run itself.

    Parameters
    ----------
    run_folder : of a trained run; may be relative to the current folder

    Returns
    -------
    None for a head that is not at the place that its record names: exported, renamed, or moved out of its runs root.
    Nothing is kept of its scores.

    Raises
    ------
    InputError
        If the folder has a run.json that is damaged.
    """
    from pipeline.saved import RUN, read_record  # late: commands that need folders only start faster

    if not (run_folder / RUN).is_file():
        return None
    parts = run_parts(read_record(run_folder))
    for folder in (run_folder, Path(os.path.abspath(run_folder))):  # the second, where it was named as `.`
        if parts and folder.parts[-len(parts) :] == parts:
            root = Path(*folder.parts[: -len(parts)])
            return root.joinpath(SCORES, *parts, "scores.json")
    return None


def runs_root(scores: Path) -> Path:
    """The runs root of a path that `scores_path` gave."""
    above = scores.parents
    return above[5] if above[4].name == SCORES else above[6]  # with a variant; no encoder is named as SCORES


def heads_below(folder: Path, record: str) -> list[Path]:
    """The folders at and below `folder` that hold a file of the name `record`, sorted.

    What is below a folder of scores is no head: it has the place ENCODER/METHOD/DATASET/seed-N, or deeper, in it.

    Parameters
    ----------
    record : `pipeline.saved.RUN` of runs, or `EXPORTED` of exported heads
    """
    heads = [path.parent for path in sorted(folder.rglob(record))]
    return [head for head in heads if SCORES not in head.relative_to(folder).parts[:-4]]


def run_parts(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The folders of a run below the runs root, by its record; empty if it does not name them all, or names a path."""
    if any(name not in record for name in ("encoder", "method", "dataset", "seed")):
        return ()
    names = (str(record["encoder"]), str(record["method"]), str(record["dataset"]), str(record.get("variant", "")))
    parts = _parts(*names, record["seed"])
    return parts if all(map(is_path_part, parts)) else ()


def _parts(encoder: str, method: str, dataset: str, variant: str, seed: int) -> tuple[str, ...]:
    return tuple(part for part in (encoder, method, dataset, variant, f"seed-{seed}") if part)
