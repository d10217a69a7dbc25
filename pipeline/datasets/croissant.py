"""A description of a sample table in Croissant 1.0 (MLCommons) with its vocabulary for responsible AI, as plain data.

It describes the table's file and what is known of the dataset. Nothing of the images is in it: no path, no id, no name
of a person, no root. It has no date either, so that an unchanged table has an unchanged description.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from pipeline.datasets.croissant_parts import CONTEXT, CROISSANT, RESPONSIBLE_AI, TableFile, file_object, records_of
from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.published import PublishedComparison
from pipeline.tables.samples import OK, REJECTED, SPLITS, SampleTable, TableInfo

__all__ = ["croissant"]

_TABLE, _ROWS, _COUNTS = "table", "samples", "counts"
_SHOWN = 20


def croissant(
    table: SampleTable, file: TableFile, facts: DatasetFacts | None, published: PublishedComparison
) -> dict[str, Any]:
    """The description of a table as a JSON-LD document.

    Parameters
    ----------
    facts : None for datasets of which nothing is known: licence and biases are stated as unknown then
    published : the table's counts against those that are published
    """
    info, row = table.info, "frame of a clip" if table.info.unit == "clip" else "image"
    records = records_of(file, _TABLE, _ROWS, f"One record per {row}, in the order of the table.")
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": [CROISSANT, RESPONSIBLE_AI],
        "name": info.dataset,
        "description": _description(table, facts),
        "license": facts.licence if facts else "Unknown: nothing that was indexed states the licence of this dataset.",
        **({"citeAs": facts.reference} if facts else {}),
        **_responsible_ai(table, facts, published),
        "distribution": [file_object(file, _TABLE, f"The sample table, one row per {row}.")],
        "recordSet": [records, _count_records(table)],
    }


def _description(table: SampleTable, facts: DatasetFacts | None) -> str:
    info = table.info
    of = f"{facts.title}: {facts.content}. " if facts else ""
    release = f", release: {info.release}" if info.release else ""
    counts = table.units["split"][table.units["status"] == OK].value_counts()
    splits = ", ".join(f"{split} {counts[split]:,}" for split in SPLITS if split in counts)
    what = f"{len(table.units):,} clips by {len(table):,} frames" if info.unit == "clip" else f"{len(table):,} images"
    return (
        f"{of}The sample table lists {what} (layout {_without_folders(info.layout)}{release}), usable "
        f"ones: {splits or 'none'}. It has no images. Access: {facts.access if facts else 'unknown'}."
    )


def _responsible_ai(table: SampleTable, facts: DatasetFacts | None, published: PublishedComparison) -> dict[str, Any]:
    biases = facts.biases if facts else ()
    return {
        "rai:dataCollection": f"{facts.content[:1].upper()}{facts.content[1:]}." if facts else "Unknown.",
        "rai:dataAnnotationProtocol": _label_rule(table.info, facts),
        **({"rai:dataPreprocessingProtocol": carved} if (carved := list(_carved(table.info))) else {}),
        "rai:dataCollectionMissingData": _missing(table),
        "rai:dataBiases": list(biases) or ["Unknown: none are recorded for this dataset."],
        "rai:dataLimitations": [*(facts.traps if facts else ()), *_limitations(table, published)],
        "rai:personalSensitiveInformation": [
            "The images show faces of people, and are not distributed with this description. The table has names of "
            "files" + (" and of people" if "subject" in table.frame.columns else "") + " as the dataset states them."
        ],
    }


def _label_rule(info: TableInfo, facts: DatasetFacts | None) -> str:
    codes = f"Labels in the source: {facts.label_codes}. " if facts else ""
    options = ", ".join(f"{name}={_without_folders(value)}" for name, value in info.options.items())
    excluded = _counted(Counter(info.excluded))
    return (
        f"{codes}Labels in the table are names, of the classes {', '.join(info.classes)}. Options: "
        f"{options or 'unknown'}. Rows that they exclude: {excluded or 'none'}."
    )


def _carved(info: TableInfo) -> Iterator[str]:
    for split, source in (info.carved or {}).items():
        yield f"The split {split} was carved out of {f'the split {source}' if source else 'a dataset without splits'}."


def _missing(table: SampleTable) -> str:
    reasons = Counter(
        _without_root(reason, table.info) for reason in table.frame["reason"][table.frame["status"] != OK]
    )
    what = "frames and clips" if table.info.unit == "clip" else "images"
    return f"Rejected {what}, and why: {_counted(reasons) or 'none'}."


def _counted(reasons: Counter[str]) -> str:
    """The most frequent reasons with their counts."""
    shown = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common(_SHOWN))
    return f"{shown}, and {len(reasons) - _SHOWN:,} other reasons" if len(reasons) > _SHOWN else shown


def _limitations(table: SampleTable, published: PublishedComparison) -> Iterator[str]:
    if note := published.note():
        yield f"{note[:1].upper()}{note[1:]}."
    for kind, counts in table.crossing().items():
        where = ", ".join(f"{pair} {n:,}" for pair, n in counts.items())
        what = "Clips" if table.info.unit == "clip" else "Rows"
        yield f"{what} whose equal by {kind} is in another split: {where}."


def _count_records(table: SampleTable) -> dict[str, Any]:
    """Images or clips per split and label, inside the document."""
    types = {"split": "sc:Text", "label": "sc:Text", "usable": "sc:Integer", "rejected": "sc:Integer"}
    counts = table.units.groupby(["split", "label", "status"]).size().to_dict()
    rows = [
        (split, label, int(counts.get((split, label, OK), 0)), int(counts.get((split, label, REJECTED), 0)))
        for split in SPLITS
        for label in table.info.classes
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": _COUNTS,
        "name": _COUNTS,
        "description": f"{'Clips' if table.info.unit == 'clip' else 'Images'} per split and label.",
        "field": [
            {"@type": "cr:Field", "@id": f"{_COUNTS}/{name}", "name": name, "dataType": kind}
            for name, kind in types.items()
        ],
        "data": [{f"{_COUNTS}/{name}": value for name, value in zip(types, row, strict=True)} for row in rows],
    }


def _without_folders(value: Any) -> Any:
    """The value of an option; of an absolute path its last part."""
    return PurePath(value).name if isinstance(value, str) and os.path.isabs(value) else value


def _without_root(text: str, info: TableInfo) -> str:
    """Text of a message in which the root, if it is there, is no path of this machine."""
    for root in {info.root, os.path.abspath(info.root)}:
        text = text.replace(root, "ROOT") if os.path.isabs(root) else text
    return text
