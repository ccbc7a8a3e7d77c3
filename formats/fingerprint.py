"""Fingerprints: canonical JSON (RFC 8785) under SHA-256, as named parts.

What can change a stored byte is in a part; host, paths, dates and worker counts are in none. A string says
how it was made: ``sha256-ts1:`` is scheme 1 of this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from formats.canonical_json import canonical

__all__ = ["PARTS", "SCHEME", "Fingerprint", "canonical", "digest", "digest_pairs", "sha256"]

SCHEME = "sha256-ts1"
PARTS = ("source", "geometry", "targets", "encoding", "layout")
OPTIONAL_PARTS = ("variants",)
"""Parts of sets that have such things; of others they are no part, so that older sets stay what they are."""
_quoted = json.JSONEncoder(ensure_ascii=False).encode


def digest(value: Any) -> str:
    """Return the fingerprint of a JSON value."""
    return f"{SCHEME}:{hashlib.sha256(canonical(value)).hexdigest()}"


def digest_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the fingerprint of many (name, digest) pairs, in order, without holding them as one text."""
    whole = hashlib.sha256()
    for name, value in pairs:
        # Of two texts this is the canonical JSON, much faster: there may be millions.
        whole.update(f"[{_quoted(name)},{_quoted(value)}]\n".encode())
    return f"{SCHEME}:{whole.hexdigest()}"


def sha256(data: bytes | memoryview) -> str:
    """Return the SHA-256 of plain bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Fingerprint:
    """The named parts of a set's fingerprint, each hashed alone so that a difference can be named."""

    parts: Mapping[str, str]

    def __post_init__(self) -> None:
        if set(self.parts) - set(OPTIONAL_PARTS) != set(PARTS):
            raise ValueError(f"a fingerprint has the parts {', '.join(PARTS)}, not {sorted(self.parts)}")

    @property
    def whole(self) -> str:
        """One string over all parts."""
        return digest(dict(self.parts))

    def differing(self, other: Fingerprint) -> tuple[str, ...]:
        """Name the parts in which two fingerprints differ."""
        return differing_parts(self.parts, other.parts)


def differing_parts(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[str, ...]:
    """Name the parts in which two sets differ, one that only one of them has among them."""
    return tuple(part for part in (*PARTS, *OPTIONAL_PARTS) if a.get(part) != b.get(part))
