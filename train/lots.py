"""Lots that anybody can draw again: random orders that depend on nothing but the words they are drawn for.

They come from Philox (Salmon et al., SC 2011), whose raw output NumPy keeps the same from version to version;
it makes no such promise for its shuffles.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from formats.fingerprint import canonical

Numbers = NDArray[np.int64]


def random_key(*parts: str | int) -> int:
    """Return 128 bits that depend on nothing but the parts: the key of a counter-based generator."""
    text = canonical([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text).digest()[:16], "little")


def permutation(count: int, *parts: str | int) -> Numbers:
    """Return the numbers 0..count-1 in an order that depends on nothing but the parts."""
    random = np.random.Philox(key=random_key(*parts)).random_raw(count)
    return np.argsort(random, kind="stable").astype(np.int64)
