"""Charts as SVG: lines and bars that take their colours from the page, and say what they show in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from pipeline.dashboard.ticks import apart, log_ticks, step_of, ticks

WIDTH, HEIGHT = 640, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 22, 44
_ROOM = 110
"""What the number under the last bar takes, at the size of letters on a phone."""
MOST_POINTS = 400
"""Of a line: more of them are thinned out, since a screen cannot show them."""
MARKED_POINTS = 40
"""Of a line: so few are marked one by one, so that each can be pointed at."""
COLORS = 7


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, and its points; a y that is None is a gap."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float | None]


@dataclass(frozen=True)
class Axes:
    """What stands along a chart's axes.

    Attributes:
        title: what the chart shows, for who cannot see it.
        x, y: what is along them.
        low, high: of y; None for as far as the values go.
        log: whether y is logarithmic.
        whole: which axes count something: "x", "y" or both; nothing between two whole numbers stands there.
    """

    title: str
    x: str
    y: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: str = ""


def line_chart(lines: Sequence[Line], axes: Axes, *, points: bool = False) -> Markup:
    """Return a chart of lines, each in a colour and a pattern of its own, in the page's order.

    Args:
        lines: what to draw.
        axes: what stands along the axes.
        points: mark each point, however many; pointing at one tells its values.
    """
    known = [(x, y) for line in lines for x, y in zip(line.xs, line.ys, strict=True) if _shown(y, axes)]
    if not known:
        return Markup('<p class="faint">Nothing recorded yet.</p>')
    xs, ys = [x for x, _ in known], [y for _, y in known if y is not None]
    low = min(ys) if axes.low is None else axes.low
    high = max(ys) if axes.high is None else axes.high
    frame = _Frame(min(xs), max(xs), *apart(low, high), axes.log)
    drawn = [frame.grid(axes)]
    for number, line in enumerate(lines):
        kept = _thinned([(x, y) for x, y in zip(line.xs, line.ys, strict=True) if _shown(y, axes)])
        places = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in kept if y is not None)
        drawn.append(f'<polyline class="line c{number % COLORS}" points="{places}"/>')
        if points or len(kept) <= MARKED_POINTS:
            drawn += [
                f'<circle class="dot c{number % COLORS}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.5">'
                f"<title>{escape(line.label)}: {_number(y)} at {escape(axes.x)} {_number(x)}</title></circle>"
                for x, y in kept
                if y is not None
            ]
    return _svg(drawn, axes) + legend([_with_last(line, axes) for line in lines])


def _with_last(line: Line, axes: Axes) -> str:
    known = [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if _shown(y, axes)]
    if not known:
        return f"{line.label}: nothing yet"
    x, y = known[-1]
    return f"{line.label}: {_number(y)} at {_number(x)}" if y is not None else line.label


def bar_chart(
    edges: Sequence[float],
    counts: Sequence[int],
    axes: Axes,
    *,
    limit: float | None = None,
    open_end: bool = False,
) -> Markup:
    """Return a histogram; bars left of `limit` are in the colour of what is lost, and a line stands there.

    Args:
        edges: of the bars, one more than there are counts.
        counts: what falls between two edges.
        axes: what stands along the axes.
        limit: where what is lost ends.
        open_end: the last bar is of all that lies beyond its left edge; it is drawn and named as that.
    """
    most = max(max(counts, default=0), 1)
    step = step_of(most, 5, whole=True)
    frame = _Frame(edges[0], edges[-1], 0.0, step * math.ceil(most / step), False)
    drawn = [frame.grid(axes, beyond=edges[-2] if open_end else None)]
    for number, (left, right, count) in enumerate(zip(edges[:-1], edges[1:], counts, strict=True), 1):
        more = open_end and number == len(counts)
        lost = limit is not None and right <= limit + 1e-9
        x, top = frame.x(left), frame.y(count)
        drawn.append(
            f'<rect class="bar{" lost" * lost}{" more" * more}" x="{x + 0.5:.1f}" y="{top:.1f}" '
            f'width="{max(frame.x(right) - x - 1, 0.5):.1f}" height="{frame.y(0) - top:.1f}">'
            f"<title>{_number(left)} {'or more' if more else f'to {_number(right)}'}: {count}</title></rect>"
        )
    if limit is not None and edges[0] <= limit <= edges[-1]:
        at = frame.x(limit)
        drawn.append(f'<line class="limit" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
    return _svg(drawn, axes)


def share_bar(parts: Sequence[tuple[str, float]], title: str) -> Markup:
    """Return a bar cut into parts by their shares; `parts` are names and amounts."""
    whole, left, drawn = sum(amount for _, amount in parts) or 1.0, 0.0, []
    for number, (name, amount) in enumerate(parts):
        width = 100.0 * amount / whole
        drawn.append(
            f'<rect class="fill c{number % COLORS}" x="{left:.2f}" y="0" width="{width:.2f}" height="10">'
            f"<title>{escape(name)}: {width:.1f} %</title></rect>"
        )
        left += width
    return Markup(
        f'<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    )


def legend(labels: Sequence[str]) -> Markup:
    """Return names beside the colour and pattern of their lines."""
    entries = "".join(
        f'<li><svg viewBox="0 0 28 8" aria-hidden="true"><line class="line c{number % COLORS}" '
        f'x1="0" x2="28" y1="4" y2="4"/></svg>{escape(label)}</li>'
        for number, label in enumerate(labels)
    )
    return Markup(f'<ul class="legend">{entries}</ul>')


class _Frame:
    """Where values come to lie in a chart."""

    def __init__(self, x0: float, x1: float, y0: float, y1: float, log: bool) -> None:
        self._x0, self._x1 = x0, x1 if x1 > x0 else x0 + 1
        self._log = log
        low, high = (math.log10(y0), math.log10(y1)) if log else (y0, y1)
        self._y0, self._y1 = low, high if high > low else low + 1

    def x(self, value: float) -> float:
        return _LEFT + (value - self._x0) / (self._x1 - self._x0) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        height = math.log10(value) if self._log else value
        return HEIGHT - _BOTTOM - (height - self._y0) / (self._y1 - self._y0) * (HEIGHT - _TOP - _BOTTOM)

    def grid(self, axes: Axes, *, beyond: float | None = None) -> str:
        """Return lines, numbers and titles of the axes; from `beyond` on, x has one number for all."""
        values = ticks(self._y0, self._y1, whole="y" in axes.whole)
        if self._log:
            values = log_ticks(10**self._y0, 10**self._y1)
        marks = [(self.x(v), _number(v)) for v in ticks(self._x0, self._x1, 7, whole="x" in axes.whole)]
        if beyond is not None:
            marks = [(x, text) for x, text in marks if x < WIDTH - _ROOM]
        rows = "".join(
            f'<path class="rule" d="M{_LEFT} {self.y(v):.1f}H{WIDTH - _RIGHT}"/>'
            f'<text x="{_LEFT - 8}" y="{self.y(v) + 4:.1f}" text-anchor="end">{_number(v)}</text>'
            for v in values
        )
        columns = "".join(
            f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 17}" text-anchor="middle">{text}</text>'
            for x, text in marks
        )
        if beyond is not None:
            columns += (
                f'<text x="{WIDTH - 2}" y="{HEIGHT - _BOTTOM + 17}" text-anchor="end">≥ {beyond:.3g}</text>'
            )
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        return (
            f'{rows}{columns}<text class="axis" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">'
            f'{escape(axes.x)}</text><text class="axis" x="{_LEFT}" y="14">{escape(axes.y)}</text>'
        )


def _svg(drawn: Sequence[str], axes: Axes) -> Markup:
    title = escape(axes.title)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"{''.join(drawn)}</svg>"
    )


def _shown(value: float | None, axes: Axes) -> bool:
    return value is not None and math.isfinite(value) and (not axes.log or value > 0)


def _thinned(points: list[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    step = -(-len(points) // MOST_POINTS) or 1
    return points[:-1:step] + points[-1:]


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.3g}"
