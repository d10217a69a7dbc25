"""The call of `extract` that makes a store again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cache import Store
from cache.backends import BACKENDS, backend_name
from stages.params import ExtractParams

__all__ = ["differing_options", "extract_arguments"]


def extract_arguments(store: Store, extract: ExtractParams, named: str) -> dict[str, Any]:
    """The arguments of the `extract` that makes a store again: what params.yaml does not have is as the store has it.

    Parameters
    ----------
    extract : block of params.yaml
    named : the store's encoder, as `--encoder` takes it
    """
    return {"dataset": store.dataset, "encoder": named, **differing_options(store, extract)}


def differing_options(store: Store, extract: ExtractParams) -> dict[str, Any]:
    """Options with which a store was made, where params.yaml has other values, in the order of the command."""
    return dict(_differing_options(store, extract))


def _differing_options(store: Store, extract: ExtractParams) -> Iterator[tuple[str, Any]]:
    fields, backend = store.manifest.key_fields, backend_name(store.path)
    outputs = [str(name).partition(":")[0] for name in fields["outputs"]]
    if BACKENDS[backend].suffix != f".{extract.format}":
        yield "backend", backend
    if set(outputs) != set(extract.outputs):
        yield "outputs", tuple(outputs)
    if store.n_views() != extract.views:
        yield "views", store.n_views()
    if fields["dtype"] != extract.dtype:
        yield "dtype", str(fields["dtype"])
    alignment = fields["preprocess"].get("alignment")
    yield from _faces_options(alignment if isinstance(alignment, Mapping) else None, extract)


def _faces_options(alignment: Mapping[str, Any] | None, extract: ExtractParams) -> Iterator[tuple[str, Any]]:
    faces = "given" if alignment is None else "aligned"
    if extract.faces != faces:
        yield "faces", faces
    for name in ("margin", "missed"):
        if alignment and name in alignment and alignment[name] != getattr(extract, name):
            yield name, alignment[name]
