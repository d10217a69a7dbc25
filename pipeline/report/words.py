"""The words of the vocabulary that learned tokens are nearest to, of runs whose record has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.report.groups import Group
from pipeline.report.runs import ReportRun

__all__ = ["WORD_COLUMNS", "nearest_words", "words_table"]

WORD_COLUMNS = ["encoder", "method", "train", "seed", "expression", "descriptor", "token", "rank", "word", "distance"]
Words = Mapping[str, Sequence[Sequence[Sequence[Any]]]]


def nearest_words(run: ReportRun) -> Words:
    """Class -> descriptors -> tokens -> the nearest words with their distances, nearest first; empty if not recorded.

    CLIPER's first stage learns descriptors, too: its words are those. CoOp's context counts as one descriptor.
    """
    findings = run.record.findings
    recorded = findings.get("nearest_words") or findings.get("first_stage", {}).get("nearest_words") or {}
    return {name: [tokens] if _is_context(tokens) else tokens for name, tokens in recorded.items()}


def _is_context(tokens: Sequence[Any]) -> bool:
    """Whether these are tokens with their words, and not descriptors with their tokens."""
    word_or_words = tokens[0][0]
    return isinstance(word_or_words[0], str)


def words_table(groups: Iterable[Group]) -> pd.DataFrame:
    """One row per word, for a CSV file. `descriptor`, `token` and `rank` count from 1; `distance` is Euclidean."""
    rows = [row for group in groups for run in group.runs for row in _rows(group, run)]
    return pd.DataFrame(rows, columns=WORD_COLUMNS)


def _rows(group: Group, run: ReportRun) -> Iterator[tuple[Any, ...]]:
    for expression, descriptors in nearest_words(run).items():
        for descriptor, tokens in enumerate(descriptors, start=1):
            for token, words in enumerate(tokens, start=1):
                for rank, (word, distance) in enumerate(words, start=1):
                    key = (group.encoder, group.method, run.trained_as, run.seed)
                    yield (*key, expression, descriptor, token, rank, word, round(float(distance), 6))
