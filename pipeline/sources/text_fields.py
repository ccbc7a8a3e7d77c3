"""Fields of a line of annotation text: which of them are numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

# nan and inf count as numbers, so that they are refused as coordinates rather than taken for a transcription.
_NUMBER = re.compile(
    r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf))\s*", re.I
)
_PLAIN = re.compile(r"[0-9.+ -]*")
"""Of these characters `float` takes just what `_NUMBER` does."""


def plain_numbers(fields: Sequence[str]) -> Sequence[float] | None:
    """Return all fields as numbers; None where one is none, or is written as few people write it."""
    digits = "".join(fields)
    with suppress(ValueError):  # an empty field, two signs, more digits than an integer may have
        if digits.isascii() and digits.isdigit():
            return list(map(int, fields))  # twice as fast as `float`
        if _PLAIN.fullmatch(digits):
            return list(map(float, fields))
    return None


def leading_numbers(fields: Sequence[str]) -> list[float]:
    """Return the numbers that the fields begin with, up to the first field that is none."""
    if _PLAIN.fullmatch("".join(fields)):
        with suppress(ValueError):
            return list(map(float, fields))
    numbers = []
    for field in fields:
        match = _NUMBER.fullmatch(field)
        if match is None:
            break
        numbers.append(float(match.group(1)))
    return numbers
