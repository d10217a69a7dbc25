"""What descriptions in Croissant 1.0 (MLCommons) share: their vocabulary, a Parquet file, and the records in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = ["CONTEXT", "CROISSANT", "RESPONSIBLE_AI", "TableFile", "file_object", "records_of"]

CROISSANT, RESPONSIBLE_AI = "http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"
# As Croissant 1.0 prescribes it, word for word.
CONTEXT: Mapping[str, Any] = {
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
    """A Parquet file with a row per image or frame, which the description lies beside.

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


def file_object(file: TableFile, identity: str, description: str) -> dict[str, Any]:
    """The entry of `distribution` of a file.

    Parameters
    ----------
    identity : how records name it
    """
    return {
        "@type": "cr:FileObject",
        "@id": identity,
        "name": file.name,
        "description": description,
        "contentUrl": file.name,
        "contentSize": f"{file.size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.sha256,
    }


def records_of(
    file: TableFile, identity: str, name: str, description: str, columns: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The record set of a file: a record per row, with a field per column.

    Parameters
    ----------
    identity : of the file's entry
    name : of the record set
    columns : what columns are, beside those of sample tables
    """
    words = _COLUMNS | dict(columns or {})
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/id"},
        "field": [_field(column, identity, name, words.get(column.name, column.name)) for column in file.schema],
    }


def _field(column: pa.Field, identity: str, records: str, description: str) -> dict[str, Any]:
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{column.name}",
        "name": column.name,
        "description": f"{description}.",
        "dataType": _data_type(kind.value_type if is_list else kind),
        **({"repeated": True} if is_list else {}),
        "source": {"fileObject": {"@id": identity}, "extract": {"column": column.name}},
    }


def _data_type(arrow: pa.DataType) -> str:
    if pa.types.is_integer(arrow):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(arrow) else "sc:Text"
