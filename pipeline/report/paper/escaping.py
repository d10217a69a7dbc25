"""Any text as LaTeX that pdflatex, xelatex and lualatex compile without further packages."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["escaped"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedblright{}",
    # Signs of the report.
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "≡": r"$\equiv$",
    "≈": r"$\approx$",
    "\N{EN DASH}": "--",
    "—": "---",
    "…": r"\ldots{}",
    "\N{MINUS SIGN}": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
_ACCENTS = {  # combining sign -> command
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_JOINED = re.compile("(?<=-)(?=-)|(?<=,)(?=,)|(?<=')(?=')|(?=`)")  # where two signs would become another one
# The letters from U+03B1 on, the final sigma among them; omicron is Latin in LaTeX.
_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
_ALPHA = 0x3B1


def escaped(text: str) -> str:
    """`text` as LaTeX that shows it.

    Letters with accents become commands. Any other sign that not every LaTeX has, as a vocabulary may have, becomes its
    code point, `U+1F600`: it is never left out.
    """
    parts = _JOINED.split(" ".join(unicodedata.normalize("NFC", text).split()))
    return "{}".join("".join(map(_letter, part)) for part in parts)


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isascii() and letter.isprintable():
        return letter
    base, mark = unicodedata.normalize("NFD", letter)[:1], unicodedata.normalize("NFD", letter)[1:]
    if base.isascii() and base.isalpha() and mark in _ACCENTS:
        return f"\\{_ACCENTS[mark]}{{{base}}}"
    place = ord(letter) - _ALPHA
    if 0 <= place < len(_GREEK) and _GREEK[place]:
        return f"$\\{_GREEK[place]}$"
    return f"U+{ord(letter):04X}"
