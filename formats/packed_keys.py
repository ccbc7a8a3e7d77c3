"""The keys of a shard in two blocks of memory instead of a Python string each.

A million keys of 40 characters take 48 MB so, and 97 MB as strings. And processes that were forked go on
sharing them: whoever reads a Python string changes its reference count, which copies the page of memory it
lies on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np


class PackedKeys(Sequence[str]):
    """Strings that cannot be changed, made anew each time one is asked for.

    Args:
        keys: the strings.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        encoded = [key.encode("utf-8", "surrogatepass") for key in keys]
        self._text = b"".join(encoded)
        self._starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"key {place} of {len(self)}")
        number = place % len(self)
        return self._text[self._starts[number] : self._starts[number + 1]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the keys take."""
        return len(self._text) + self._starts.nbytes
