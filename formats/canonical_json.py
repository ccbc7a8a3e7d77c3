"""Canonical JSON (RFC 8785), fast where the standard library's encoder gives the same text.

A page's polygons are thousands of numbers, over which a plain Python serializer takes longer than the
renderer over the page. Of nearly every value `json` writes the canonical text once integral floats are
integers: the shortest digits that read back are the same, and the same characters are escaped.
What remains goes to `rfc8785`: floats that ECMAScript writes with other exponents than Python, keys outside
ASCII (sorted by UTF-16 there), and all that has no canonical text, for its errors.
"""

from __future__ import annotations

import json
from typing import Any

import rfc8785

_SAFE = 2**53 - 1
_LEAST, _MOST = 1e-4, 1e15
"""Between them, and at 0, Python and ECMAScript write floats without an exponent."""
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value (RFC 8785: sorted keys, shortest numbers, UTF-8).

    Raises:
        rfc8785.CanonicalizationError: it holds something that JSON has no text for.
    """
    try:
        return _encode(_plain(value)).encode()
    except (_OutsideError, UnicodeEncodeError):
        return rfc8785.dumps(value)


class _OutsideError(Exception):
    """Something that `json` may write in another way than RFC 8785 wants."""


def _plain(value: Any) -> Any:
    """Return a value that `json` writes canonically, or raise."""
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
    elif kind is dict and all(type(key) is str and key.isascii() for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise _OutsideError
