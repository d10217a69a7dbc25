"""One sentence for every misspelt name: what was probably meant, else what is known."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.suggestions import closest, did_you_mean

KNOWN = ("raf-db", "ferplus", "folder")


def test_the_most_similar_name_comes_first() -> None:
    assert closest("rafdb", KNOWN) == ["raf-db"]
    assert closest("fer", ("ferplus", "fer", "raf-db"), n=2) == ["fer", "ferplus"]
    assert closest("%%%", KNOWN) == []


@pytest.mark.parametrize(
    ("name", "known", "sentence"),
    [
        ("rafdb", KNOWN, "Did you mean 'raf-db'?"),
        ("%%%", KNOWN, "Known: raf-db, ferplus, folder"),
        ("%%%", (), ""),
    ],
)
def test_a_misspelt_name_gets_a_suggestion_or_the_known_names(name: str, known: tuple[str, ...], sentence: str) -> None:
    assert did_you_mean(name, known) == sentence


def test_another_sentence_replaces_the_known_names_only() -> None:
    assert did_you_mean("%%%", KNOWN, otherwise="See the list") == "See the list"
    assert did_you_mean("rafdb", KNOWN, otherwise="See the list") == "Did you mean 'raf-db'?"


def test_several_suggestions_are_joined_by_or() -> None:
    assert did_you_mean("resnet17", ("resnet18", "vit", "resnet50"), n=2) == "Did you mean 'resnet18' or 'resnet50'?"


def test_a_misspelt_command_gets_its_suggestion_without_a_heavy_import() -> None:
    code = (
        "import sys; from stages.cli import run; code = run(['extrakt']); "
        "print(code, sorted({'torch', 'pandas', 'zarr', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 []"
    assert "no command 'extrakt'. Did you mean 'extract'? See fer-stage --help" in done.stderr
