"""Charts as SVG drawn on the server: lines, bars, intervals, waterfalls. Templates call them as `charts.line(…)`.

Colours and strokes come from the style sheet by class, so a drawing fits both themes; geometry is in attributes:
the content security policy allows no inline style. Every drawing has a title that says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

_HEIGHT = 44
_WIDTH = 240


def line(values: Sequence[float | None], title: str, kind: str = "") -> Markup:
    """A small line over time; gaps stay gaps. kind: a class that colours it (good, warn, bad)."""
    known = [value for value in values if value is not None]
    top = max(known, default=0.0) or 1.0
    step = _WIDTH / max(1, len(values) - 1)
    paths, current = [], list[str]()
    for place, value in enumerate(values):
        if value is None:
            paths.append(current)
            current = []
        else:
            current.append(f"{place * step:.1f},{_y(value / top):.1f}")
    paths.append(current)
    drawn = Markup("").join(_stroke(points) for points in paths if points)
    return _svg(_WIDTH, _HEIGHT, title, drawn, f"line {kind}")


def bars(values: Sequence[float], title: str, kind: str = "") -> Markup:
    """Small bars over time, all from zero."""
    top = max(values, default=0.0) or 1.0
    wide = _WIDTH / max(1, len(values))
    drawn = Markup("").join(
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            place * wide + wide * 0.1, _y(value / top), max(0.6, wide * 0.8), max(0.0, (_HEIGHT - 4) * value / top)
        )
        for place, value in enumerate(values)
        if value > 0
    )
    base = Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"/>').format(_WIDTH, _HEIGHT - 1, _HEIGHT - 1)
    return _svg(_WIDTH, _HEIGHT, title, drawn + base, f"bars {kind}")


def interval(span: tuple[float, float, float], bar: float | None, title: str, kind: str = "") -> Markup:
    """A value with its interval against a bar, on a scale that holds all of them. span: (low, value, high)."""
    low, value, high = span
    places = [low, value, high] if bar is None else [low, value, high, bar]
    begin, end = min(places), max(places)
    if begin >= 0 and end <= 1:
        begin, end = max(0.0, begin - 0.05), min(1.0, end + 0.05)
    room = (end - begin) or 1.0

    def x(place: float) -> float:
        return 4 + (place - begin) / room * (_WIDTH - 8)

    drawn = Markup('<line class="axis" x1="0" x2="{}" y1="10" y2="10"/>').format(_WIDTH)
    drawn += Markup('<line class="range" x1="{:.1f}" x2="{:.1f}" y1="10" y2="10"/>').format(x(low), x(high))
    drawn += Markup('<circle cx="{:.1f}" cy="10" r="4"/>').format(x(value))
    if bar is not None:
        drawn += Markup('<line class="bar" x1="{0:.1f}" x2="{0:.1f}" y1="1" y2="19"/>').format(x(bar))
    return _svg(_WIDTH, 20, title, drawn, f"interval {kind}")


def meter(part: float, title: str, kind: str = "") -> Markup:
    """How much of a whole is used, 0 … 1 (more is drawn full)."""
    wide = max(0.0, min(1.0, part)) * _WIDTH
    drawn = Markup('<rect class="ground" width="{}" height="6" rx="3"/>').format(_WIDTH)
    drawn += Markup('<rect width="{:.1f}" height="6" rx="3"/>').format(wide)
    return _svg(_WIDTH, 6, title, drawn, f"meter {kind}")


def waterfall(start: float, took: float, whole: float, title: str, kind: str = "") -> Markup:
    """One stage's place in a request: where it began and how long it took, in any one unit."""
    room = whole or 1.0
    x = min(1.0, max(0.0, start / room)) * _WIDTH
    wide = max(1.5, min(_WIDTH - x, took / room * _WIDTH))
    drawn = Markup('<rect class="ground" width="{}" height="10"/>').format(_WIDTH)
    drawn += Markup('<rect x="{:.1f}" width="{:.1f}" height="10" rx="1"/>').format(min(x, _WIDTH - 1.5), wide)
    return _svg(_WIDTH, 10, title, drawn, f"waterfall {kind}")


def pair(before: float, now: float, top: float, title: str) -> Markup:
    """Two shares, one over the other: before and now."""
    room = top or 1.0
    drawn = Markup('<rect class="before" width="{:.1f}" height="7"/>').format(before / room * _WIDTH)
    drawn += Markup('<rect class="now" y="9" width="{:.1f}" height="7"/>').format(now / room * _WIDTH)
    return _svg(_WIDTH, 16, title, drawn, "pair")


def _y(part: float) -> float:
    return _HEIGHT - 2 - part * (_HEIGHT - 4)


def _stroke(points: Sequence[str]) -> Markup:
    if len(points) == 1:
        x, y = points[0].split(",")
        return Markup('<circle cx="{}" cy="{}" r="1.5"/>').format(x, y)
    return Markup('<polyline points="{}"/>').format(" ".join(points))


def _svg(width: int, height: int, title: str, drawn: Markup, kind: str) -> Markup:
    return Markup(
        '<svg class="chart {}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(escape(kind.strip()), width, height, title, drawn)
