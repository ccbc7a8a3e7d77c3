"""How a set's texts are distributed, drawn, each with a sentence of what it means and what to change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from formats.manifest import SetSettings
from formats.sample import STATUSES
from pipeline.dashboard.charts import Axes, bar_chart
from pipeline.dashboard.survey import Survey

BARS = 30


@dataclass(frozen=True)
class Distribution:
    """A chart, what it means, and which setting to change."""

    title: str
    chart: Markup
    meaning: str
    advice: str


def distributions(measured: Survey, settings: SetSettings) -> list[Distribution]:
    """Return the distributions of a set, the most telling first."""
    return [
        _heights(measured, settings),
        _texts(measured),
        _aspects(measured),
        _outside(measured),
    ]


def _heights(measured: Survey, settings: SetSettings) -> Distribution:
    limit, canvas = settings.targets.min_size, settings.geometry.canvas
    learnable = np.isin(
        measured.status_T, [STATUSES.index(name) for name in ("care", "too_small", "empty_shrink")]
    )
    heights = measured.height_T[learnable & ~np.isnan(measured.height_T)]
    others = len(measured.height_T) - len(heights)
    verb = "is" if others == 1 else "are"
    lost = int((heights < limit).sum())
    share = lost / max(len(heights), 1)
    meaning = (
        f"On this canvas ({canvas[0]} x {canvas[1]}, height x width) {lost} of {len(heights)} texts, "
        f"{share:.1%}, are lower than targets.min_size ({limit:g} pixels)"
        + (" and are not learnt." if settings.targets.small_text == "ignore" else ".")
        + (f" {others} more {verb} don't-care or cannot be learnt whatever their size." if others else "")
    )
    if lost == 0 or not limit:
        advice = "No text is lost to its size: nothing to change."
    else:
        after = {scale: float((heights * scale < limit).mean()) for scale in (1.5, 2.0)}
        grown = ", ".join(
            f"{round(canvas[0] * scale)} x {round(canvas[1] * scale)} would leave {left:.1%}"
            for scale, left in after.items()
        )
        advice = f"A larger geometry.canvas keeps more ({grown}); a smaller targets.min_size learns them."
        if share < 0.02:
            advice = f"That is little. {advice}"
    edges = np.linspace(0.0, max(_high(heights), 2 * limit, 1.0), BARS + 1)
    if limit:
        # An edge at the limit, so that no bar is half lost.
        width = limit / max(1, round(limit / (edges[1] - edges[0])))
        edges = np.arange(0.0, edges[-1] + width, width)
    return Distribution(
        "Text height",
        _bars(heights, edges, "texts by height", "height on the canvas, pixels", "texts", limit or None),
        meaning,
        advice,
    )


def _texts(measured: Survey) -> Distribution:
    counts = measured.texts_N
    none = int((counts == 0).sum())
    high = int(counts.max(initial=1))
    step = max(1, -(-high // BARS))
    edges = np.arange(0, high + step + 1, step, dtype=np.float64)
    middle = float(np.median(counts)) if len(counts) else 0.0
    meaning = f"Half of the pages have more than {middle:g} texts; the fullest has {high}."
    meaning += f" {none} have none." if none else " None is empty."
    advice = (
        "Pages without text teach what no text is. If you expect text on them, look at their annotations."
        if none
        else "With many texts a page, training can cut pieces from it (data.stream.crop)."
    )
    return Distribution(
        "Texts per page", _bars(counts, edges, "pages by texts", "texts on a page", "pages"), meaning, advice
    )


def _aspects(measured: Survey) -> Distribution:
    aspects = measured.aspect_T[np.isfinite(measured.aspect_T)]
    wide = float((aspects > 10).mean()) if len(aspects) else 0.0
    edges = np.linspace(1.0, max(_high(aspects), 2.0), BARS + 1)
    meaning = f"{wide:.1%} of the texts are more than ten times as long as high."
    advice = (
        "Lines this long are cut by small crops: data.stream.crop should be as wide as most of them."
        if wide > 0.1
        else "Nothing to change: crops of the usual size hold such texts whole."
    )
    return Distribution(
        "Aspect", _bars(aspects, edges, "texts by aspect", "length over height", "texts"), meaning, advice
    )


def _outside(measured: Survey) -> Distribution:
    outside = measured.outside_T
    reaching = int((outside > 0).sum())
    pages = len(np.unique(measured.page_T[outside > 0]))
    far = int((outside > 0.5).sum())
    meaning = (
        f"{reaching} of {len(outside)} texts on {pages} of {len(measured.texts_N)} pages reach out of their "
        f"page; {far} lie for the most part outside."
    )
    advice = (
        "With so many, annotations and images do not fit: compare with geometry.exif=ignore, since turned "
        "images are the usual cause."
        if pages > 0.1 * max(len(measured.texts_N), 1)
        else "Nothing to change: what lies inside of the page is learnt."
    )
    chart = (
        _bars(
            outside[outside > 0],
            np.linspace(0, 1, 21),
            "texts by share out of the page",
            "share outside",
            "texts",
        )
        if reaching
        else Markup('<p class="faint">Every text lies within its page.</p>')
    )
    return Distribution("Out of the page", chart, meaning, advice)


def _bars(
    values: NDArray[np.floating] | NDArray[np.integer],
    edges: NDArray[np.float64],
    title: str,
    x: str,
    y: str,
    limit: float | None = None,
) -> Markup:
    """Return a histogram; what lies beyond the last edge counts in the last bar, which then says so."""
    clipped = np.clip(values.astype(np.float64), edges[0], np.nextafter(edges[-1], edges[0]))
    counts = np.histogram(clipped, edges)[0]
    beyond = bool((values > edges[-1]).any())
    axes = Axes(title, x, y, whole="xy" if np.issubdtype(values.dtype, np.integer) else "y")
    return bar_chart(edges.tolist(), counts.tolist(), axes, limit=limit, open_end=beyond)


def _high(values: NDArray[np.float64]) -> float:
    """Return where a chart ends: nearly all values are below, the few others count in the last bar."""
    return float(np.quantile(values, 0.995)) if len(values) else 1.0
