"""Vectors of prompts: whole, or an error that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cache.errors import SchemaError, StoreMissingError
from cache.testing.raw import DiskBlobs
from cache.texts import TextStore, text_path

TEXTS = TextStore(
    vectors=np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32),
    templates=("ein Gesicht: {}", "a photo of {}"),
    classes=("fear", "anger", "neutral"),
    encoder={"family": "open_clip", "weights": "a1"},
    provenance={"torch": "2.4"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = text_path(tmp_path, "some-encoder", "plain")
    TEXTS.write(path)
    return path


def remedy_of(root: Path) -> tuple[str, dict[str, str]]:
    """What makes the vectors at `path` of a root."""
    return "encode-text", {"encoder": "some-encoder", "prompts": "plain", "features": str(root)}


def same(a: TextStore, b: TextStore) -> bool:
    return replace(a, vectors=b.vectors) == b and a.vectors.tobytes() == b.vectors.tobytes()


def test_texts_come_back(path: Path) -> None:
    found = TextStore.read(path)
    assert same(found, TEXTS)
    assert found.vectors.dtype == np.float32
    assert found.key == TEXTS.key


def test_equal_texts_are_equal_bytes(path: Path) -> None:
    before = path.read_bytes()
    TEXTS.write(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_key_is_of_what_the_vectors_are_of() -> None:
    assert replace(TEXTS, provenance={}).key == TEXTS.key
    others = [
        replace(TEXTS, templates=("a photo of {}",)),
        replace(TEXTS, classes=("anger", "fear", "neutral")),
        replace(TEXTS, encoder={}),
    ]
    assert TEXTS.key not in {other.key for other in others}


def test_missing_texts_name_the_command_that_makes_them(tmp_path: Path) -> None:
    path = text_path(tmp_path, "some-encoder", "plain")
    with pytest.raises(StoreMissingError, match=rf"no text vectors at {path}\Z") as missing:
        TextStore.read(path)
    assert missing.value.remedy == [remedy_of(tmp_path)]
    assert missing.value.purpose == "to make them"


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_is_reported_or_changes_nothing(path: Path, seed: int) -> None:
    rng, n_reported = np.random.default_rng(seed), 0
    extent = DiskBlobs().extent(str(path))
    for _ in range(100):
        with extent.flipped(int(rng.integers(extent.stop)), 1 << int(rng.integers(8))):
            try:
                assert same(TextStore.read(path), TEXTS)
            except SchemaError as error:
                if "update fer-stage" not in str(error):
                    assert str(error).endswith("): delete it")  # noqa: PT017  # a loop
                    assert error.remedy == [remedy_of(path.parent.parent.parent)]  # noqa: PT017
                n_reported += 1
    assert n_reported > 30


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_reported(path: Path, share: float) -> None:
    extent = DiskBlobs().extent(str(path))
    with (
        extent.truncated(int(share * extent.stop)),
        pytest.raises(SchemaError, match=r"is damaged .*: delete it\Z") as damaged,
    ):
        TextStore.read(path)
    assert damaged.value.remedy == [remedy_of(path.parent.parent.parent)]
    assert damaged.value.purpose == "to make it again"


def test_another_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, vectors=TEXTS.vectors, about=np.array('{"name": "other"}'))
    with pytest.raises(SchemaError, match=r"is damaged .*: delete it\Z") as refused:
        TextStore.read(path)
    assert refused.value.remedy == [("encode-text", {})]  # its path does not say of which encoder it is


def test_newer_texts_are_refused(path: Path) -> None:
    with np.load(path) as archive:
        vectors, about = archive["vectors"], str(archive["about"])
    np.savez(path, vectors=vectors, about=np.array(about.replace('"fer_stage_texts":1', '"fer_stage_texts":2')))
    with pytest.raises(SchemaError, match="newer than this program: update fer-stage"):
        TextStore.read(path)
