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


class PlainList(list[Any]):
    """A list that is written canonically as it stands: `canonical` does not look into it again."""


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value (RFC 8785: sorted keys, shortest numbers, UTF-8).

    Raises:
        rfc8785.CanonicalizationError: it holds something that JSON has no text for.
    """
    try:
        return to_json(_plain(value))
    except (_OutsideError, TypeError, PydanticSerializationError):  # of keys that are no texts, of surrogates
        return rfc8785.dumps(value)


def plain_lists(arrays: Sequence[NDArray[np.float64]]) -> list[list[Any]]:
    """Return float64 arrays (V, 2) as lists of pairs, as `tolist` does, for `canonical` to write.

    They are made plain all at once: lists of two numbers take long one by one. Where one of all the numbers
    takes an exponent, or has no text at all, they are ordinary lists.
    """
    if not arrays:
        return []
    numbers_N2 = np.concatenate(arrays)
    size_N2 = np.abs(numbers_N2)
    if not (((size_N2 >= _LEAST) & (size_N2 < _MOST)) | (size_N2 == 0)).all():
        return [array.tolist() for array in arrays]
    integral_N2 = numbers_N2 == np.rint(numbers_N2)
    plain_N2 = numbers_N2.astype(object)
    plain_N2[integral_N2] = numbers_N2[integral_N2].astype(np.int64)
    pairs = plain_N2.tolist()
    ends = accumulate(map(len, arrays), initial=0)
    return [PlainList(pairs[start:end]) for start, end in pairwise(ends)]


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
    elif kind is PlainList:
        return [*value]  # of a class of its own the serializer asks much before it takes it for a list
    elif kind is list or kind is tuple:
        return [_plain(item) for item in value]
    elif kind is dict and "".join(value).isascii():
        return {key: _plain(value[key]) for key in sorted(value)}
    raise _OutsideError
