"""Decoded pages kept in memory, up to a limit, so that later epochs neither read nor decode them again.

A page that has found room stays. Epochs are permutations of the whole set, so a cache that made room for the
page of the moment would have dropped each page by the time it comes again; this one serves the share that
fits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from formats.sample import Bytes


@dataclass(frozen=True)
class Decoded:
    """A page as its shard holds it, decoded.

    Attributes:
        image_HWC: (H, W, 3) uint8 RGB.
        planes: its stored planes by name, as `formats.shards.ShardSet.planes` gives them.
    """

    image_HWC: Bytes
    planes: dict[str, Bytes]

    @property
    def bytes(self) -> int:
        """Size of the arrays."""
        return self.image_HWC.nbytes + sum(plane.nbytes for plane in self.planes.values())

    def copy(self) -> Decoded:
        """Return the page in memory of its own, which cannot be written."""
        copied = Decoded(self.image_HWC.copy(), {name: plane.copy() for name, plane in self.planes.items()})
        for array in (copied.image_HWC, *copied.planes.values()):
            array.setflags(write=False)
        return copied


class PageCache:
    """Pages by number; safe to use from many threads.

    Args:
        limit: bytes of decoded pages to keep, at most; 0 keeps none.

    Attributes:
        bytes: of the pages kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self._pages: dict[int, Decoded] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of pages kept."""
        return len(self._pages)

    def get(self, number: int) -> Decoded | None:
        """Return a page, None where it is not kept; its arrays are shared: read them only."""
        return self._pages.get(number)

    def offer(self, number: int, page: Decoded) -> None:
        """Keep a copy of a page where there is room for it."""
        size = page.bytes
        with self._lock:
            if number in self._pages or self.bytes + size > self.limit:
                return
            self.bytes += size
            self._pages[number] = page.copy()
