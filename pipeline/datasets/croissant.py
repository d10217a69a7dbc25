"""A description of a sample table in Croissant 1.0 (MLCommons) with its vocabulary for responsible AI, as plain data.

It describes the table's file and what is known of the dataset. Nothing of the images is in it: no path, no id, no name
of a person, no root. It has no date either, so that an unchanged table has an unchanged description.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pyarrow as pa

from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.published import PublishedComparison
from pipeline.tables.samples import OK, REJECTED, SPLITS, SampleTable, TableInfo

__all__ = ["TableFile", "croissant"]

CROISSANT, RESPONSIBLE_AI = "http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"
_TABLE, _ROWS, _COUNTS = "table", "samples", "counts"
_SHOWN = 20
# As Croissant 1.0 prescribes it, word for word.
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_COLUMNS = {
    "id": "Identifies the image; unique, and the same on every machine",
    "path": "File of the image below the dataset's root; the image is no part of this distribution",
    "label": "Expression, by name",
    "split": "train, val or test",
    "sha256": "Of the bytes of the image's file; empty where they could not be read",
    "status": "ok or rejected",
    "reason": "Why the image is rejected; empty for others",
    "subject": "The person in the image",
    "clip": "The video that the image is a frame of",
    "scene": "Kind of scene that the video is of, as the dataset names it",
    "frame": "Number of the frame in its video",
    "fold": "Test fold of the dataset that the image belongs to",
    "box": "Face in the image: x, y, width, height in pixels",
    "votes": "Annotators' votes",
    "distribution": "Share of each class of the table, summing to 1",
    "face": "Five landmarks of the face, x and y each, in pixels",
}


@dataclass(frozen=True)
class TableFile:
    """The Parquet file of a sample table, which the description lies beside.

    Parameters
    ----------
    name : without folders
    sha256 : of its bytes
    size : in bytes
    schema : its columns
    """

    name: str
    sha256: str
    size: int
    schema: pa.Schema


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
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": [CROISSANT, RESPONSIBLE_AI],
        "name": info.dataset,
        "description": _description(table, facts),
        "license": facts.licence if facts else "Unknown: nothing that was indexed states the licence of this dataset.",
        **({"citeAs": facts.reference} if facts else {}),
        **_responsible_ai(table, facts, published),
        "distribution": [_file_object(file, row)],
        "recordSet": [_sample_records(file, row), _count_records(table)],
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


def _file_object(file: TableFile, row: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": _TABLE,
        "name": file.name,
        "description": f"The sample table, one row per {row}.",
        "contentUrl": file.name,
        "contentSize": f"{file.size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def _sample_records(file: TableFile, row: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": _ROWS,
        "name": _ROWS,
        "description": f"One record per {row}, in the order of the table.",
        "key": {"@id": f"{_ROWS}/id"},
        "field": [_field(column) for column in file.schema],
    }


def _field(column: pa.Field) -> dict[str, Any]:
    is_list = pa.types.is_list(column.type)
    return {
        "@type": "cr:Field",
        "@id": f"{_ROWS}/{column.name}",
        "name": column.name,
        "description": f"{_COLUMNS.get(column.name, column.name)}.",
        "dataType": _data_type(column.type.value_type if is_list else column.type),
        **({"repeated": True} if is_list else {}),
        "source": {"fileObject": {"@id": _TABLE}, "extract": {"column": column.name}},
    }


def _data_type(arrow: pa.DataType) -> str:
    if pa.types.is_integer(arrow):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(arrow) else "sc:Text"


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
