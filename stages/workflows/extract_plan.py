"""From a request, params.yaml and a sample table to what has to be encoded, and into which store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cache import Store, open_store
from cache.backends import BACKENDS, backend_name
from cache.columns import Columns, column_digests
from cache.features_root import store_path
from cache.keys import StoreKey, differences, sha256_of
from cache.places import AnyPath
from cache.reuse import Digests, Reuse, find_rows, image_digests
from cache.schema import Schema
from cache.store import store_exists
from cache.upkeep.comparison import Difference, Side, compare
from cache.writing.sink import ShardSink
from cache.writing.unfinished import finished_shards
from pipeline.cores import n_cores
from pipeline.encoders import EncoderSpec, ImageEncoder
from pipeline.extraction import Output, outputs_of
from pipeline.extraction.outputs import PIXELS, POOLED
from pipeline.images.alignment import Alignment
from pipeline.progress import OnProgress
from pipeline.tables.samples import OK, SampleTable
from stages.errors import ParamsError
from stages.output import say
from stages.params import ExtractParams, load_params
from stages.requests import ExtractRequest
from stages.results import ExtractResult
from stages.workflows.faces import AlignedFaces, face_table_path, with_faces
from stages.workflows.image_rows import ImageRows
from stages.workflows.known_encoders import known_image_encoder
from stages.workflows.reused_rows import reusable_stores
from stages.workflows.row_sources import RowSources
from stages.workflows.shards import EncodingSpec
from stages.workflows.store_identity import (
    box_texts,
    columns_of,
    dataset_info,
    face_texts,
    image_rows_of,
    prepared_as,
    row_fields,
    schema_of,
    store_key,
)
from stages.workflows.tables import requested_rows

__all__ = ["ExtractPlan", "plan_extract", "plan_of_rows"]


def plan_extract(request: ExtractRequest, on_progress: OnProgress) -> ExtractPlan:
    """What a request has encoded, and into which store; an encoder that is not known is loaded before any image."""
    file = load_params(request.params)
    params = _extract_params(request, file.extract)
    encoder_name, spec = file.encoder(request.encoder or file.run.encoders[0])
    encoder = prepared_as(known_image_encoder(spec, request.device, request.runtime, on_progress), params)
    return plan_of_rows(request, params, (encoder_name, spec, encoder), requested_rows(request, file, on_progress))


def plan_of_rows(
    request: ExtractRequest,
    params: ExtractParams,
    encoder: tuple[str, EncoderSpec, ImageEncoder],
    rows: tuple[SampleTable, Path, str],
) -> ExtractPlan:
    """The plan for some rows.

    Parameters
    ----------
    params : block `extract` with what the request has instead
    encoder : its folder below the features root, how it is written, and the model, loaded or known, as it is fed
    rows : as `requested_rows` has them

    Raises
    ------
    StageError, TableError
        If faces are aligned, and the face table is missing, damaged, or lacks an image.
    """
    (encoder_name, spec, model), (table, root, stem) = encoder, rows
    faces = None
    if params.faces == "aligned":
        path = face_table_path(request.face_tables, request.dataset, stem)
        table, faces = with_faces(table, path, Alignment(params.margin), params.missed)
    backend = backend_name(Path(f"{stem}.{params.format}"))
    target = store_path(request.features, encoder_name, stem, backend)
    return ExtractPlan(request, params, table, root, encoder_name, spec, model, faces, target)


def _extract_params(request: ExtractRequest, params: ExtractParams) -> ExtractParams:
    """Block `extract` of params.yaml with what the request has instead."""
    names = ("views", "dtype", "faces", "margin", "missed")
    changes = {name: value for name in names if (value := getattr(request, name)) is not None}
    if request.outputs:
        changes["outputs"] = list(request.outputs)
    if request.backend:
        changes["format"] = BACKENDS[request.backend].suffix.removeprefix(".")
    params = params.model_copy(update=changes)
    if params.faces == "given" and (unused := [name for name in ("margin", "missed") if name in changes]):
        raise ParamsError(f"--{unused[0]} is of aligned faces, and images are taken as given. Add --faces aligned")
    return params


@dataclass(frozen=True)
class ExtractPlan:
    """One dataset under one encoder: what is encoded, by what, into which store.

    Parameters
    ----------
    params : block `extract` with what the request has instead
    table, root : the images
    encoder_name, spec, encoder : its folder below the features root, how it is written, and the model, loaded or known
    faces : how the table's faces were found and are cut out; None if images are taken as they are
    target : path of the store; its ending chooses the backend
    """

    request: ExtractRequest
    params: ExtractParams
    table: SampleTable
    root: Path
    encoder_name: str
    spec: EncoderSpec
    encoder: ImageEncoder
    faces: AlignedFaces | None
    target: AnyPath

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """What is requested, and what the store at the target has besides: nothing that was encoded is lost."""
        others, pixel_size = self._other_outputs, self.params.pixel_size
        if PIXELS in others:
            pixel_size = others[PIXELS][0]
        return outputs_of(self.encoder, [*self.params.outputs, *others], self.params.dtype, pixel_size)

    @cached_property
    def _other_outputs(self) -> dict[str, tuple[int, ...]]:
        """Output -> its row shape: what the store at the target has of the same encoder besides what is requested."""
        if self.request.drop_outputs or (store := self.finished_store()) is None:
            return {}
        fields = row_fields(self.encoder, self.params, self._alignment)
        if differences(fields, {name: store.manifest.key_fields[name] for name in fields}):
            return {}
        arrays = {array.name: tuple(array.row_shape) for array in store.manifest.schema.arrays}
        others = {name: shape for name, shape in arrays.items() if name not in (POOLED, *self.params.outputs)}
        if others:
            say(
                f"note: {self.target} also has {', '.join(others)}, which it keeps though it is not requested. "
                "To drop it: extract with --drop-outputs"
            )
        if (n_views := store.n_views()) > self.params.views:
            say(f"note: {self.target} has {n_views} views of train images; all but {self.params.views} are dropped")
        return others

    @property
    def _alignment(self) -> dict[str, Any] | None:
        return self.faces.as_json() if self.faces else None

    @cached_property
    def images(self) -> ImageRows:
        """Every usable image, in the order of their rows."""
        return image_rows_of(self.table, self.params.views)

    @cached_property
    def key(self) -> StoreKey:
        return store_key(self.table, self.encoder, self.outputs, self.params, self._alignment)

    @cached_property
    def schema(self) -> Schema:
        return schema_of(self.table, self.params.views, self.outputs)

    @cached_property
    def dataset_info(self) -> dict[str, Any]:
        """What the columns describe, under the store's own name: its first rows are not the whole dataset."""
        return dataset_info(self.table) | {"name": self.target.stem}

    def columns(self, rejected: Mapping[int, str]) -> Columns:
        """The store's columns, with the images that could not be used, row -> reason."""
        return columns_of(self.table, rejected)

    def finished_store(self) -> Store | None:
        """The finished store at the target, of whatever key. Opened at each call: another process may replace it."""
        return open_store(self.target) if store_exists(self.target) else None

    def store_with_key(self) -> Store | None:
        """The finished store at the target, if it has the features of this plan."""
        store = self.finished_store()
        return store if store and store.key == self.key.digest else None

    def store_up_to_date(self) -> Store | None:
        """The finished store at the target, if features and columns are those of this plan.

        Labels, splits and all other columns may change without a feature.
        """
        if (store := self.store_with_key()) is None or store.manifest.dataset != self.dataset_info:
            return None
        return store if store.manifest.columns == column_digests(self.columns(store.manifest.rejected)) else None

    def differences(self, store: Store) -> list[Difference]:
        """Why a store is not the one of this plan: every field in which the two differ."""
        rejected = store.manifest.rejected if store.key == self.key.digest else {}
        columns = pd.DataFrame({name: column[:] for name, column in self.columns(rejected).items()})
        return compare(Side.of(store), Side(self.key.fields(), columns, self.dataset_info))

    def find_reusable(self, without: Collection[AnyPath] = ()) -> Reuse:
        """Which rows other stores hold, the one that is about to be replaced first."""
        stores = [store for store in self._reusable_stores if store.path not in without]
        return find_rows(stores, self.key, self.schema, self._image_digests, self.images.n_views_of_rows())

    @cached_property
    def _reusable_stores(self) -> list[Store]:
        return reusable_stores(self.request.features, self.target) if self.request.reuse else []

    @cached_property
    def _image_digests(self) -> Digests:
        columns = [self.table.frame["sha256"].array, box_texts(self.table), face_texts(self.table)]
        return image_digests(len(self.table), columns)

    def row_sources(self, reuse: Reuse) -> RowSources:
        """What has to be encoded, where other stores give the rows of `reuse`."""
        sources = RowSources.of(self.images, reuse, self._image_digests)
        vars(self).pop("_image_digests", None)  # 32 bytes a row that nothing needs from here on
        return sources

    def encoding(self, runtime: str) -> EncodingSpec:
        """What a process needs to encode shards of the store."""
        request = self.request
        return EncodingSpec(
            spec=self.spec.absolute(),
            encoder_sha256=sha256_of(dict(self.encoder.identity)),
            device=request.device,
            runtime=runtime,
            preprocess=self.encoder.preprocess,
            root=self.root.absolute(),
            outputs=self.outputs,
            n_views=self.params.views,
            view_seed=self.params.view_seed,
            alignment=Alignment(self.params.margin),
            batch_size=request.batch_size,
            decoders=request.decoders or max(1, n_cores() // request.workers),
            sink=ShardSink(self.target.absolute(), self.schema),
        )

    def preview(self) -> ExtractResult:
        """What encoding would do."""
        if (store := self.store_up_to_date()) is not None:
            return self.result(0, store.manifest.rejected)
        done = finished_shards(self.target, self.key, self.schema)
        pending = [shard for shard in range(self.schema.n_shards) if shard not in done]
        tasks = self.row_sources(self.find_reusable()).shard_tasks(pending, self.schema)
        return self.result(tasks.n_images, {}, complete=False)

    def result(
        self, n_encoded: int, rejected: Mapping[int, str], seconds: float = 0.0, *, complete: bool = True
    ) -> ExtractResult:
        """Every row is encoded now, reused from finished shards or other stores, or rejected.

        Parameters
        ----------
        rejected : row -> reason, of images that could not be used; the table has rejected rows of its own
        """
        n_usable = int((self.table.frame["status"] == OK).sum()) - len(rejected)
        return ExtractResult(
            table=self.table,
            path=self.target,
            key=self.key.digest,
            complete=complete,
            encoder=self.encoder_name,
            device=self.encoder.device,
            note=self.encoder.note,
            n_encoded=n_encoded,
            n_reused=n_usable - n_encoded,
            n_rejected=len(self.table) - n_usable,
            n_missed=self.faces.missed if self.faces else None,
            seconds=seconds,
            max_rejected=self.request.max_rejected,
        )
