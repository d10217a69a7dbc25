"""What reads a store's manifest: a field that is missing or strange is an error that names store and field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cache.keys import StoreKey
from cache.schema import Schema
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.writing.writer import StoreWriter
from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.errors import ConfigError
from pipeline.images.preprocess import Preprocess
from stages.errors import StageError
from stages.params import ExtractParams, Params
from stages.remedies import command_line
from stages.workflows.extract_arguments import extract_arguments
from stages.workflows.report import store_summary
from stages.workflows.store_encoder import alignment_of, encoder_of
from stages.workflows.store_identity import box_of, face_of

FerStage = Callable[..., Any]
EXAMPLE = Example(arrays=(Example().arrays[0],))


def written(path: Path, provenance: Mapping[str, Any] | None = None, *, plain: bool = False, **fields: Any) -> Store:
    """The example's store with other fields of its key, and with this provenance."""
    key: StoreKey = replace(EXAMPLE.key, **fields)
    schema: Schema = EXAMPLE.schema
    writer = StoreWriter(path, key, schema)
    EXAMPLE.put(writer, writer.pending)
    writer.finish(EXAMPLE.other(plain=plain).columns, {"name": "example", "classes": ["fear"]}, provenance or {})
    return open_store(path)


def test_a_store_without_the_name_of_its_encoder_asks_for_it(tmp_path: Path) -> None:
    store = written(tmp_path / "example.zarr")
    with pytest.raises(
        StageError, match=r"example\.zarr does not record the name of its encoder: name it with --encoder"
    ):
        encoder_of(store, Params(), None, "cpu")


@pytest.mark.parametrize("size", [None, True, "224", 0, -1, 10**12, 1.5, [], {}], ids=repr)
def test_a_preparation_of_an_impossible_size_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match="size: expected a whole number of pixels from 1 to"):
        Preprocess.from_json({"size": size})


@pytest.fixture(scope="module")
def identity() -> Mapping[str, Any]:
    return load_encoder(EncoderSpec.parse("untrained"), "cpu", "eager").identity


@pytest.mark.parametrize(
    "preprocess", [{}, {"size": "x"}, {"size": 64, "mean": None}, {"size": 64, "resize": [1]}], ids=str
)
def test_a_preparation_that_no_encoder_has_names_store_and_field(
    tmp_path: Path, identity: Mapping[str, Any], preprocess: dict[str, Any]
) -> None:
    store = written(tmp_path / "example.zarr", {"encoder": "untrained"}, preprocess=preprocess, encoder=identity)
    with pytest.raises(
        StageError, match=r"example\.zarr: its manifest: key_fields\.preprocess holds what no extract writes"
    ):
        encoder_of(store, Params(), "untrained", "cpu")


@pytest.mark.parametrize("alignment", [3, "x", ["a"], {"recipe": "arcface"}, {"margin": 0}], ids=str)
def test_an_alignment_that_align_does_not_write_is_an_error_of_ours(tmp_path: Path, alignment: Any) -> None:
    store = written(tmp_path / "example.zarr", preprocess={"size": 4, "alignment": alignment})
    with pytest.raises(Exception, match="align") as refused:
        alignment_of(store)
    assert hasattr(refused.value, "kind")


def test_the_command_that_makes_a_store_again_takes_views_and_outputs_from_its_arrays(tmp_path: Path) -> None:
    """`views` of the key may say anything, or nothing."""
    store = written(tmp_path / "example.zarr", views={})
    assert "--views 2" in command_line("extract", extract_arguments(store, ExtractParams(), "mini; echo owned"))
    assert "'mini; echo owned'" in command_line(
        "extract", extract_arguments(store, ExtractParams(), "mini; echo owned")
    )


def test_a_report_describes_a_store_without_provenance(tmp_path: Path) -> None:
    record = store_summary(written(tmp_path / "some-encoder" / "example.zarr", plain=True))
    assert (record.encoder, record.encoder_note, dict(record.rejected)) == ("some-encoder", "", {"not recorded": 2})


def test_info_shows_a_store_without_reasons(tmp_path: Path, fer_stage: FerStage) -> None:
    store = written(tmp_path / "example.zarr", plain=True)
    assert fer_stage("store", "info", str(store.path), "--format", "json")["reasons"] == {}


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "1,2,3,4,5", "1.5,2,3,4", "$(touch owned)"])
def test_a_box_that_is_no_box_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(StageError, match=re.escape(f"a box: expected x,y,width,height, found '{text}'")):
        box_of(text)


@pytest.mark.parametrize("text", ["a", "1,,2", "1;2", "1,x"])
def test_a_face_that_is_no_face_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(StageError, match=re.escape(f"landmarks: expected x,y,x,y,..., found '{text}'")):
        face_of(text)
