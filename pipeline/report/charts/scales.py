"""Numbers to places in a chart, and the ticks of its axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Scale", "Tick", "fitted", "line_points", "steps_scale"]

_STEPS = (1, 2, 5, 10, 20)
_MARGIN = 0.04  # of the range, on both sides, so that no mark is cut
# A search over powers of ten is unreadable on a linear axis.
_LOG_RATIO = 1000


@dataclass(frozen=True)
class Tick:
    """A tick at a place in percent; `anchor` keeps the words of the first and the last one inside of the chart."""

    at: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis from `low` to `high`, low < high; both are > 0 on a logarithmic one."""

    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value is, in percent from the low end, kept inside of the axis."""
        low, high, value = (math.log10(each) if self.is_log else each for each in (self.low, self.high, value))
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 1)

    def ticks(self, most: int = 6) -> tuple[Tick, ...]:
        """At most so many ticks at round numbers, of a logarithmic axis at powers of ten."""
        values = self._powers(most) if self.is_log else self._round_numbers(most)
        return tuple(self._tick(value) for value in values)

    def _tick(self, value: float) -> Tick:
        place = self.place(value)
        return Tick(place, f"{value:g}", "start" if place < 6 else "end" if place > 90 else "middle")

    def _round_numbers(self, most: int) -> list[float]:
        magnitude = 10 ** math.floor(math.log10((self.high - self.low) / most))
        candidates = (self._multiples(step * magnitude) for step in _STEPS)
        return next(values for values in candidates if len(values) <= most)

    def _multiples(self, step: float) -> list[float]:
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [float(f"{i * step:.10g}") for i in range(first, last + 1)]

    def _powers(self, most: int) -> list[float]:
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        stride = max(1, math.ceil((last - first + 1) / most))
        return [10.0**power for power in range(first, last + 1, stride)]


def fitted(values: Iterable[float], least: float = 0.0, limits: tuple[float, float] | None = None) -> Scale:
    """A linear scale around some values.

    Parameters
    ----------
    values : at least one
    least : the smallest range, so that small differences do not look big
    limits : the widest possible range; the axis ends there
    """
    numbers = list(values)
    low, high = min(numbers), max(numbers)
    middle, half = (low + high) / 2, max(high - low, least, 1e-9) / 2
    low, high = middle - half * (1 + 2 * _MARGIN), middle + half * (1 + 2 * _MARGIN)
    if limits:
        low, high = max(low, limits[0]), min(high, limits[1])
    return Scale(low, high)


def steps_scale(steps: list[float]) -> Scale:
    """A scale of training steps or searched values; logarithmic where they span powers of ten."""
    low, high = min(steps), max(steps)
    if low > 0 and high / low > _LOG_RATIO:
        return Scale(low / 1.3, high * 1.3, is_log=True)
    return fitted(steps)


def line_points(points: Iterable[tuple[float | None, float | None]]) -> list[list[tuple[float, float]]]:
    """The unbroken stretches of a line: a gap in the data stays a gap."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if x is None or y is None:
            stretches.append([])
        else:
            stretches[-1].append((x, y))
    return [stretch for stretch in stretches if stretch]
