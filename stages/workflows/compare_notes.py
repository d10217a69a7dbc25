"""What must be stated with differences of methods: what makes scores too high, or methods unlike each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.footnotes import LEGEND
from pipeline.report.cells import Cell
from pipeline.report.distinctions import distinction_notes
from pipeline.report.runs import SPLIT_NAMES
from stages.workflows.compared_runs import Contender, Place

__all__ = ["notes_of_methods", "notes_of_place"]


def notes_of_place(place: Place, cells: Sequence[Cell]) -> Iterator[str]:
    """What is known of the test units where methods are compared: it may favour one of the methods."""
    first = cells[0].first
    if first.split != "test":
        split = SPLIT_NAMES.get(first.split, first.split)
        yield f"Scores are of the {split} split: where it selected the epoch they are too high, and not equally so"
    if share := max((cell.overlap or 0.0) + cell.near_overlap for cell in cells):
        yield (
            f"{place.text}: {100 * share:.1f} % of the {first.unit}s were in the training or validation data of a head "
            "(the same bytes, or by an audit the same picture). evaluate leaves them out with --exclude-overlap"
        )
    if any(cell.encoder_saw for cell in cells):
        yield f"{place.dataset} {LEGEND}"


def notes_of_methods(contenders: Sequence[Contender]) -> list[str]:
    """Other encoders, other classes, stand-ins."""
    noted: dict[str, list[str]] = {}
    for contender in contenders:
        noted.setdefault(contender.group.note, []).append(contender.name)
    notes = [f"{', '.join(names)}: {note}" for note, names in noted.items() if note]
    encoders = list(dict.fromkeys(contender.group.source for contender in contenders))
    if len(encoders) > 1:
        notes.append(
            f"The methods read different inputs ({', '.join(encoders)}): a difference is one of method and input "
            "together. The test images are the same"
        )
    return [*notes, *distinction_notes([run for contender in contenders for run in contender.group.runs])]
