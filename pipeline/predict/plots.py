"""The plot of a video: the probabilities of expressions over time, a panel for each person; SVG, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from pipeline.predict.annotate import expression_colour
from pipeline.predict.prediction import Prediction
from pipeline.predict.tracked_video import VideoTrace

__all__ = ["plot"]

_WIDTH, _LEFT, _RIGHT, _TOP = 960, 60, 150, 40  # pixels
_PANEL, _BETWEEN = 150, 56
_MOST_PANELS = 20
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds between ticks
_MOST_TICKS = 12
_LEAST_PROBABILITY = 0.05  # an expression that never has as much of a person has no line


def plot(trace: VideoTrace) -> str:
    """The text of an SVG.

    A line joins the predictions of successive windows at their middles; it is interrupted where the person is away.
    There are panels of the 20 people with most predictions, in the order in which they appear; the others are counted.
    """
    rows: dict[int, list[Prediction]] = {}
    for track, row in trace.rows:
        rows.setdefault(track, []).append(row)
    chosen = sorted(sorted(rows, key=lambda track: -len(rows[track]))[:_MOST_PANELS])
    n_others = len(rows) - len(chosen)
    others = f" ({n_others} people with fewer predictions are not shown)" if n_others else ""
    end_s = max(trace.video.at_s, 1e-3)
    height = _TOP + len(chosen) * (_PANEL + _BETWEEN) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(_plain(trace.video.path.name))}{others}</text>',
    ]
    for i, track in enumerate(chosen):
        lines += _panel(
            rows[track], f"person {track}", _TOP + 16 + i * (_PANEL + _BETWEEN), end_s, trace.video.interval_s
        )
    return "\n".join([*lines, "</svg>", ""])


def _panel(rows: Sequence[Prediction], title: str, top: float, end_s: float, interval_s: float) -> Iterator[str]:
    yield f'<text x="{_LEFT}" y="{top - 6:.0f}" font-weight="bold">{title}</text>'
    yield from _grid(end_s, top)
    names = [
        name for name in rows[0].probabilities if max(row.probabilities[name] for row in rows) >= _LEAST_PROBABILITY
    ]
    parts = list(_parts(rows, interval_s))
    for position, name in enumerate(names):
        colour = "#{:02x}{:02x}{:02x}".format(*expression_colour(name))
        for part in parts:
            points = " ".join(
                f"{_x(at, end_s):.1f},{_y(row.probabilities[name], top):.1f}" for at, row in _points(part, interval_s)
            )
            yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        below = top + 12 + 16 * position
        yield f'<rect x="{_WIDTH - _RIGHT + 12}" y="{below - 6:.0f}" width="18" height="3" fill="{colour}"/>'
        yield f'<text x="{_WIDTH - _RIGHT + 36}" y="{below:.0f}">{escape(name)}</text>'


def _x(seconds: float, end_s: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(seconds / end_s, 1.0)


def _y(probability: float, top: float) -> float:
    return top + _PANEL * (1 - probability)


def _grid(end_s: float, top: float) -> Iterator[str]:
    right = _WIDTH - _RIGHT
    for share in (0.0, 0.5, 1.0):
        y = _y(share, top)
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#ccc"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
    step = next((step for step in _STEPS if end_s / step <= _MOST_TICKS), end_s / _MOST_TICKS)
    for i in range(int(end_s / step + 1e-6) + 1):
        x = _x(i * step, end_s)
        yield f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + _PANEL}" stroke="#eee"/>'
        yield f'<text x="{x:.1f}" y="{top + _PANEL + 16}" text-anchor="middle">{_time(i * step)}</text>'


def _time(seconds: float) -> str:
    """As 7.5 s, 12:05 or 1:02:00."""
    if seconds < 60:
        return f"{seconds:g} s" if seconds >= 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _parts(rows: Sequence[Prediction], interval_s: float) -> Iterator[list[Prediction]]:
    """Rows between two absences of a person."""
    part: list[Prediction] = []
    for row in rows:
        if part and _start(row) - _end(part[-1]) > 1.5 * interval_s:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _points(part: Sequence[Prediction], interval_s: float) -> list[tuple[float, Prediction]]:
    """Time and prediction: the middles; a single one is a line of its length."""
    if len(part) == 1:
        return [(_start(part[0]), part[0]), (max(_end(part[0]), _start(part[0]) + interval_s / 2), part[0])]
    return [((_start(row) + _end(row)) / 2, row) for row in part]


def _start(row: Prediction) -> float:
    return (row.seconds or 0.0) if row.start_s is None else row.start_s


def _end(row: Prediction) -> float:
    return (row.seconds or 0.0) if row.end_s is None else row.end_s


def _plain(name: str) -> str:
    """Without characters that no XML may have."""
    return "".join(letter if letter.isprintable() else "_" for letter in name)
