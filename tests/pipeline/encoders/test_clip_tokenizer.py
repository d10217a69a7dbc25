"""open_clip's tokenizer is the same without the rest of open_clip, or with it where it needs that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOKENS = """
import sys
from pipeline.encoders.families.clip_tokenizer import clip_tokenizer
{before}
tokenizer = clip_tokenizer(32)
print("open_clip" in sys.modules)
import open_clip
texts = ["a face", "A\\u00a0caf\\u00e9, &amp; it's ten o'clock \\U0001f600", "", "word " * 50]
assert tokenizer(texts).equal(open_clip.SimpleTokenizer(context_length=32)(texts))
from pipeline.encoders.tokenizer_identity import tokenizer_content
assert tokenizer_content(tokenizer) == tokenizer_content(open_clip.SimpleTokenizer(context_length=32))
"""


@pytest.mark.parametrize(("before", "alone"), [("", True), ("import open_clip", False)])
def test_its_tokens_and_identity_are_those_of_open_clip(before: str, alone: bool) -> None:
    program = TOKENS.replace("{before}", before)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", f"{not alone}\n")


def test_a_tokenizer_that_needs_its_package_is_imported_with_it(tmp_path: Path) -> None:
    (tmp_path / "open_clip").mkdir()
    (tmp_path / "open_clip" / "__init__.py").write_text("NAME = 'later'\n")
    (tmp_path / "open_clip" / "tokenizer.py").write_text(
        "from . import NAME\n\nclass SimpleTokenizer:\n    def __init__(self, context_length):\n"
        "        self.name = NAME\n"
    )
    program = "from pipeline.encoders.families.clip_tokenizer import clip_tokenizer; print(clip_tokenizer(32).name)"
    run = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "later\n")
