"""extract loses nothing without a word, and does no work twice that another extract has in hand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cache
from cache.places.lock import exclusive, lock_path
from stages.cli import run

FerStage = Callable[..., Any]
STORE = "features/untrained/sample-e.zarr"
EXTRACT = ("extract", "--dataset", "sample-e", "--decoders", "1", "--format", "json")


def _outputs() -> list[str]:
    return [array.name for array in cache.open(STORE).manifest.schema.arrays]


def test_outputs_that_are_not_requested_stay_with_a_note(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage(*EXTRACT, "--outputs", "tokens,pixels")
    before = cache.open(STORE).select(output="tokens").numpy().tobytes()
    assert run(list(EXTRACT)) == 0
    out, err = capsys.readouterr()
    assert "also has tokens, pixels, which it keeps though it is not requested" in err
    assert '"encoded": 0' in out
    assert _outputs() == ["pooled", "tokens", "pixels"]
    assert cache.open(STORE).select(output="tokens").numpy().tobytes() == before
    assert fer_stage(*EXTRACT, "--drop-outputs")["encoded"] == 0
    assert _outputs() == ["pooled"]


def test_outputs_of_another_preparation_go_with_it(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXTRACT, "--outputs", "tokens")
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("dtype: float32", "dtype: float32, normalise: imagenet"))
    fer_stage(*EXTRACT)
    assert _outputs() == ["pooled"]


def test_an_extract_waits_for_another_of_the_same_images_and_copies_its_rows(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends only after the other one, which holds its lock until this one says that it waits."""
    fer_stage("index", "--dataset", "other", "--layout", "sample", "--root", "data/sample-e")
    key, codes, err = cache.open(STORE).key, list[int](), ""
    thread = threading.Thread(target=lambda: codes.append(run(["extract", "--dataset", "other", "--format", "json"])))
    with exclusive(lock_path(Path(STORE).with_name(f"{key[:16]}.zarr"))):
        thread.start()
        while "waiting for another extract of the same images" not in err:
            assert thread.is_alive(), err
            time.sleep(0.01)
            err += capsys.readouterr().err
        time.sleep(0.2)
        assert thread.is_alive()
    thread.join()
    assert codes == [0]
    summary = json.loads(capsys.readouterr().out)
    assert (summary["encoded"], summary["reused"]) == (0, 60)


def test_an_extract_names_another_one_that_runs_beside_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Path("features/untrained/third.zarr")
    other.with_name(".third.zarr.building").mkdir()
    with exclusive(lock_path(other)):
        assert run([*EXTRACT, "--outputs", "tokens"]) == 0
    assert "another extract is running in features/untrained: third.zarr" in capsys.readouterr().err
