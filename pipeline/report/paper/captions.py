"""What a reader must know of a table or a figure: the split, N, seeds, encoder, and what its signs mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.footnotes import AUDIT_LEGENDS, LEGEND, NEAR, OVERLAP, near_legend, overlap_legend, units_of
from pipeline.report.cells import Cell
from pipeline.report.distinctions import options_text
from pipeline.report.formatting import audit_text, overlap_text
from pipeline.report.groups import Group, units_text
from pipeline.report.runs import SPLIT_NAMES, Kind

__all__ = ["encoder_sentence", "legends", "seeds_sentence", "selection_sentence", "stand_in_sentence", "test_sentence"]


def test_sentence(groups: Sequence[Group], cells: Sequence[Cell]) -> str:
    """The split, N of each test set, and options of layouts: `Test images: a 120, b 3,136.`

    Options are stated once where all test sets have the same.
    """
    scores = {cell.test: cell.first for cell in cells}
    options = {test: options_text(score.options) for test, score in scores.items()}
    differ = len(set(options.values())) > 1
    counts = [
        f"{test} {score.n:,}" + (f" ({options[test]})" if differ and options[test] else "")
        for test, score in scores.items()
    ]
    split = SPLIT_NAMES.get(cells[0].first.split, cells[0].first.split)
    sentence = f"{split.capitalize()} {units_text(groups)}: {', '.join(counts)}."
    if not differ and (shared := next(iter(options.values()))):
        sentence += f" Labels and splits: {shared}."
    return sentence + (" They selected the epoch: scores are too high." if cells[0].first.split == "val" else "")


def seeds_sentence(groups: Sequence[Group], cells: Sequence[Cell]) -> str:
    """The seeds that scores are of, and that some cells have others where they differ: a run may not be scored."""
    random = [group for group in groups if group.runs[0].record.is_random]
    if not random:
        return "Every seed gives the same head."
    of_random = {id(cell) for group in random for cell in group.cells.values()}
    every = sorted({seed for cell in cells if id(cell) in of_random for seed in cell.by_seed})
    sentence = f"Seed{'s' if len(every) > 1 else ''}: {', '.join(map(str, every))}"
    differ = len({tuple(sorted(cell.by_seed)) for cell in cells}) > 1
    return f"{sentence}{', not all of every score (one where each gives the same head)' if differ else ''}."


def selection_sentence(groups: Sequence[Group]) -> str:
    """By what the epoch was selected, where something was trained."""
    chosen = {str(run.record.config.get("select_by", "")) for group in groups for run in group.runs if run.is_trained}
    scores = sorted(chosen - {"", "last"})
    parts = [f"selected by {' or '.join(scores)} on the validation split of the train dataset"] if scores else []
    parts += ["the last one"] if "last" in chosen else []
    return f"Epoch: {', or '.join(parts)}." if parts else ""


def encoder_sentence(groups: Sequence[Group]) -> str:
    """The encoder of the features, where any method reads them."""
    encoders = sorted({group.encoder for group in groups if group.kind is not Kind.IMAGE})
    return f"Encoder: {', '.join(encoders)}." if encoders else ""


def stand_in_sentence(groups: Iterable[Group]) -> str:
    """What stand-ins the numbers are of; empty where there are none."""
    notes = dict.fromkeys(group.note for group in groups if group.note)
    return f"STAND-IN, no result of a real encoder: {'; '.join(notes)}." if notes else ""


def legends(cells: Sequence[Cell]) -> str:
    """The meaning of each footnote symbol that marks any of the cells."""
    overlaps = " ".join(overlap_text([cell]) for cell in cells)
    audits = audit_text(cells)
    shown = [LEGEND] if any(cell.encoder_saw for cell in cells) else []
    units = units_of(cell.first.unit for cell in cells)
    shown += [overlap_legend(units)] if OVERLAP in overlaps else []
    shown += [near_legend(units)] if NEAR in overlaps else []
    shown += [legend for symbol, legend in AUDIT_LEGENDS.items() if symbol in audits]
    return "".join(f" {legend}." for legend in shown)
