"""Numbers in sentences."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun, in the plural (with an s, if not told) unless it is one: `0 shards`."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
