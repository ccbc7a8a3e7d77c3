"""Templates to HTML: the words and numbers of a page in the form people read them."""

from __future__ import annotations

import json
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from formats.pictures import palette
from formats.wording import counted
from pipeline.dashboard.catalogue import CHECKING
from pipeline.dashboard.links import Links
from pipeline.health_text import age_text, moment_text, outcome_text, problem_text, progress_text, size_text

Values = dict[str, Any]
"""What fills a template, by name."""
VERDICTS = {
    "valid": ("ok", "✓"),
    "unchecked": ("unsure", "?"),
    "stale": ("bad", "↻"),
    "damaged": ("bad", "✕"),
    "no set": ("bad", "✕"),
    "building": ("busy", "…"),
    "checking": ("busy", "…"),
}


class Pages:
    """The templates, ready to be filled.

    Args:
        links: where pages lie.
    """

    def __init__(self, links: Links) -> None:
        self._env = Environment(
            loader=PackageLoader("pipeline.dashboard"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals |= {
            "links": links,
            "progress_text": progress_text,
            "problem_text": problem_text,
            "outcome_text": outcome_text,
            "plural": counted,
            "verdicts": VERDICTS,
            "checking": CHECKING,
        }
        self._env.filters |= {
            "size": size_text,
            "age": age_text,
            "moment": moment_text,
            "value": value_text,
            "breaks": with_breaks,
            "ratio": lambda ratio: "" if ratio is None else f"{ratio:.{0 if ratio >= 10 else 1}f}:1",
        }

    def page(self, template: str, values: Values, *, layout: str = "page.html") -> str:
        """Return a page: whole, or under the layout "part.html" what stands in its middle."""
        return self._env.get_template(template).render(**values, layout=layout)

    def style(self) -> str:
        """Return the style sheet, in the colours of formats/pictures/palette.py."""
        names = [name for name, value in vars(palette).items() if name.isupper() and isinstance(value, tuple)]
        single = {name: value for name in names if isinstance((value := getattr(palette, name))[0], int)}
        colors = {name.lower(): palette.hex_of(color) for name, color in single.items()}
        return self._env.get_template("style.css").render(colors=colors)

    def script(self) -> Markup:
        """Return the script."""
        source, _, _ = self._env.loader.get_source(self._env, "script.js")  # type: ignore[union-attr]
        return Markup(source)


def with_breaks(text: str, after: str = "/") -> Markup:
    """Return a key, a path or a name in which a line may end after some characters, not within a word."""
    return Markup(re.sub(f"([{re.escape(after)}]+)", r"\1<wbr>", str(escape(text))))


def value_text(value: Any) -> str:
    """Return a setting's value as people write it."""
    return value if isinstance(value, str) else "absent" if value is None else json.dumps(value)
