"""Tables and figures for a paper, which `report` writes beside its page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cache.csv_cells import write_csv
from pipeline.errors import ConfigError
from pipeline.progress import OnProgress
from pipeline.report.paper.latex import latex_figure, preview
from pipeline.report.paper.tables import latex_tables
from pipeline.report.paper.train_test import Differences, by_encoder
from pipeline.report.runs import NO_TRAINING
from stages.names import FIGURES
from stages.remedies import command_line
from stages.requests import ReportRequest
from stages.workflows.paper_sources import FeatureReader

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.report.groups import Group
    from pipeline.report.paper.style import PaperFigure

__all__ = ["LATEX", "PAPER_FIGURES", "paper_files", "require_figures"]

LATEX, PAPER_FIGURES = "latex", "figures"  # folders below that of the report
_PREVIEW = "preview.tex"


def require_figures(names: Sequence[str]) -> None:
    """ConfigError if figures are requested, and the package that draws them is missing."""
    if names and find_spec("matplotlib") is None:
        raise ConfigError("figures need the package matplotlib, found none. Run: pip install 'fer-stage[figures]'")


def paper_files(
    groups: Sequence[Group], request: ReportRequest, on_progress: OnProgress
) -> tuple[dict[Path, bytes], list[str]]:
    """The files that a request asks for, and notes on what is in none of them and on files of an earlier report.

    Nothing is drawn in a dry run.
    """
    files: dict[Path, bytes] = {}
    notes: list[str] = []
    if request.latex:
        files, notes = _latex_files(groups, request)
    if request.figures and not request.dry_run:
        figures, of_figures = _figures(groups, request, on_progress)
        notes += of_figures
        files |= {path: data for figure in figures for path, data in _files_of(figure, request.reports).items()}
    return files, [*notes, *_outdated(files)]


def _latex_files(groups: Sequence[Group], request: ReportRequest) -> tuple[dict[Path, bytes], list[str]]:
    folder = request.reports / LATEX
    notes: dict[str, None] = {}
    differences = partial(_differences, groups, notes) if request.significance else None
    tables = latex_tables(groups, request.uncertainty, differences)
    files = {folder / f"{table.name}.tex": table.as_latex().encode() for table in tables}
    if files:
        files[folder / _PREVIEW] = preview([table.name for table in tables]).encode()
    return files, [f"Significance: {note}" for note in notes]


def _differences(groups: Sequence[Group], notes: dict[str, None], encoder: str, metric: str) -> Differences:
    """Whether a difference can be seen, of every two methods on an encoder in every cell; notes on what is left out."""
    from stages.workflows.compare import compare_cells  # late: it brings scipy

    pairs, left_out = compare_cells(by_encoder(groups)[encoder], metric)
    notes |= dict.fromkeys(left_out)
    return {
        (pair.trained_on or NO_TRAINING, pair.dataset, frozenset({pair.first, pair.second})): pair.is_significant
        for pair in pairs
    }


def _figures(
    groups: Sequence[Group], request: ReportRequest, on_progress: OnProgress
) -> tuple[list[PaperFigure], list[str]]:
    # late: it brings matplotlib, an extra
    from pipeline.report.paper.figures import OF_SINGLE_HEADS, grid_variants, paper_figures, without_grid_variants
    from pipeline.report.paper.reliability import without_reliability

    names = dict.fromkeys(FIGURES if "all" in request.figures else request.figures)
    features = FeatureReader(request.features)
    figures = paper_figures(groups, names, features.read, on_progress)
    notes = list(features.notes)
    if "reliability" in names and (absent := without_reliability(without_grid_variants(groups))):
        notes.append(
            f"No figure of reliability of {_listed(absent)}: the predictions that these scores are of are not here. To "
            f"make them: `{command_line('evaluate', {'runs': (str(request.runs),)})}`"
        )
    if (variants := grid_variants(groups)) and OF_SINGLE_HEADS & names.keys():
        folder = Path(variants[0].runs[0].label).parent
        notes.append(
            f"No figures of single heads ({', '.join(sorted(OF_SINGLE_HEADS & names.keys()))}) of {len(variants)} "
            f"variants of grids. To draw those of one, name its folder: --runs {folder}"
        )
    return figures, notes


def _files_of(figure: PaperFigure, reports: Path) -> dict[Path, bytes]:
    stem = reports / PAPER_FIGURES / figure.name
    caption = latex_figure(figure.name, figure.caption, is_wide=figure.is_wide).encode()
    files = {".pdf": figure.pdf, ".svg": figure.svg, ".csv": _csv(figure.data), ".tex": caption}
    return {stem.with_name(stem.name + suffix): data for suffix, data in files.items()}


def _csv(table: pd.DataFrame) -> bytes:
    text = io.StringIO()
    write_csv(table, text)
    return text.getvalue().encode()


def _outdated(files: Mapping[Path, bytes]) -> list[str]:
    """Notes on files in the same folders that are not of this report: they may be of runs that are gone."""
    notes = []
    for folder in dict.fromkeys(path.parent for path in files):
        kinds = {path.suffix for path in files if path.parent == folder}
        if others := sorted(path.name for path in folder.glob("*") if path.suffix in kinds and path not in files):
            notes.append(
                f"In {folder} are files that are not of this report: {_listed(others)}. Delete what is not needed"
            )
    return notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
