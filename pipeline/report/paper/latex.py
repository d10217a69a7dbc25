"""A table as LaTeX with the rules of booktabs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count

from pipeline.report.paper.escaping import escaped

__all__ = ["LatexCell", "LatexTable", "Row", "file_stem", "free_name", "latex_figure", "preview"]

HEADER = "% Written by the report of fer-stage: a later report replaces this file."
# LaTeX's own classes leave no space below a caption, which would touch the rule of the table.
_SPACE_BELOW_CAPTION = "\\setlength{\\belowcaptionskip}{6pt}"


@dataclass(frozen=True)
class LatexCell:
    """What a cell shows, as plain text.

    Parameters
    ----------
    text : empty for nothing
    spread : behind the text in a smaller size, such as `± 0.4` or `[61.0, 64.2]`
    marks : footnote symbols, raised
    is_best : set in bold
    is_tied : underlined: not seen to differ from the best
    """

    text: str
    spread: str = ""
    marks: str = ""
    is_best: bool = False
    is_tied: bool = False

    def as_latex(self) -> str:
        """The cell as LaTeX."""
        text = f"\\textbf{{{escaped(self.text)}}}" if self.is_best else escaped(self.text)
        text = f"\\underline{{{text}}}" if self.is_tied else text
        spread = f" {{\\scriptsize {escaped(self.spread)}}}" if self.spread else ""
        return text + spread + (f"\\textsuperscript{{{escaped(self.marks)}}}" if self.marks else "")


Row = tuple[LatexCell, ...]


@dataclass(frozen=True)
class LatexTable:
    """A table for a paper; all texts are plain, and are escaped where they become LaTeX.

    Parameters
    ----------
    name : of the file without `.tex`, and of the label after `tab:`
    caption : sentences
    columns : heads of the columns
    n_headers : how many of the first columns name the row, and are left-aligned; others are centred
    blocks : rows, with a rule between two blocks
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    n_headers: int
    blocks: tuple[tuple[Row, ...], ...]

    def as_latex(self) -> str:
        """A `table` environment. It needs the package booktabs."""
        alignment = "l" * self.n_headers + "c" * (len(self.columns) - self.n_headers)
        return "\n".join(
            [
                HEADER,
                "% \\usepackage{booktabs}",
                "\\begin{table}[t]",
                "\\centering",
                "\\small",
                _SPACE_BELOW_CAPTION,
                f"\\caption{{{escaped(self.caption)}}}",
                f"\\label{{tab:{self.name}}}",
                f"\\begin{{tabular}}{{{alignment}}}",
                "\\toprule",
                " & ".join(map(escaped, self.columns)) + " \\\\",
                *self._lines(),
                "\\bottomrule",
                "\\end{tabular}",
                "\\end{table}",
                "",
            ]
        )

    def _lines(self) -> Iterator[str]:
        for block in self.blocks:
            yield "\\midrule"
            yield from (_line(row) for row in block)


def _line(row: Row) -> str:
    # A row that begins with a bracket would be read as an option of the \\ before it.
    return "{}" + " & ".join(cell.as_latex() for cell in row) + " \\\\"


def latex_figure(name: str, caption: str, *, is_wide: bool) -> str:
    """The environment that shows `name`.pdf, in one column or, if it is wide, across both. It needs graphicx."""
    environment, width = ("figure*", "\\textwidth") if is_wide else ("figure", "\\columnwidth")
    return "\n".join(
        [
            "% Written by the report of fer-stage. \\usepackage{graphicx}, \\graphicspath{{FOLDER OF THE FIGURES/}}",
            f"\\begin{{{environment}}}[t]",
            "\\centering",
            f"\\includegraphics[width={width}]{{{name}.pdf}}",
            f"\\caption{{{escaped(caption)}}}",
            f"\\label{{fig:{name}}}",
            f"\\end{{{environment}}}",
            "",
        ]
    )


def preview(names: Sequence[str]) -> str:
    """A document that shows tables: what `pdflatex preview.tex` compiles beside them."""
    lines = [f"\\input{{{name}}}\n\\clearpage" for name in names]
    return "\n".join(
        [
            HEADER,
            "\\documentclass{article}",
            "\\usepackage[margin=1cm,landscape]{geometry}",
            "\\usepackage{booktabs}",
            "\\begin{document}",
            *lines,
            "\\end{document}",
            "",
        ]
    )


def file_stem(*parts: str) -> str:
    """A name of a file, and of a label: letters, digits and dashes, as LaTeX and every file system take them."""
    plain = ("".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in part) for part in parts)
    return "-".join("-".join(filter(None, part.split("-"))) for part in plain if part)


def free_name(name: str, taken: Collection[str]) -> str:
    """`name`, or, where it is taken, the first of `name-2`, `name-3`, ... that is not."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if each not in taken)
