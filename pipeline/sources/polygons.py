"""Polygon text with any number of vertices, `x1,y1,...,xn,yn,text`: Total-Text as DB's data sets lay it out.

Where the coordinates end is ambiguous, for a text may be a number or hold commas. The rule:

1. The last field always belongs to the text; unless in no line of the file there is a text (every field of
   every line is a number and each line has an even number of them): then the file has coordinates alone.
2. The coordinates are the numbers that the other fields begin with, in pairs; an odd one left over belongs to
   the text, with all that follows.

So `...,1966` is a text, and `...,53200, KUALA LUMPUR` too; only a text that begins with two numbers of its
own ("1,234,567") is read wrongly, and no rule could tell it from a vertex.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.sources.pairs import read_pairs
from pipeline.sources.reading import text_lines
from pipeline.sources.record import Entry, SourceText, UnusableError
from pipeline.sources.settings import SourceSettings
from pipeline.sources.text_fields import leading_numbers
from pipeline.sources.values import flat_polygon, make_text, shown


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split; see pairs.read_pairs."""
    return read_pairs(settings, split, lambda data: parse_texts(data, settings.dont_care))


def parse_texts(data: bytes, dont_care: tuple[str, ...]) -> tuple[SourceText, ...]:
    """Parse the bytes of one annotation file.

    Raises:
        UnusableError: with the line that does not begin with coordinates.
    """
    lines = [(number, line.split(",")) for number, line in text_lines(data)]
    has_texts = any(len(fields) % 2 or len(leading_numbers(fields)) < len(fields) for _, fields in lines)
    texts = []
    for number, fields in lines:
        try:
            texts.append(_parse_fields(fields, has_texts, dont_care))
        except UnusableError as error:
            raise UnusableError(error.reason, number) from None
    return tuple(texts)


def _parse_fields(fields: list[str], has_texts: bool, dont_care: tuple[str, ...]) -> SourceText:
    numbers = leading_numbers(fields[:-1] if has_texts else fields)
    count = len(numbers) // 2 * 2
    rest = fields[count:]
    # Fewer than three points are a known oddity of Total-Text, but only where nothing is wrong with the line.
    if count < 2 or (count < 6 and len(rest) > 1):
        raise UnusableError(f"expected x1,y1,...,xn,yn,text, found {shown(','.join(fields))}")
    return make_text(flat_polygon(numbers[:count], "polygon"), ",".join(rest) if rest else None, dont_care)
