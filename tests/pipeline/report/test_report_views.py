"""The colours of matrices: ordered, and readable at every score."""

from __future__ import annotations

import pytest

from pipeline.report.views import TEXT_COLOR, background

READABLE = 4.5  # WCAG 2, level AA, for small text


def luminance(color: str) -> float:
    """Relative luminance by the definition of WCAG 2."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))

    def linear(share: float) -> float:
        return share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)


def test_every_score_can_be_read_on_its_colour() -> None:
    for thousandths in range(1001):
        color = background(thousandths / 1000)
        low, high = sorted((luminance(color), luminance(TEXT_COLOR)))
        assert (high + 0.05) / (low + 0.05) >= READABLE, color


def test_a_higher_score_is_darker() -> None:
    """So that the order is seen without colour vision, and on paper."""
    lights = [luminance(background(percent / 100)) for percent in range(101)]
    assert lights == sorted(lights, reverse=True)
    assert lights[0] > 0.9 > 0.3 > lights[-1]


@pytest.mark.parametrize(("score", "color"), [(0, "#ffffd9"), (1, "#1d91c0"), (0.1, "#f6fcc5")])
def test_colours_lie_on_the_scale(score: float, color: str) -> None:
    """Halfway from #ffffd9 to #edf8b1: (255 + 237) / 2 = 246, (255 + 248) / 2 = 251.5, (217 + 177) / 2 = 197."""
    assert background(score) == color
