"""The pages of docs/datasets, the readers, and the facts that they state, are one."""

from __future__ import annotations

import re

import pytest
from dataset_pages import PAGES, REAL_PACKS, ROOT, generated, missing_pages, with_facts

from pipeline.datasets.layouts import LAYOUTS

NAMES = sorted(with_facts())


def test_every_dataset_has_a_page_and_every_page_a_layout() -> None:
    assert missing_pages() == [], "run `make pages`"
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} <= set(LAYOUTS)


@pytest.mark.parametrize("name", [*NAMES, "README"])
def test_a_page_has_what_the_reader_states(name: str) -> None:
    page = PAGES / f"{name}.md"
    assert page.read_text("utf-8") == generated(page), "run `make pages`"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_every_option_count_trap_and_bias(name: str) -> None:
    """Written out here, so that a fault of the generator is found, too."""
    text = " ".join((PAGES / f"{name}.md").read_text("utf-8").split())
    facts = with_facts()[name]
    for counts in facts.counts:
        assert f"**{counts.release}**" in text
        for labels in counts.labels.values():
            for label, n in labels.items():
                assert re.search(rf"\| {label} \|[^a-z]* {n:,} \|", text), (counts.release, label)
    for sentence in (*facts.traps, *facts.biases, facts.licence, facts.access, facts.reference):
        assert " ".join(sentence.split()) in text
    for option in LAYOUTS[name].Options.model_fields:
        assert f"`{option}`" in text


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_sentences(name: str) -> None:
    facts = with_facts()[name]
    assert all((facts.title, facts.content, facts.access, facts.reference, facts.label_codes))
    assert all(text.endswith(".") for text in (facts.licence, *facts.traps, *facts.biases))
    assert len({(counts.release, str(counts.options)) for counts in facts.counts}) == len(facts.counts)


def test_text_by_hand_around_the_generated_part_stays() -> None:
    page = PAGES / "README.md"
    before, _, rest = page.read_text("utf-8").partition("<!-- Written by")
    assert before.startswith("# Datasets\n")
    assert generated(page).startswith(before)
    assert rest


def test_pages_that_claim_real_pictures_have_tests_of_them() -> None:
    tests = (ROOT / "tests" / "pipeline" / "datasets" / "test_real_packs.py").read_text("utf-8")
    assert set(re.findall(r'pack_path\("([\w.]+)"\)', tests)) == set(REAL_PACKS.values())


def test_readme_links_the_overview() -> None:
    assert "(docs/datasets/README.md)" in (ROOT / "README.md").read_text("utf-8")
