"""Rows that another process encoded are taken only if a sample of them, encoded again, is the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zarr

import cache
from cache.keys import canonical_json, sha256_of
from cache.shard_records import ShardRecord
from cache.writing.plan import read_plan
from cache.writing.sink import ShardSink
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
Arrays = Mapping[str, npt.NDArray[Any]]
EXTRACT = ("extract", "--decoders", "1", "--format", "json", "--dataset", "sample-e")
OURS, THEIRS = Path("features/untrained/sample-e.zarr"), Path("features/theirs/faces.zarr")
BUILDING = OURS.with_name(".sample-e.zarr.building")


def rolled(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Other features, of the same lengths and with as many NaN."""
    return np.roll(values, 7, axis=-1)


def forge(
    path: Path,
    change: Callable[[str, npt.NDArray[Any]], npt.NDArray[Any]],
    edit: Callable[[dict[str, Any]], None] = lambda _manifest: None,
) -> None:
    """Alter the arrays of a store of one shard, and its manifest, and write all digests again."""
    group = zarr.open_group(path, mode="r+")
    manifest = json.loads(str(group.attrs["fer_stage"]))
    del manifest["digest"]
    blocks = {name: change(name, np.array(group[name][:])) for name in manifest["arrays"]}
    for name, block in blocks.items():
        group[name][:] = block
    rejected = manifest["shards"][0]["rejected"]
    manifest["shards"] = [{**ShardRecord.of(0, blocks, {}).as_json(), "rejected": rejected}]
    edit(manifest)
    manifest["arrays"] = {name: sha256_of([manifest["shards"][0]["sha256"][name]]) for name in blocks}
    group.attrs["fer_stage"] = canonical_json({**manifest, "digest": sha256_of(manifest)})
    cache.open(path).select().numpy()  # a store like any other


@pytest.fixture
def theirs(project: Path) -> Path:
    """The store of the project under another name, as if it came with a project from elsewhere."""
    THEIRS.parent.mkdir()
    OURS.rename(THEIRS)
    return THEIRS


def extracted(fer_stage: FerStage, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[dict[str, Any], str]:
    """The summary, and the messages."""
    capsys.readouterr()
    assert run([*EXTRACT, *options]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_rows_of_a_forged_store_are_encoded_and_the_store_is_named(
    theirs: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    right = cache.open(theirs).select().numpy()
    forge(theirs, lambda _name, values: rolled(values))
    summary, messages = extracted(fer_stage, capsys)
    assert (summary["encoded"], summary["reused"]) == (60, 0)
    assert f"no row of {theirs.absolute()} is reused: rows encoded again differ. pooled: cosine" in messages
    assert f"`fer-stage store verify {theirs.absolute()} --deep --root data/sample-e`" in messages
    assert np.allclose(cache.open(OURS).select().numpy(), right, rtol=1e-5, atol=1e-6)
    assert cache.open(OURS).manifest.provenance["reused"] == {}
    fer_stage("store", "verify", str(theirs), "--deep", "--root", "data/sample-e", code=3)  # as the note advises


def test_figures_of_a_forged_store_do_not_excuse_it(
    theirs: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    def excuse(manifest: dict[str, Any]) -> None:
        manifest["provenance"]["parity"] = {"pooled": {"rows": 8, "cosine": -1.0, "difference": 9.0, "relative": 9.0}}

    forge(theirs, lambda _name, values: rolled(values), excuse)
    assert extracted(fer_stage, capsys)[0]["encoded"] == 60
    fer_stage("store", "verify", str(theirs), "--deep", "--root", "data/sample-e", code=3)


@pytest.mark.parametrize("forged", ["views", "pixels"])
def test_whatever_a_store_gives_is_checked(
    theirs: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str], forged: str
) -> None:
    options = ("--views", "3", "--outputs", "pooled,pixels")
    extracted(fer_stage, capsys, "--no-reuse", *options)
    shutil.rmtree(theirs)
    OURS.rename(theirs)

    def change(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if forged == "pixels":
            return values // 2 if name == "pixels" else values
        values[1:] = rolled(values[1:])
        return values

    forge(theirs, change)
    fer_stage("store", "verify", str(theirs), "--deep", "--root", "data/sample-e", code=3)
    summary, messages = extracted(fer_stage, capsys, *options)
    assert (summary["encoded"], summary["reused"]) == (60, 0)
    assert f"no row of {theirs.absolute()} is reused" in messages
    fer_stage("store", "verify", str(OURS), "--deep")


def test_a_store_that_is_right_gives_its_rows_and_provenance_has_the_sample(
    theirs: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    key = cache.open(theirs).key
    summary, messages = extracted(fer_stage, capsys)
    assert (summary["encoded"], summary["reused"]) == (0, 60)
    provenance = cache.open(OURS).manifest.provenance
    assert (provenance["reused"], provenance["reused_checked"]) == ({key: 60}, {key: 8})
    assert "reused_not_checked" not in provenance
    assert provenance["parity"]["pooled"]["rows"] == 8
    assert "faces.zarr" not in messages


def test_every_store_that_gives_rows_has_a_sample_of_its_own(
    theirs: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    """One forged store between right ones: only its rows are encoded, also where another has some of them."""
    table = SampleTable.read(Path("tables/sample-e.parquet"))
    for name, start in (("first", 0), ("second", 20)):
        part = SampleTable(table.frame[start : start + 30].reset_index(drop=True), table.info)
        write_table(part, Path("tables/sample-e.parquet"))
        extracted(fer_stage, capsys)
        OURS.rename(theirs.with_name(f"{name}.zarr"))
    shutil.rmtree(theirs)
    forge(theirs.with_name("first.zarr"), lambda _name, values: rolled(values))
    write_table(table, Path("tables/sample-e.parquet"))
    summary, messages = extracted(fer_stage, capsys)
    assert (summary["encoded"], summary["reused"]) == (30, 30)
    assert "first.zarr is reused" in messages
    assert "second.zarr" not in messages
    fer_stage("store", "verify", str(OURS), "--deep", "--rows", "60")


def test_rows_whose_images_are_gone_are_reused_and_called_not_checked(
    theirs: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    key = cache.open(theirs).key
    Path("data").rename("elsewhere")
    summary, messages = extracted(fer_stage, capsys)
    assert (summary["encoded"], summary["reused"]) == (0, 60)
    assert f"60 rows of {theirs.absolute()} are reused, not checked: no image of a sample can be read" in messages
    provenance = cache.open(OURS).manifest.provenance
    assert (provenance["reused_not_checked"], provenance["parity"]) == ({key: 60}, {})
    assert "reused_checked" not in provenance
    [advice] = [part for part in messages.split("`") if part.startswith("fer-stage store verify")]
    Path("elsewhere").rename("data")
    fer_stage(*advice.split()[1:])


def test_images_that_another_store_calls_unusable_are_tried_again_if_they_are_not(
    theirs: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    def reject(manifest: dict[str, Any]) -> None:
        manifest["shards"][0]["rejected"] = {"3": "cut off", "4": "cut off"}

    right = cache.open(theirs).select().numpy()
    forge(theirs, lambda _name, values: values, reject)
    summary, messages = extracted(fer_stage, capsys)
    assert summary["rejected"] == 0
    assert "images that another store could not use are tried again: row" in messages
    assert np.allclose(cache.open(OURS).select().numpy(), right, rtol=1e-5, atol=1e-6)


def test_finished_shards_that_no_encoder_made_are_made_again(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A building folder may come with a project from elsewhere: its plan and records are of the right key."""
    right = cache.open(OURS).select().numpy()
    shutil.rmtree("features")
    _stop_before_it_is_whole(monkeypatch)
    _forge_first_shard()
    summary, messages = extracted(fer_stage, capsys)
    assert "1 of 1 shards are finished already" in messages
    assert f"the finished shards of {OURS} are encoded again: rows encoded again differ. pooled: cosine" in messages
    assert summary["encoded"] == 60
    assert np.allclose(cache.open(OURS).select().numpy(), right, rtol=1e-5, atol=1e-6)


def test_finished_shards_that_are_wrong_are_gone_before_others_are_made(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extract is stopped again, no wrong shard is left among right ones: a sample would not look at it."""
    shutil.rmtree("features")
    _stop_before_it_is_whole(monkeypatch)
    _forge_first_shard()

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cache.writing.sink.ShardSink.put", interrupt)
        assert run([*EXTRACT]) == 130
    assert not list(BUILDING.rglob("records/*.json"))
    assert extracted(fer_stage, capsys)[0]["encoded"] == 60


def test_finished_shards_whose_images_are_gone_are_called_not_checked(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of their rows are in another store too, so that the extract ends without an image."""
    shutil.copytree("features", "kept")
    shutil.rmtree("features")
    _stop_before_it_is_whole(monkeypatch)
    THEIRS.parent.mkdir()
    shutil.move("kept/untrained/sample-e.zarr", THEIRS)
    Path("data").rename("elsewhere")
    _, messages = extracted(fer_stage, capsys)
    assert f"the finished shards of {OURS} are used, not checked: no image of a sample can be read" in messages


def test_finished_shards_that_are_right_are_not_made_again(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree("features")
    _stop_before_it_is_whole(monkeypatch)
    summary, messages = extracted(fer_stage, capsys)
    assert (summary["encoded"], summary["reused"]) == (0, 60)
    assert "encoded again" not in messages


def _forge_first_shard() -> None:
    """Of what a stopped extract left."""
    plan = read_plan(BUILDING)
    assert plan
    shards = ShardSink(OURS, plan.schema)
    shards.put(0, {name: rolled(block) for name, block in shards.get(0)[0].items()}, {})


def _stop_before_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extract that is interrupted after its last shard."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cache.writing.writer.StoreWriter.finish", interrupt)
        assert run([*EXTRACT]) == 130
