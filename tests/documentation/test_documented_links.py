"""Links and paths of the pages lead to something that exists."""

from __future__ import annotations

import re

import pytest
from documented import PAGES, ROOT

_LINKED = (*PAGES, "CONTRIBUTING.md", "benchmarks/README.md")
_OF_FILES_TO_WRITE = ("CONTRIBUTING.md", "docs/extending.md")  # they name modules that a reader is going to write
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"`((?:pipeline|cache|stages|tests|docs|benchmarks|examples|findings)/[\w./-]*)`")


def prose(page: str) -> str:
    return _FENCE.sub("", (ROOT / page).read_text("utf-8"))


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", _LINKED)
def test_every_link_inside_the_repository_leads_somewhere(page: str) -> None:
    for link in _LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(_FENCE.sub("", target.read_text("utf-8"))), link


@pytest.mark.parametrize("page", [page for page in _LINKED if page not in _OF_FILES_TO_WRITE])
def test_every_path_of_this_repository_exists(page: str) -> None:
    paths = [path for path in _PATH.findall(prose(page)) if not re.search(r"[A-Z]{3}", path)]  # FAMILY, NAME
    assert [path for path in paths if not (ROOT / path).exists()] == []
