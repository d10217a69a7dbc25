"""What `stages.extract` returns, and what becomes of its arguments."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

import cache
import stages
from pipeline.errors import EncoderError
from stages.errors import CheckFailedError, ParamsError, StageError
from stages.remedies import as_commands


def test_extract_returns_the_store_that_it_wrote(project: Path) -> None:
    shutil.rmtree("features")
    result = stages.extract("sample-e", decoders=1, quiet=True)
    assert result.complete
    assert (result.n_encoded, result.n_reused, result.n_rejected, result.n_missed) == (60, 0, 0, None)
    assert result.store.path == Path("features/untrained/sample-e.zarr")
    assert result.store.key == result.key
    assert result.frame.equals(cache.open("features/untrained/sample-e.zarr").frame)
    assert "<table" in result._repr_html_()


def test_a_dry_run_returns_the_plan(project: Path) -> None:
    store = cache.open("features/untrained/sample-e.zarr")
    key, ids = store.key, store.frame["id"].tolist()
    shutil.rmtree("features")
    result = stages.extract("sample-e", dry_run=True)
    assert not result.complete
    assert (result.n_encoded, result.key) == (60, key)
    assert result.frame["id"].tolist() == ids
    with pytest.raises(StageError, match=r"expected a finished store at .*sample-e\.zarr, found the plan of one"):
        _ = result.store
    assert not Path("features").exists()


def test_a_dry_run_of_a_store_of_another_key_does_not_return_that_store(project: Path) -> None:
    result = stages.extract("sample-e", views=2, dry_run=True)
    assert not result.complete
    assert result.key != cache.open("features/untrained/sample-e.zarr").key


def test_a_dry_run_of_a_store_that_is_up_to_date_returns_it(project: Path) -> None:
    result = stages.extract("sample-e", dry_run=True)
    assert result.complete
    assert (result.n_encoded, result.n_reused) == (0, 60)
    assert result.key == result.store.key


def test_arguments_override_params(project: Path) -> None:
    """params.yaml has dtype: float32, and says nothing of the others."""
    store = stages.extract(
        "sample-e", dtype="float16", views=2, backend="hdf5", outputs=("pooled", "tokens"), decoders=1, quiet=True
    ).store
    assert store.path.suffix == ".h5"
    assert store.n_views() == 2
    assert [array.name for array in store.manifest.schema.arrays] == ["pooled", "tokens"]
    assert store.manifest.key_fields["dtype"] == "float16"


def test_without_reuse_every_image_is_encoded(project: Path) -> None:
    assert stages.extract("sample-e", backend="hdf5", quiet=True).n_encoded == 0
    Path("features/untrained/sample-e.h5").unlink()
    assert stages.extract("sample-e", backend="hdf5", reuse=False, quiet=True).n_encoded == 60


def test_too_many_rejected_images_fail_after_the_store_is_written(project: Path) -> None:
    shutil.rmtree("features")
    sorted(Path("data/sample-e").rglob("*.png"))[5].write_bytes(b"no picture")
    stages.index("sample-e")
    with pytest.raises(CheckFailedError, match="1 of 60 images are rejected, more than --max-rejected 0") as error:
        stages.extract("sample-e", decoders=1, max_rejected=0, quiet=True)
    path = "features/untrained/sample-e.zarr"
    assert list(error.value.remedy) == [("query", {"store": path, "where": "status == 'rejected'"})]
    message = as_commands(error.value)
    assert message.endswith("` to see them")
    assert shlex.split(message.split("`")[1]) == ["fer-stage", "query", path, "--where", "status == 'rejected'"]
    assert len(cache.open(path).select("status == 'rejected'")) == 1
    assert stages.extract("sample-e", max_rejected=0.1).n_rejected == 1


def test_wrong_arguments_are_refused(project: Path) -> None:
    with pytest.raises(ParamsError, match="margin is of aligned faces"):
        stages.extract("sample-e", margin=0.1)
    with pytest.raises(ParamsError, match="views: "):
        stages.extract("sample-e", views=0)
    with pytest.raises(EncoderError, match="nonsense: expected auto, eager"):
        stages.extract("sample-e", runtime="nonsense")
