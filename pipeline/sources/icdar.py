"""ICDAR 2015 and SROIE text (`x1,y1,...,x4,y4,text`) and ICDAR 2013 text (`x1,y1,x2,y2,"text"`).

Robust Reading Competition, tasks 4.1 (2015), 2.1 (2013) and SROIE task 1. The text is all that follows the
numbers, commas included; it may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.sources.pairs import read_pairs
from pipeline.sources.reading import text_lines
from pipeline.sources.record import Entry, SourceText, UnusableError
from pipeline.sources.settings import SourceSettings
from pipeline.sources.text_fields import leading_numbers, plain_numbers
from pipeline.sources.values import box_polygon, coordinate, flat_polygon, make_text, plain_polygons, shown


def read(settings: SourceSettings, split: str) -> Iterator[Entry]:
    """Yield the entries of one split; see pairs.read_pairs."""
    return read_pairs(settings, split, lambda data: parse_texts(data, settings.dont_care))


def parse_texts(data: bytes, dont_care: tuple[str, ...]) -> tuple[SourceText, ...]:
    """Parse the bytes of one annotation file.

    Raises:
        UnusableError: with the line that is neither of the two forms.
    """
    lines = list(text_lines(data))
    if (quadrilaterals := _quadrilaterals([line for _, line in lines], dont_care)) is not None:
        return quadrilaterals
    texts = []
    for number, line in lines:
        try:
            texts.append(parse_line(line, dont_care))
        except UnusableError as error:
            raise UnusableError(error.reason, number) from None
    return tuple(texts)


def _quadrilaterals(lines: list[str], dont_care: tuple[str, ...]) -> tuple[SourceText, ...] | None:
    """Return what `parse_line` makes of each line, at once; None where one is no plain quadrilateral."""
    rows = [line.split(",", maxsplit=8) for line in lines]
    if any(len(row) < 8 for row in rows):
        return None
    fields: list[str] = []
    for row in rows:
        fields += row[:8]
    numbers = plain_numbers(fields)
    polygons_N42 = None if numbers is None else plain_polygons(numbers, 4)
    if polygons_N42 is None:
        return None
    pairs = zip(polygons_N42, rows, strict=True)
    return tuple([make_text(polygon, row[8] if len(row) > 8 else None, dont_care) for polygon, row in pairs])


def parse_line(line: str, dont_care: tuple[str, ...]) -> SourceText:
    """Parse one line, a quadrilateral or a box.

    A line is a quadrilateral if it begins with eight numbers. Otherwise it is a box if it begins with four
    numbers, and what follows is nothing, a quoted text, one field, or two or three fields of which the first
    is no number; where blanks or tabs separate the numbers, as many fields as the text has words: a damaged
    quadrilateral is thus refused, not taken for a box. Commas separate numbers, or blanks and tabs.

    Raises:
        UnusableError: the line has neither form.
    """
    for fields in (line.split(",", maxsplit=8), line.split(maxsplit=8)):
        numbers = leading_numbers(fields[:8])
        if len(numbers) == 8:
            text = fields[8] if len(fields) > 8 else None
            return make_text(flat_polygon(numbers, "polygon"), text, dont_care)
    for comma in (",", None):
        parts = line.split(comma, maxsplit=4)
        numbers = leading_numbers(parts[:4])
        if len(numbers) == 4 and _ends_as_box(parts[4:], comma):
            x1, y1, x2, y2 = (coordinate(number, "box") for number in numbers)
            text = _unquoted(parts[4]) if len(parts) > 4 else None
            return make_text(box_polygon(x1, y1, x2, y2), text, dont_care)
    raise UnusableError(f"expected 8 numbers and a text, or 4 numbers and a quoted text, found {shown(line)}")


def _ends_as_box(rest: list[str], comma: str | None) -> bool:
    """Tell whether what follows four numbers is a box's text; `comma` separates fields, None: blanks do."""
    fields = rest[0].split(comma) if rest else []
    if len(fields) < 2 or rest[0].lstrip().startswith('"'):
        return True
    return (comma is None or len(fields) < 4) and not leading_numbers(fields[:1])


def _unquoted(text: str) -> str:
    stripped = text.strip()
    if len(stripped) >= 2 and stripped[0] == stripped[-1] == '"':
        return stripped[1:-1].replace('\\"', '"')
    return text
