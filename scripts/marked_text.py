"""The parts of a document that a script writes: between ``<!-- NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re

import click


def replace_marked(text: str, name: str, part: str) -> str:
    """Return a document with another text between the marks of that name."""
    start, end = re.escape(f"<!-- {name} -->\n"), re.escape("<!-- end -->")
    if len(re.findall(start, text)) != 1:
        raise click.ClickException(f"the document has no mark <!-- {name} -->, or has it twice")
    return re.sub(f"({start}).*?({end})", lambda found: f"{found[1]}{part}{found[2]}", text, flags=re.DOTALL)


def marked(text: str, name: str) -> str:
    """Return what stands between the marks of that name."""
    return text.partition(f"<!-- {name} -->\n")[2].partition("<!-- end -->")[0]
