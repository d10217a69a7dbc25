"""params.yaml from elsewhere: bounded, merged as DVC merges it, and no word that DVC reads as another value."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import stages.yaml_files
from stages.errors import ParamsError, StageError
from stages.params import load_params
from stages.workflows.store_references import find_references
from stages.yaml_files import BoundedLoader, StrictLoader, read_yaml_strictly, yaml_value

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 60)
)


def refused(tmp_path: Path, text: str) -> str:
    """The message, which names file and line, and comes at once."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    start = time.monotonic()
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    message = str(caught.value)
    assert str(path) in message
    assert "line " in message
    assert len(message) < 1000
    assert time.monotonic() - start < 5
    return message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, ["line 5", "expected at most 20,000 values", "found 66,430 values"]),
        (LAUGHS.replace("[", "{k: [").replace("]", "]}"), ["line 5", "expected at most 20,000 values"]),
        ("a: &a [*a]", ["alias *a lies inside what it repeats", "line 1"]),
        ("a: &a {b: {c: *a}}", ["alias *a lies inside what it repeats", "line 1"]),
        ("a: &a {<<: *a}", ["alias *a lies inside what it repeats", "line 1"]),
        ("a: *gone", ["undefined alias 'gone'", "line 1"]),
        ("a: " + "[" * 5000, ["nested more than 50 levels deep", "line 1"]),
        ("a: " + "{b: " * 5000, ["nested more than 50 levels deep", "line 1"]),
        ("".join("  " * i + "k:\n" for i in range(60)), ["nested more than 50 levels deep", "line 51"]),
        ("".join(f"a{i}: &a{i} [{f'*a{i - 1}' if i else 'x'}]\n" for i in range(60)), ["51 levels deep", "line 50"]),
        ("classes: 7\nsample: {seed: " + "9" * 5000 + "}", ["cannot be read as int", "line 2"]),
        ("sample: {seed: 18446744073709551616}", ["expected a number below 2 ** 64", "line 1"]),
        ("\nmethods: {scn: {lr: .nan}}", ["expected a finite number", "line 2"]),
        ("\nmethods: {scn: {lr: -.inf}}", ["expected a finite number", "line 2"]),
        ("run:\n  datasets: [2024-01-31]", ["'2024-01-31' is a date in YAML: put it in quotes", "line 2"]),
        ("run:\n  datasets: [2024-13-45]", ["'2024-13-45' is a date in YAML: put it in quotes", "line 2"]),
        ("datasets: {2024-01-31: {layout: csv}}", ["'2024-01-31' is a date", "line 1"]),
        ("classes: !!int x", ["'x' cannot be read as int", "line 1"]),
        ("classes: !!int ''", ["'' cannot be read as int", "line 1"]),
        ("classes: !!bool x", ["'x' cannot be read as bool", "line 1"]),
        ("classes: !!timestamp x", ["'x' is a date", "line 1"]),
        ("classes: !!binary x", ["failed to decode base64 data", "line 1"]),
        ("classes: !!int [1]", ["expected a scalar node", "line 1"]),
        ("classes: 7\nclasses: 8", ["'classes' occurs twice", "line 2"]),
        ("sample: &s {seed: 1}\nextract: {<<: *s, <<: *s}", ["'<<' occurs twice", "line 2"]),
        ("? [a, b]\n: 1", ["expected a word as a key", "line 1"]),
        ("classes: !!python/object/apply:os.system [id]", ["could not determine a constructor", "line 1"]),
        ("extract: {<<: 3}", ["expected a mapping or list of mappings after <<, found a scalar", "line 1"]),
        ("classes: 7\nsample: {seed: 010}", ["values that DVC reads as we do, found 010 in line 2"]),
        ("sample: {seed: 1:30}", ["found 1:30 in line 1"]),
        ("protocol: {drop_other_labels: yes}", ["found yes in line 1", "true or false"]),
        ("prompt_sets: {1e3: ['a [CLS]']}", ["found 1e3 in line 1", "texts in quotes"]),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_is_refused_names_file_and_line(tmp_path: Path, text: str, words: list[str]) -> None:
    message = refused(tmp_path, text)
    assert all(word in message for word in words), message


def test_a_large_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with path.open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(
        ParamsError, match=r"params\.yaml cannot be read: file is too large: at most .* found 10,000 MB"
    ):
        load_params(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"classes: \xff")
    with pytest.raises(ParamsError, match=r"params\.yaml is not YAML that can be read: 'utf-8' codec"):
        load_params(tmp_path / "params.yaml")


def test_quoted_words_have_one_meaning(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("prompt_sets: {'1e3': ['a [CLS]'], \"on\": ['[ADJ]']}\nclasses: 7")
    assert set(load_params(tmp_path / "params.yaml").prompt_sets) == {"1e3", "on"}


def test_usual_aliases_and_merges_are_read(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "datasets:\n"
        "  a: &a {layout: csv, root: data/a, options: &options {val_fraction: 0.2}}\n"
        "  b: {<<: *a, root: data/b}\n"
        "  c: {options: *options, layout: csv}\n"
    )
    params = load_params(tmp_path / "params.yaml")
    assert (params.datasets["b"].layout, params.datasets["b"].root) == ("csv", "data/b")
    assert params.datasets["b"].options == params.datasets["c"].options == {"val_fraction": 0.2}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}",
        "a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}",
        "a: &a {x: 1}\nc: &c {x: 2, z: 3}\nb: {<<: [*a, *c], y: 3}",
        "top: {base: &base {x: 1}, a: &a {<<: *base, x: 2}}\nb: {<<: *a, y: 1}",
        "l: [&base {x: 1}, &a {<<: *base, x: 2, z: 4}]\nb: {<<: [*base, *a]}",
        "a: &a\n  k: [1, 2]\nb:\n  <<: *a\n  k: [3]",
        "a: &a 3\nb: [*a, *a]",
    ],
)
def test_merges_are_those_of_dvc(tmp_path: Path, text: str) -> None:
    dvc_yaml = pytest.importorskip("dvc.utils.serialize._yaml")
    (tmp_path / "params.yaml").write_text(text)
    assert read_yaml_strictly(tmp_path / "params.yaml").data == dvc_yaml.parse_yaml(text, "params.yaml")


def _words() -> list[str]:
    rng = random.Random(0)
    words = ["".join(word) for n in (1, 2) for word in itertools.product("01789.-+_exo:", repeat=n)]
    words += ["".join(rng.choices("0123789.-+_eExob:", k=rng.randint(4, 8))) for _ in range(1500)]
    words += [case(word) for word in ("yes", "no", "on", "off", "true", "false", "null", "nan", "y", "n", "inf")
              for case in (str.lower, str.upper, str.title)]  # fmt: skip
    return [*dict.fromkeys(words), ".inf", "-.inf", ".nan", "~", "1_000", "0x1F", "0b11", "<<", "1.5e+3", "-0"]


def _values(load: Callable[[str], Any], errors: tuple[type[Exception], ...], words: list[str]) -> dict[str, Any]:
    """What a reader takes each of these words for; those that it refuses are missing."""
    values = {}
    for word in words:
        with contextlib.suppress(*errors):
            values[word] = load(f"- {word}\n")[0]
    return values


def _same(ours: Any, theirs: Any) -> bool:
    both_nan = isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours) and math.isnan(theirs)
    return both_nan or (type(ours) is type(theirs) and ours == theirs)


def test_every_word_that_dvc_reads_differently_is_known() -> None:
    dvc_yaml = pytest.importorskip("dvc.utils.serialize._yaml")
    words = [word for word in _words() if not word.startswith(("- ", ": ")) and word not in "-:"]
    ours = _values(yaml_value, (yaml.YAMLError,), words)
    theirs = _values(lambda text: dvc_yaml.parse_yaml(text, "x"), (dvc_yaml.YAMLError, ValueError), words)
    both = ours.keys() & theirs.keys()
    assert len(both) > 1000
    different = {word for word in both if not _same(ours[word], theirs[word])}
    assert len(different) > 40
    assert {word: (ours[word], theirs[word]) for word in different if not _flagged(word)} == {}


def _flagged(word: str) -> bool:
    loader = StrictLoader(word)
    loader.get_single_node()
    return bool(loader.two_meanings)


def test_a_value_of_a_command_line_is_bounded_too() -> None:
    assert yaml_value("{0: anger, 1: fear}") == {0: "anger", 1: "fear"}
    with pytest.raises(yaml.YAMLError, match="nested more than"):
        yaml_value("[" * 5000)


def test_files_of_dvc_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(BoundedLoader, "max_nodes", 10_000)
    for text, message in ((LAUGHS, "expected at most 10,000 values"), ("a: " + "[" * 5000, "nested more than 50")):
        (tmp_path / "dvc.lock").write_text(text)
        with pytest.raises(StageError, match=rf"dvc\.lock cannot be read .*{message}"):
            find_references(tmp_path / "features", Path("params.yaml"))
    monkeypatch.setattr(stages.yaml_files, "MAX_BYTES", 10)
    with pytest.raises(StageError, match=r"dvc\.lock cannot be read .*file is too large"):
        find_references(tmp_path / "features", Path("params.yaml"))
