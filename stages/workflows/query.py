"""What `query` does: a condition, and what to be near to -> rows of a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from cache import open_store
from pipeline.progress import OnProgress
from stages.requests import QueryRequest
from stages.results import QueryResult
from stages.workflows.exports import export_form

if TYPE_CHECKING:
    from cache.selection import Selection
    from cache.store import Store
    from pipeline.encoders import ImageEncoder

__all__ = ["query"]

_K = 10


def query(request: QueryRequest, _on_progress: OnProgress) -> QueryResult:
    """Select rows, search among them if there is something to be near to, and export them on demand."""
    store = open_store(request.store)
    matching = store.select(request.where, columns=request.columns, output=request.feature, view=request.view)
    if request.near is None:
        first = replace(matching, rows=matching.rows[: request.limit])
        result = QueryResult(first, None, len(matching))
    else:
        result = _nearest(store, matching, request.near, request)
    result = replace(result, notes=(*result.notes, *_notes(store, request, len(matching))))
    if request.output is None:
        return result
    form = export_form(request.rejected, request.dtype, request.plain_list)
    return replace(result, exported=result.export(request.output, form))


def _nearest(store: Store, matching: Selection, near: str, request: QueryRequest) -> QueryResult:
    """The rows nearest to `near`, the nearest first, with their scores."""
    from cache.neighbors import nearest  # late, as below: a condition alone needs no encoder
    from stages.params import load_params
    from stages.workflows.neighbors import search_vector
    from stages.workflows.store_encoder import encoder_of

    def load() -> ImageEncoder:
        return encoder_of(store, load_params(request.params), request.encoder, request.device)

    searched = search_vector(near, store, request.feature, request.view, load)
    others = replace(matching, rows=matching.rows[matching.rows != searched.row])
    neighbours = nearest(others, searched.vector.reshape(1, -1), request.k or _K, request.metric or "cosine")
    rows, scores = neighbours.rows[0][: request.limit], neighbours.scores[0][: request.limit]
    return QueryResult(replace(matching, rows=rows), scores, len(matching), (f"near: {searched.interpretation}",))


def _notes(store: Store, request: QueryRequest, n_matching: int) -> Iterator[str]:
    """Why nothing matches, where that is plain, and what to know about the features."""
    if request.where and not n_matching:
        from cache.query import unknown_values

        for column, value, nearest in unknown_values(request.where, store.frame):
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            yield f"no row has {column} == {value!r}{hint}"
    if note := store.manifest.provenance.get("encoder_note"):
        yield str(note)
