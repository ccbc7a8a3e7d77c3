"""A comparison of runs as a page that stands alone: cautions, curves, tables."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from formats.pictures.palette import CYCLE, RULE, hex_of
from formats.runs.cautions import cautions
from formats.runs.diff import Comparison
from formats.runs.diff_text import Table, headline, hmean_names, tables
from formats.runs.record import RunRecord
from formats.storage import write_whole
from train.figures.curves import series
from train.figures.report import PAGE, STYLE

STYLES = ("-", "--", ":", "-.")
"""Of the lines of the first, second, ... setting: runs are told apart without colours, too."""


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the HTML file, whole or not at all; its folder is made where missing.

    Raises:
        OSError: it cannot be written.
    """
    title = f"{headline(comparison)}, compared"
    sections = [
        f"<h1>{escape(title)}</h1>",
        _cautions(comparison),
        _picture(comparison),
        *(_table(table) for table in tables(comparison)),
    ]
    if comparison.without_effect:
        sections.append(f"<p>Without effect: {escape(', '.join(comparison.without_effect))}</p>")
    path.parent.mkdir(parents=True, exist_ok=True)
    page = PAGE.format(title=escape(title), style=STYLE + OWN_STYLE, body="\n".join(filter(None, sections)))
    write_whole(path, page.encode())


def _cautions(comparison: Comparison) -> str:
    items = "".join(f"<li>{escape(caution.text)}</li>" for caution in cautions(comparison))
    return f'<div class="beware"><b>Beware</b><ul>{items}</ul></div>' if items else ""


def _table(table: Table) -> str:
    title = f"<h2>{escape(table.title.capitalize())}</h2>"
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    return (
        f'{title}<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _picture(comparison: Comparison) -> str:
    buffer = io.BytesIO()
    curves(comparison).savefig(buffer, format="png", metadata={"Software": None})
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    names = escape(", ".join(comparison.runs))
    caption = "loss and H-means over the optimizer steps; a colour a run, a kind of line a setting"
    return (
        f'<figure class="plot"><img src="{url}" alt="curves of {names}"><figcaption>{caption}</figcaption>'
        "</figure>"
    )


def curves(comparison: Comparison) -> Figure:
    """Return one picture of all runs: the training loss, and each H-mean of validation, over the steps.

    A colour a run, repeated after seven, and a kind of line a setting.
    """
    names = hmean_names(comparison)
    figure = Figure(figsize=(9.0, 3.2 + 2.4 * len(names)), dpi=110, layout="constrained", facecolor="white")
    panels = list(figure.subplots(1 + len(names), 1, sharex=True, squeeze=False)[:, 0])
    styles = {label: STYLES[n % 4] for n, setting in enumerate(comparison.settings) for label in setting.runs}
    for number, (label, record) in enumerate(comparison.runs.items()):
        look = {"color": hex_of(CYCLE[number % len(CYCLE)]), "linestyle": styles[label], "label": label}
        _draw(panels[0], record, "train", "loss", look)
        for axes, name in zip(panels[1:], names, strict=True):
            _draw(axes, record, "val", name, look | {"marker": "o", "markersize": "4"})
    for axes, name in zip(panels, ["loss", *names], strict=True):
        axes.set_ylabel(name)
        axes.grid(color=hex_of(RULE), linewidth=0.6, alpha=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    if panels[0].lines:
        panels[0].set_yscale("log")
        panels[0].yaxis.set_major_formatter("{x:g}")
        panels[0].yaxis.set_minor_formatter("{x:g}")
    panels[-1].set_xlabel("optimizer step")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", frameon=False, ncols=3)
    return figure


def _draw(axes: Axes, record: RunRecord, phase: str, name: str, look: dict[str, str]) -> None:
    line = series(record.records, phase, name)
    axes.plot(line.steps_N, line.values_N, linewidth=1.5, **look)  # type: ignore[arg-type]


OWN_STYLE = """
.beware { border-left: 4px solid #e69f00; background: var(--card); padding: .6rem 1rem; margin: 1rem 0 }
.beware ul { margin: .3rem 0 0; padding-left: 1.2rem }
.plot { max-width: 900px }
"""
