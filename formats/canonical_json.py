"""Canonical JSON (RFC 8785), fast where a common serializer gives the same text.

A page's polygons are thousands of numbers, over which a plain Python serializer takes longer than the
renderer over the page. Of nearly every value pydantic's serializer writes the canonical text once integral
floats are integers and keys are sorted: the shortest digits that read back are the same, and the same
characters are escaped. (So does `json`, whose numbers take six times as long.)
What remains goes to `rfc8785`: floats that ECMAScript writes with other exponents, keys outside ASCII (sorted
by UTF-16 there), and all that has no canonical text, for its errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray
from pydantic_core import PydanticSerializationError, to_json

_SAFE = 2**53 - 1
_LEAST, _MOST = 1e-4, 1e15
"""Between them, and at 0, floats are written without an exponent, here and by ECMAScript."""


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value (RFC 8785: sorted keys, shortest numbers, UTF-8).

    Raises:
        rfc8785.CanonicalizationError: it holds something that JSON has no text for.
    """
    try:
        return to_json(_plain(value))
    except (_OutsideError, TypeError, PydanticSerializationError):  # of keys that are no texts, of surrogates
        return rfc8785.dumps(value)


def canonical_points(arrays: Sequence[NDArray[np.float64]]) -> list[bytes]:
    """Return the canonical texts of float64 arrays (V, 2), as `canonical` gives them of their lists.

    All numbers are written at once, and split; where one of them takes an exponent, or has no text at all,
    each array by itself.
    """
    if not arrays:
        return []
    numbers_N2 = np.concatenate(arrays) + 0.0  # -0 is written 0
    size_N2 = np.abs(numbers_N2)
    if not (((size_N2 >= _LEAST) & (size_N2 < _MOST)) | (size_N2 == 0)).all():
        return [canonical(array_V2.tolist()) for array_V2 in arrays]
    integral_as_integers = to_json(numbers_N2.tolist()).replace(b".0,", b",").replace(b".0]", b"]")
    pairs = integral_as_integers[2:-2].split(b"],[")
    bounds = pairwise(accumulate(map(len, arrays), initial=0))
    return [b"[[%b]]" % b"],[".join(pairs[start:end]) if start < end else b"[]" for start, end in bounds]


class _OutsideError(Exception):
    """Something that may be written in another way than RFC 8785 wants."""


def _plain(value: Any) -> Any:
    """Return a value that is written canonically, or raise."""
    kind = type(value)
    if kind is float:
        if value == (whole := int(value) if -_MOST < value < _MOST else None):
            return whole
        if _LEAST <= value < _MOST or -_MOST < value <= -_LEAST:
            return value
    elif kind is str or value is None or kind is bool or (kind is int and -_SAFE <= value <= _SAFE):
        return value
    elif kind is list or kind is tuple:
        return [_plain(item) for item in value]
    elif kind is dict and "".join(value).isascii():
        return {key: _plain(value[key]) for key in sorted(value)}
    raise _OutsideError
