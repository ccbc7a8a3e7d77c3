"""Fields of a line of annotation text: which of them are numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

# nan and inf count as numbers, so that they are refused as coordinates rather than taken for a transcription.
_NUMBER = re.compile(
    r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf))\s*", re.I
)


def leading_numbers(fields: Sequence[str]) -> list[float]:
    """Return the numbers that the fields begin with, up to the first field that is none."""
    numbers = []
    for field in fields:
        match = _NUMBER.fullmatch(field)
        if match is None:
            break
        numbers.append(float(match.group(1)))
    return numbers
