"""A page of results that stands alone: one HTML file, pictures inside, nothing fetched, no script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from formats.pictures.palette import Color, hex_of
from formats.sample import Bytes
from formats.storage import write_whole
from train.figures.overlay import MEANINGS

PICTURE_SIDES = (1200, 900)
"""Height and width in pixels that a row's picture may take at most; larger ones are made smaller."""
JPEG_QUALITY = 85

Value = str | int | float


@dataclass(frozen=True)
class ReportRow:
    """One page of the report.

    Attributes:
        key: what the page is called.
        score: 0..1; the page with the least stands first.
        values: further columns of the table, by name; floats are shown with three decimals.
        picture_HWC: (H, W, 3) uint8 RGB.
        note: a sentence under the picture, if there is something to say.
    """

    key: str
    score: float
    values: Mapping[str, Value]
    picture_HWC: Bytes
    note: str = ""


def write_report(
    path: Path,
    title: str,
    summary: Mapping[str, Value],
    rows: Sequence[ReportRow],
    *,
    intro: str = "",
    score_name: str = "H-mean",
    plots: Mapping[str, Path] | None = None,
    legend: Sequence[tuple[str, Color]] = MEANINGS,
) -> None:
    """Write a self-contained HTML page: figures of the whole, plots, a table, and the pages, worst first.

    Args:
        path: of the HTML file; written whole or not at all.
        title: heading.
        summary: the figures of the whole, by name.
        rows: the pages, in any order.
        intro: a paragraph under the heading.
        score_name: what `ReportRow.score` is called.
        plots: PNG files to show, by caption.
        legend: what the colours in the pictures mean.

    Raises:
        OSError: a plot cannot be read, or the page not be written.
    """
    worst_first = sorted(rows, key=lambda row: (row.score, row.key))
    sections = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(intro)}</p>" if intro else "",
        _figures(summary),
        *(_plot(caption, file) for caption, file in (plots or {}).items()),
        *([_legend(legend), _pictures(worst_first, score_name)] if rows else []),
        *([_table(worst_first, score_name)] if rows else []),
    ]
    page = PAGE.format(title=escape(title), style=STYLE, body="\n".join(filter(None, sections)))
    write_whole(path, page.encode("utf-8"))


def _figures(summary: Mapping[str, Value]) -> str:
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(_shown(value))}</dd></div>"
        for name, value in summary.items()
    )
    return f'<dl class="figures">{tiles}</dl>' if tiles else ""


def _plot(caption: str, file: Path) -> str:
    image = f'<img src="{_data_url(file.read_bytes(), "png")}" alt="{escape(caption)}">'
    return f'<figure class="plot">{image}<figcaption>{escape(caption)}</figcaption></figure>'


def _legend(legend: Sequence[tuple[str, Color]]) -> str:
    entries = "".join(
        f'<li><span style="background:{hex_of(color)}"></span>{escape(label)}</li>' for label, color in legend
    )
    return f'<h2>Pages, worst first</h2><ul class="legend">{entries}</ul>'


def _pictures(rows: Sequence[ReportRow], score_name: str) -> str:
    return f'<div class="pages">{"".join(_picture(n, row, score_name) for n, row in enumerate(rows))}</div>'


def _picture(number: int, row: ReportRow, score_name: str) -> str:
    small_HWC = _fitted(row.picture_HWC)
    height, width = small_HWC.shape[:2]
    url = _data_url(simplejpeg.encode_jpeg(small_HWC, JPEG_QUALITY), "jpeg")
    image = f'<img src="{url}" width="{width}" height="{height}" alt="{escape(row.key)}" loading="lazy">'
    note = f"<p>{escape(row.note)}</p>" if row.note else ""
    facts = f"<b>{escape(row.key)}</b> {escape(score_name)} {row.score:.3f}"
    return f'<figure id="page-{number}">{image}<figcaption>{facts}{note}</figcaption></figure>'


def _table(rows: Sequence[ReportRow], score_name: str) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("page", score_name, *columns))
    body = "".join(_table_row(number, row, columns) for number, row in enumerate(rows))
    return (
        f'<h2>All pages</h2><div class="table"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _table_row(number: int, row: ReportRow, columns: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(_shown(row.values.get(name, '')))}</td>" for name in columns)
    link = f'<a href="#page-{number}">{escape(row.key)}</a>'
    return f'<tr><th scope="row">{link}</th><td>{row.score:.3f}</td>{cells}</tr>'


def _shown(value: Value) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _fitted(image_HWC: Bytes) -> Bytes:
    """Return the picture, made smaller if it is larger than a picture may be."""
    height, width = image_HWC.shape[:2]
    scale = min(PICTURE_SIDES[0] / height, PICTURE_SIDES[1] / width)
    if scale >= 1.0:
        return np.ascontiguousarray(image_HWC)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image_HWC).resize(size, Image.Resampling.LANCZOS))


def _data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --back: #fafafa; --card: #fff; --ink: #222; --faint: #666; --line: #ddd;
  --link: #0072b2 }
@media (prefers-color-scheme: dark) {
  :root { --back: #15181c; --card: #1f242a; --ink: #e8e8e8; --faint: #a0a6ad; --line: #353b43;
    --link: #56b4e9 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 1200px; margin: 0 auto; padding: 1.5rem 1rem 4rem }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem }
p { margin: 0 0 1rem; max-width: 70ch }
a { color: var(--link) }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .7rem;
  margin: 1rem 0 }
.figures div, figure { background: var(--card); border: 1px solid var(--line); border-radius: 8px }
.figures div { padding: .6rem .8rem }
dt { color: var(--faint); font-size: .85rem }
dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
figure { margin: 0; overflow: hidden }
figure img { display: block; width: 100%; height: auto; background: #fff }
figcaption { padding: .5rem .8rem; color: var(--faint); font-size: .9rem; overflow-wrap: anywhere }
figcaption b { color: var(--ink) }
figcaption p { margin: .2rem 0 0 }
.plot { max-width: 760px; margin: 1rem 0 }
.pages { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1rem;
  align-items: start }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; list-style: none; margin: 0 0 1rem; padding: 0 }
.legend span { display: inline-block; width: 1.4em; height: .8em; margin-right: .5em; border-radius: 2px }
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--card) }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th:first-child { text-align: left }
tbody th { font-weight: normal }
tbody tr:last-child > * { border-bottom: 0 }
"""
