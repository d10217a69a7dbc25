"""The words nearest to learned tokens, as a table per run with the lowest seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.report.groups import Group
from pipeline.report.paper.captions import encoder_sentence, stand_in_sentence
from pipeline.report.paper.latex import LatexCell, LatexTable, Row, file_stem
from pipeline.report.runs import ReportRun
from pipeline.report.words import Words, nearest_words

__all__ = ["word_tables"]

_MOST_IN_A_LINE = 4  # tokens: with 16, as coop has, a line is wider than any paper


def word_tables(groups: Sequence[Group]) -> Iterator[LatexTable]:
    """A table per method and train dataset: rows are descriptors, columns tokens, each with the nearest word.

    More tokens than four continue in rows below.
    """
    for group in groups:
        for run in group.first_of_each_train():
            if words := nearest_words(run):
                yield _table(group, run, words)


def _table(group: Group, run: ReportRun, words: Words) -> LatexTable:
    n_tokens = max(len(tokens) for descriptors in words.values() for tokens in descriptors)
    caption = [
        f"Nearest words of the vocabulary to the learned tokens of {group.method} trained on {run.trained_as}, seed "
        f"{run.seed}; in brackets the Euclidean distance.",
        stand_in_sentence([group]),
        encoder_sentence([group]),
    ]
    return LatexTable(
        file_stem("words", group.encoder, group.method, run.trained_as),
        " ".join(filter(None, caption)),
        ("Expression", "Descriptor", *_columns(n_tokens)),
        3 if n_tokens > _MOST_IN_A_LINE else 2,
        tuple(_block(name, descriptors, n_tokens) for name, descriptors in words.items()),
    )


def _block(name: str, descriptors: Sequence[Sequence[Sequence[Sequence[object]]]], n_tokens: int) -> tuple[Row, ...]:
    rows = []
    for number, tokens in enumerate(descriptors, start=1):
        nearest = [words[0] for words in tokens]
        cells = [LatexCell(str(word), f"({float(str(distance)):.2f})") for word, distance in nearest]
        cells += [LatexCell("")] * (n_tokens - len(cells))
        for first, line in enumerate(_lines(cells)):
            names = (name if number == 1 and not first else "", str(number) if not first else "")
            rows.append((*map(LatexCell, names), *line))
    return tuple(rows)


def _columns(n_tokens: int) -> tuple[str, ...]:
    if n_tokens <= _MOST_IN_A_LINE:
        return tuple(f"Token {number}" for number in range(1, n_tokens + 1))
    return ("Tokens", *[""] * _MOST_IN_A_LINE)


def _lines(cells: Sequence[LatexCell]) -> Iterator[list[LatexCell]]:
    """The words of a descriptor: one line, or lines of four that begin with the numbers of their tokens."""
    if len(cells) <= _MOST_IN_A_LINE:
        yield list(cells)
        return
    for start in range(0, len(cells), _MOST_IN_A_LINE):
        line = list(cells[start : start + _MOST_IN_A_LINE])
        end = start + len(line)
        yield [LatexCell(f"{start + 1} to {end}"), *line, *[LatexCell("")] * (_MOST_IN_A_LINE - len(line))]
