"""The metadata of a Zarr store, read by ourselves: bounded, and compared with what our writer writes.

Whatever else Zarr can do (other codecs, shards, links to other arrays) is refused before Zarr sees it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal

from cache.backends.base import MANIFEST, damage_reported
from cache.backends.expected import TEXT, Layout
from cache.errors import RESTORE, NewerSchemaError, SchemaError, StoreDamagedError
from cache.fields import Fields, parsed_json
from cache.manifest import MAX_MANIFEST_BYTES
from cache.places import AnyPath, is_file, network_errors, read_limited
from cache.places.objects import METADATA_FILE
from cache.schema import MAX_AXES, MAX_AXIS, MAX_ROWS

__all__ = ["FORMAT", "array_metadata", "chunk_files", "layout_of", "manifest_text"]

FORMAT: Literal[3] = 3  # of Zarr
_MAX_GROUP_BYTES = 3 * MAX_MANIFEST_BYTES  # the manifest as a text in JSON: its quotes and letters are escaped
_MAX_ARRAY_BYTES = 2**20


def manifest_text(path: AnyPath) -> str:
    """The manifest of the store at `path`, as a text.

    Raises
    ------
    SchemaError
        If there is no Zarr group with a manifest, or NewerSchemaError if it is of a format that we do not know.
    StoreDamagedError
        If the group's metadata cannot be read.
    """
    file = path / METADATA_FILE
    with damage_reported(f"{path}: the manifest"), network_errors(path):
        if not is_file(file):
            raise _no_store(path)
        values = parsed_json(read_limited(file, _MAX_GROUP_BYTES))
    if not isinstance(values, dict) or "zarr_format" not in values:
        raise _no_store(path)
    _require_format(path, values["zarr_format"])
    attributes = values.get("attributes")
    text = attributes.get(MANIFEST) if isinstance(attributes, dict) else None
    if values.get("node_type") != "group" or not isinstance(text, str):
        raise _no_store(path)
    return text


def array_metadata(path: AnyPath, name: str) -> dict[str, Any] | None:
    """The metadata of one array below `path`, all of its fields checked; None if there is no such array.

    Raises
    ------
    StoreDamagedError
        If they cannot be read, or are none that our writer writes.
    """
    file = path / name / METADATA_FILE
    with damage_reported(f"{path}: the description of {name}"), network_errors(path):
        if not is_file(file):
            return None
        values = parsed_json(read_limited(file, _MAX_ARRAY_BYTES))
    try:
        _check(Fields.of(f"{path}: the description of {name}", values))
    except SchemaError as error:
        raise StoreDamagedError(str(error)) from error
    return dict(values)


def layout_of(metadata: Mapping[str, Any]) -> Layout:
    """Shape, dtype and chunks of checked metadata."""
    chunks = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    return Layout(tuple(metadata["shape"]), str(metadata["data_type"]), tuple(chunks))


def chunk_files(name: str, layout: Layout) -> dict[str, range]:
    """Every chunk's file -> its rows. Outputs are (V, N, ...): rows are the second axis, of columns the first."""
    chunks = layout.chunks or layout.shape
    counts = [math.ceil(size / chunk) for size, chunk in zip(layout.shape, chunks, strict=True)]
    axis = min(1, len(counts) - 1)
    rows = [range(i * chunks[axis], min((i + 1) * chunks[axis], layout.shape[axis])) for i in range(counts[axis])]
    indices = itertools.product(*(range(count) for count in counts))
    return {"/".join([name, "c", *map(str, index)]): rows[index[axis]] for index in indices}


def _no_store(path: AnyPath) -> SchemaError:
    return SchemaError(f"{path} is not a fer-stage store: it is no Zarr group with a manifest")


def _require_format(path: AnyPath, version: Any) -> None:
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise NewerSchemaError(
            f"{path} is of Zarr format {version}, this program reads {FORMAT}: update fer-stage and zarr"
        )
    if version != FORMAT:
        raise StoreDamagedError(f"{path}: expected Zarr format {FORMAT}, found {version!a:.60}. {RESTORE}")


def _check(fields: Fields) -> None:
    fields.integer("zarr_format", FORMAT, FORMAT)
    if fields.text("node_type") != "array":
        raise fields.wrong("node_type", "`array`")
    shape = fields.integers("shape", 1, MAX_ROWS)
    if len(shape) > MAX_AXES + 2:
        raise fields.wrong("shape", f"at most {MAX_AXES + 2} axes")
    fields.text("data_type")
    grid = fields.mapping("chunk_grid")
    if grid.text("name") != "regular":
        raise grid.wrong("name", "`regular`")
    grid.mapping("configuration").integers("chunk_shape", 1, MAX_AXIS, len(shape))
    _check_keys(fields)
    _check_codecs(fields)
    if fields.values.get("fill_value") not in ("NaN", 0, ""):  # of a missing chunk, which is damage
        raise fields.wrong("fill_value", "NaN, 0 or an empty text")
    if fields.values.get("storage_transformers"):
        raise fields.wrong("storage_transformers", "none")


def _check_keys(fields: Fields) -> None:
    encoding = fields.mapping("chunk_key_encoding")
    if encoding.values != {"name": "default", "configuration": {"separator": "/"}}:
        raise fields.wrong("chunk_key_encoding", "Zarr's default with `/`")


def _check_codecs(fields: Fields) -> None:
    names = [codec.text("name") for codec in fields.mappings("codecs")]
    first = "vlen-utf8" if fields.values["data_type"] == TEXT else "bytes"
    if names not in ([first], [first, "crc32c"], [first, "zstd"]):
        raise fields.wrong("codecs", f"{first}, then crc32c or zstd")
