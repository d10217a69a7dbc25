"""The pages of docs/methods, the registry and README say the same."""

import re
from pathlib import Path

import pytest

from pipeline.methods import config_class, method_names

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "methods"
SECTIONS = ("Equations", "Options", "Source", "Our deviations", "What it needs", "How to cite")


def test_every_method_has_a_page_and_every_page_a_method():
    assert {page.stem for page in PAGES.glob("*.md")} == set(method_names())


@pytest.mark.parametrize("name", method_names())
def test_a_page_has_the_sections_that_a_reader_looks_for(name):
    text = (PAGES / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(SECTIONS)


@pytest.mark.parametrize("name", method_names())
def test_a_page_lists_the_options_with_their_defaults(name):
    text = (PAGES / f"{name}.md").read_text()
    table = text[text.index("## Options") : text.index("## Source")]
    found = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", table, re.MULTILINE))
    assert found == {field: _written(info.default) for field, info in config_class(name).model_fields.items()}


def _written(default):
    if default == "":
        return '""'
    return str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize("name", method_names())
def test_readme_links_every_page(name):
    assert f"(docs/methods/{name}.md)" in (ROOT / "README.md").read_text()


CLIPS = "On a dataset of clips it reads `clip_frames` frames of each: see [clips](../heads.md#clips)."


@pytest.mark.parametrize("name", method_names())
def test_a_page_says_what_is_read_of_clips(name):
    assert CLIPS in (PAGES / f"{name}.md").read_text()
    assert "\n## Clips\n" in (ROOT / "docs" / "heads.md").read_text()
