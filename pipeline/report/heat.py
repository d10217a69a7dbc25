"""One colour scale for every heat map of the page, so that equal colours mean equal scores."""

from __future__ import annotations

from itertools import pairwise

__all__ = ["COLORSCALE", "INK", "background"]

# ColorBrewer's YlGnBu without its two darkest steps: ordered by lightness, so it reads without colour vision, and light
# enough throughout for one dark ink (a contrast of 4.5 or more, as WCAG 2 asks for).
_STOPS = ("#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0")
INK = "#000000"
COLORSCALE = [[i / (len(_STOPS) - 1), color] for i, color in enumerate(_STOPS)]  # as plotly has it


def background(fraction: float) -> str:
    """The colour of a score in [0, 1], as #rrggbb."""
    position = min(max(fraction, 0.0), 1.0) * (len(_STOPS) - 1)
    i = min(int(position), len(_STOPS) - 2)
    low, high = [_channels(stop) for stop in list(pairwise(_STOPS))[i]]
    mixed = (round(a + (position - i) * (b - a)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
