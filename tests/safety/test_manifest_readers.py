"""What stages read of a manifest from elsewhere: an error of ours, or an answer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from mutations import mutations

from cache.errors import CacheError
from cache.keys import sha256_of
from cache.manifest import Manifest
from cache.store import Store
from cache.testing.example import Example
from pipeline.errors import PipelineError
from stages.errors import StageError
from stages.params import ExtractParams
from stages.remedies import command_line
from stages.workflows.extract_arguments import extract_arguments
from stages.workflows.parity import tolerance_of
from stages.workflows.report import store_summary
from stages.workflows.store_encoder import _preprocess_of, alignment_of
from stages.workflows.stores import description_of

OURS = (CacheError, PipelineError, StageError)  # all of them have a `kind`
PREPROCESS = {
    "decoder": "pillow",
    "size": 224,
    "resize": "shortest",
    "interpolation": "bicubic",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "alignment": {"recipe": "arcface", "version": 1, "margin": 0.1},
}
PROVENANCE = {
    "encoder": "mini",
    "encoder_spec": "mini",
    "encoder_note": "a note",
    "encoder_saw": ["sample"],
    "parity": {"pooled": {"cosine": 1.0, "relative": 0.0}},
    "versions": {"numpy": "2"},
}
READERS: tuple[Callable[[Store], Any], ...] = (
    alignment_of,
    _preprocess_of,
    description_of,
    store_summary,
    lambda store: command_line("extract", extract_arguments(store, ExtractParams(), "mini")),
    lambda store: tolerance_of(store.manifest, "pooled"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Example().write(tmp_path_factory.mktemp("project") / "features" / "mini" / "example.zarr")
    found.frame  # noqa: B018  # the columns are read once and stay in memory
    return found


def test_no_field_of_a_manifest_ends_in_anything_but_an_error_of_ours(store: Store) -> None:
    whole = json.loads(store.manifest.to_text())
    parts: dict[str, dict[str, Any]] = {
        "key_fields": whole["key_fields"] | {"preprocess": PREPROCESS},
        "dataset": whole["dataset"] | {"layout": "sample", "release": "1", "options": {"seed": 0}},
        "provenance": PROVENANCE,
    }
    n_read = 0
    for part, described in parts.items():
        for change, values in mutations(described, f"{part}."):
            manifest = {name: value for name, value in (whole | parts | {part: values}).items() if name != "digest"}
            try:
                manifest["key"] = sha256_of(manifest["key_fields"])
                text = json.dumps(manifest | {"digest": sha256_of(manifest)})
            except ValueError:
                continue  # NaN and infinity have no digest: a right one cannot be written
            n_read += _read(store, text, change)
    assert n_read > 200


def _read(store: Store, text: str, change: str) -> bool:
    """Whether the manifest could be opened at all; the readers then answer, or raise an error of ours."""
    try:
        changed = dataclasses.replace(store, manifest=Manifest.from_text(text, str(store.path)))
    except CacheError as error:
        assert change.split(".")[0] in str(error), (change, str(error))  # noqa: PT017  # a loop over changes
        return False
    for reader in READERS:
        try:
            reader(changed)
        except OURS:
            pass
        except Exception as error:
            raise AssertionError(f"{change}: {reader}: {error!r}") from error
    return True


def test_a_wrong_preparation_names_the_store_and_the_field(store: Store) -> None:
    fields = {**store.manifest.key_fields, "preprocess": PREPROCESS | {"size": "large"}}
    forged = dataclasses.replace(store, manifest=dataclasses.replace(store.manifest, key_fields=fields))
    with pytest.raises(StageError, match=r"example\.zarr: its manifest: key_fields\.preprocess .*size: expected"):
        _preprocess_of(forged)
