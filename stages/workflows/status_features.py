"""The stores and text vectors of a project, compared with what `extract` and `encode-text` would make now."""

from __future__ import annotations

from cache import Store, open_store
from cache.backends import BACKENDS
from cache.errors import CacheError, OutdatedTextsError, StoreMissingError
from cache.features_root import store_path
from cache.places import AnyPath
from cache.store import store_exists
from cache.texts import TextStore, text_path
from cache.writing.unfinished import unfinished
from pipeline.encoders import EncoderSpec, ImageEncoder
from pipeline.encoders.description import DescribedImageEncoder, EncoderDescription
from pipeline.encoders.devices import device_name
from pipeline.encoders.families import has_text
from pipeline.extraction.outputs import PIXELS
from pipeline.images.preprocess import Preprocess
from stages.remedies import encoder_written
from stages.requests import ExtractRequest
from stages.workflows.extract_plan import plan_of_rows
from stages.workflows.known_encoders import recorded_image_encoder
from stages.workflows.status_datasets import IndexedDataset
from stages.workflows.status_outputs import Outputs, reason_of, reasons_of
from stages.workflows.store_encoder import require_encoder
from stages.workflows.store_identity import prepared_as
from stages.workflows.text_vectors import prompt_classes, text_changes

__all__ = ["add_store", "add_text", "store_of", "text_of"]


def store_of(outputs: Outputs, named: str, dataset: str) -> AnyPath:
    """Where the store of a dataset is, or will be, by params.yaml."""
    folder, _ = outputs.params.encoder(named)
    suffix = f".{outputs.params.extract.format}"
    backend = next(name for name, backend in BACKENDS.items() if backend.suffix == suffix)
    return store_path(outputs.request.features, folder, dataset, backend)


def text_of(outputs: Outputs, named: str) -> AnyPath:
    """Where the text vectors of an encoder are, or will be, by params.yaml."""
    return text_path(outputs.request.features, outputs.params.encoder(named)[0], outputs.params.prompts)


def add_store(outputs: Outputs, named: str, dataset: IndexedDataset) -> None:
    """State the store of a dataset under an encoder, which is named as `--encoder` takes it."""
    path, above = store_of(outputs, named, dataset.name), outputs.pending(*dataset.outputs)
    step = ("extract", {"dataset": dataset.name, "encoder": named})
    reasons = [above] if above else []
    if begun := unfinished(path):
        reasons.insert(0, f"{begun.progress} are finished")
        outputs.add("extract", path, "interrupted", "; ".join(reasons), step)
    elif not store_exists(path):
        outputs.add("extract", path, "missing", "; ".join(reasons), step)
    else:
        try:
            with encoder_written(path.parent.name, named):
                store = open_store(path)
        except CacheError as error:
            outputs.add_refused("extract", path, "refused", error, step)
            return
        if not above:
            with reasons_of(reasons):
                reasons += _store_reasons(outputs, named, dataset, store)
        outputs.add("extract", path, "stale" if reasons else "up to date", "; ".join(reasons), step)


def _store_reasons(outputs: Outputs, named: str, dataset: IndexedDataset, store: Store) -> list[str]:
    """Why `extract` would replace a store: the fields that `store why` names."""
    request, params = outputs.request, outputs.params
    folder, spec = params.encoder(named)
    encoder = recorded_image_encoder(spec, request.device)
    if encoder is None:  # it was never loaded here: as `train` does, by what its files show
        require_encoder(store, spec, params, named)
        encoder = _encoder_of_store(store, spec, request.device)
    else:
        encoder = prepared_as(encoder, params.extract)
    assert dataset.table is not None  # else its table is stale
    plan = plan_of_rows(
        ExtractRequest(
            dataset.name,
            encoder=named,
            features=request.features,
            tables=request.tables,
            face_tables=request.face_tables,
            device=request.device,
            params=request.params,
        ),
        params.extract,
        (folder, spec, encoder),
        (dataset.table, dataset.root, dataset.name),
    )
    if plan.store_up_to_date() is not None:
        return []
    return [f"{one.name}: {one.words}" if one.words else one.name for one in plan.differences(store)]


def _encoder_of_store(store: Store, spec: EncoderSpec, device: str) -> ImageEncoder:
    """The encoder that a store states, fed as it states; it encodes nothing."""
    arrays = store.manifest.schema.arrays
    shapes = {array.name: tuple(array.row_shape) for array in arrays if array.name != PIXELS}  # no encoder makes these
    preprocess = Preprocess.from_json(store.encoder["preprocess"])
    known = EncoderDescription(store.encoder["encoder"], "", (), preprocess, shapes)
    return DescribedImageEncoder(known, device_name(device), _never_loaded, preprocess, "eager")


def _never_loaded() -> ImageEncoder:
    raise AssertionError("`status` encodes nothing")


def add_text(outputs: Outputs, named: str) -> None:
    """State the text vectors of an encoder, if it has a text tower and a method of the matrix reads text."""
    params = outputs.params
    _, spec = params.encoder(named)
    if not (has_text(spec) and any(params.method(name).needs_text for name in params.run.methods)):
        return
    path, step = text_of(outputs, named), ("encode-text", {"encoder": named})
    try:
        with encoder_written(path.parents[1].name, named):
            texts = TextStore.read(path)
    except StoreMissingError:
        outputs.add("encode-text", path, "missing", "", step)
    except OutdatedTextsError as error:
        outputs.add("encode-text", path, "stale", reason_of(error), step)
    except CacheError as error:
        outputs.add_refused("encode-text", path, "refused", error, step)
    else:
        changes = text_changes(texts, spec, params.templates(params.prompts), prompt_classes(params))
        outputs.add("encode-text", path, "stale" if changes else "up to date", changes, step)
