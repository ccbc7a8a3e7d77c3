"""Values that take long, made one after another beside the pages that show them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Value = TypeVar("Value")


class Later:
    """A memory of values, each kept until the stamp of what it was made of is another.

    Args:
        waits: make values at once instead of in a thread of its own.
    """

    def __init__(self, *, waits: bool = False) -> None:
        self._waits = waits
        self._known: dict[Hashable, tuple[Hashable, Any]] = {}
        self._asked: set[tuple[Hashable, Hashable]] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dashboard")

    def ask(self, name: Hashable, stamp: Hashable, make: Callable[[], Value]) -> Value | None:
        """Return a value; None while it is not made yet, or where making it failed."""
        with self._lock:
            known = self._known.get(name)
            if known is not None and known[0] == stamp:
                found: Value | None = known[1]
                return found
            if not self._waits:
                if (name, stamp) not in self._asked:
                    self._asked.add((name, stamp))
                    self._pool.submit(self._make, name, stamp, make)
                return None
        return self._make(name, stamp, make)

    def now(self, name: Hashable, stamp: Hashable, make: Callable[[], Value]) -> Value:
        """Return a value, made at once where it is not known; what making it raises is raised."""
        with self._lock:
            known = self._known.get(name)
        if known is None or known[0] != stamp:
            known = (stamp, make())
            with self._lock:
                self._known[name] = known
        value: Value = known[1]
        return value

    def _make(self, name: Hashable, stamp: Hashable, make: Callable[[], Value]) -> Value | None:
        value: Value | None = None
        try:
            value = make()
        except Exception:  # what a page shows of it is that it is not there; the thread must go on
            value = None
        with self._lock:
            self._known[name] = (stamp, value)
            self._asked.discard((name, stamp))
        return value

    def close(self) -> None:
        """Let go of the thread; what it has not begun is left."""
        self._pool.shutdown(wait=False, cancel_futures=True)
