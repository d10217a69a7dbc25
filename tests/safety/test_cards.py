"""Model cards of the package and of exports state licence and training data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.predict.export.card import model_card
from pipeline.records import Export, read_export

ROOT = Path(__file__).parents[2]
CARRIED = ("pipeline/predict/default_head/README.md", "pipeline/encoders/mini/README.md")


@pytest.mark.parametrize("card", CARRIED)
def test_what_the_package_carries_states_its_licence_and_its_data(card: str) -> None:
    text = (ROOT / card).read_text()
    assert "Apache-2.0**, as fer-stage" in text or "**Licence**: Apache-2.0, as fer-stage" in text
    for word in ("FERPlus", "FER2013", "MIT", "muxspace", "no formal licence is known"):
        assert word in text


def _carried_record() -> Export:
    return read_export(ROOT / "pipeline/predict/default_head/head.json")


def test_an_exported_head_says_that_its_licence_has_to_be_stated() -> None:
    text = model_card(_carried_record())
    section = text[text.index("## Licence") :]
    assert "**Not stated.**" in section
    assert "ferplus" in section
    assert "muxspace" in section  # the encoder learnt from it too


def test_texts_of_a_record_cannot_add_lines_to_a_card() -> None:
    texts = {"encoder_note": "a\n## Licence\nMIT\x1b[2J", "dataset": "ferplus\n# forged"}
    text = model_card(_carried_record().model_copy(update=texts))
    assert not re.search(r"^(MIT|# forged)", text, re.MULTILINE)
    assert "\x1b" not in text


def test_readme_says_how_to_install_without_cuda_and_where_security_is_written() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    assert text.index("compute platform CPU") < text.index("## What it shows")
    assert "(docs/security.md)" in text
    assert (ROOT / "docs/security.md").is_file()
