"""Numbers in sentences."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless it is one: `1 shard`, `0 shards`."""
    return f"{count} {noun}{'s' * (count != 1)}"
