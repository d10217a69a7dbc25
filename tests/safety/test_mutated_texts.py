"""Text vectors from elsewhere: an error that names file and field, or the vectors unchanged."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from mutations import mutations

import cache.text_file
import cache.texts
from cache.errors import CacheError, OutdatedTextsError, SchemaError
from cache.texts import TextStore

TEXTS = TextStore(
    vectors=np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32),
    templates=("ein Gesicht: {}", "a photo of {}"),
    classes=("fear", "anger", "neutral"),
    encoder={"family": "open_clip", "weights": "a1"},
    provenance={"versions": {"torch": "2.4"}, "encoder_note": "", "encoder_saw": ["ferplus"]},
    text={"tokenizer_files": "b2"},
)
Vectors = npt.NDArray[Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plain.npz"
    TEXTS.write(path)
    return path


def content(path: Path) -> tuple[Vectors, dict[str, Any]]:
    with np.load(path) as archive:
        return archive["vectors"], json.loads(str(archive["about"]))


def forge(path: Path, vectors: Vectors, about: dict[str, Any], *, digests: bool = False) -> None:
    """Write a file of our form; with `digests`, its digests are right."""
    if digests:
        names = tuple(about[name] for name in ("templates", "classes", "encoder", "text"))
        about = about | {"key": cache.texts.text_key(*names)}
        about["content"] = cache.text_file.content_digest(vectors, about)
    np.savez(path, vectors=vectors, about=np.array(json.dumps(about)))


def read(path: Path) -> tuple[TextStore | None, str]:
    """The vectors, or the message of an error of ours; any other error is a failure."""
    try:
        return TextStore.read(path), ""
    except CacheError as error:
        return None, str(error)


def outcome(path: Path) -> str:
    """The message; empty if the vectors are as they were written."""
    found, message = read(path)
    if found:
        assert found.vectors.tobytes() == TEXTS.vectors.tobytes()
        assert (found.templates, found.classes) == (TEXTS.templates, TEXTS.classes)
    return message


def test_every_single_change_of_the_description_is_refused_by_name(path: Path) -> None:
    vectors, about = content(path)
    for change, document in mutations(about):
        forge(path, vectors, document)
        assert str(path) in outcome(path), change


def test_every_single_change_under_a_right_digest_is_refused_or_changes_nothing(path: Path) -> None:
    vectors, about = content(path)
    for change, document in mutations(about):
        try:
            forge(path, vectors, document, digests=True)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # nothing has a digest of it
        found, message = read(path)
        assert found or str(path) in message, change
        if found:
            assert found.vectors.shape[:2] == (len(found.templates), len(found.classes)), change
            assert all(isinstance(name, str) for name in (*found.templates, *found.classes)), change


@pytest.mark.parametrize("digests", [False, True], ids=["digest of before", "own digest"])
@pytest.mark.parametrize(
    "change",
    [
        lambda vectors: np.full_like(vectors, np.nan),
        lambda vectors: np.full_like(vectors, np.inf),
        lambda vectors: vectors * 0,
        lambda vectors: np.full_like(vectors, 1e30),
        lambda vectors: vectors[:1],
        lambda vectors: vectors[:, :2],
        lambda vectors: vectors.reshape(2, 12),
        lambda vectors: vectors.astype(np.float64),
        lambda vectors: vectors.astype(np.int32),
    ],
    ids=["nan", "infinite", "zero", "huge", "a template less", "a class less", "2 axes", "float64", "int32"],
)
def test_other_vectors_are_refused(path: Path, change: Callable[[Vectors], Vectors], digests: bool) -> None:
    vectors, about = content(path)
    forge(path, change(vectors), about, digests=digests)
    assert f"{path} is damaged" in outcome(path)


def test_swapped_classes_altered_vectors_and_swapped_templates_are_refused(path: Path) -> None:
    """Under the key of before, as a change by hand leaves them; the digest is over vectors and names together."""
    vectors, about = content(path)
    swapped = [about | {name: about[name][::-1]} for name in ("classes", "templates")]
    for changed in ((vectors, swapped[0]), (vectors, swapped[1]), (vectors + 1, about)):
        forge(path, *changed)
        with pytest.raises(SchemaError, match=r"is damaged \(about\.content: .*delete it\Z") as damaged:
            TextStore.read(path)
        assert [command for command, _ in damaged.value.remedy] == ["encode-text"]


def test_vectors_without_a_digest_are_of_an_earlier_version_and_the_command_is_named(path: Path) -> None:
    vectors, about = content(path)
    forge(path, vectors, {name: value for name, value in about.items() if name != "content"})
    with pytest.raises(OutdatedTextsError, match="found none: an earlier fer-stage wrote it") as outdated:
        TextStore.read(path)
    assert [command for command, _ in outdated.value.remedy] == ["encode-text"]
    assert outdated.value.purpose == "to make them again"


def test_a_digest_does_not_change_the_key() -> None:
    """Heads name their text by it: none is trained again for the digest."""
    assert TEXTS.key == replace(TEXTS, vectors=TEXTS.vectors + 1).key


def test_members_that_unpack_to_more_than_the_file_are_refused_before_they_are_read(path: Path) -> None:
    _, about = content(path)
    np.savez_compressed(path, vectors=np.zeros((2, 3, 40_000), np.float32), about=np.array(json.dumps(about)))
    assert "not compressed" in outcome(path)


def test_a_header_that_claims_more_values_than_there_are_is_refused_before_memory_is_taken(path: Path) -> None:
    vectors, about = content(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2, 3, 10**11)})
    text = io.BytesIO()
    np.save(text, np.array(json.dumps(about)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vectors.npy", header.getvalue() + vectors.tobytes())
        archive.writestr("about.npy", text.getvalue())
    assert "expected values of shape (2, 3, 100000000000)" in outcome(path)


def test_a_file_larger_than_any_real_one_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.text_file, "_MAX_BYTES", 100)
    assert "expected at most 100 bytes" in outcome(path)


def test_a_pipe_or_a_folder_is_no_file_of_vectors(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    assert "found no regular file: move it away" in outcome(path)
    path.unlink()
    path.mkdir()
    assert "found a folder: move it away" in outcome(path)


def test_other_members_and_pickles_are_refused(path: Path) -> None:
    vectors, about = content(path)
    np.savez(path, vectors=vectors, about=np.array(json.dumps(about)), more=vectors)
    assert "expected the members vectors.npy, about.npy" in outcome(path)
    np.savez(path, vectors=np.array([None, {}], dtype=object), about=np.array(json.dumps(about)))
    assert "is damaged" in outcome(path)
