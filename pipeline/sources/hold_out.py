"""Pages of a source's only split set aside as another, to validate on where a data set has no such split."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from pipeline.sources.record import Annotations
from pipeline.sources.settings import HELD_OUT


def hold_out(annotations: Annotations, share: float) -> Annotations:
    """Return the annotations with about that share of the pages in the split `val`.

    A page's key decides: it stays where it is whatever pages come and go.
    """
    if not share:
        return annotations
    records = [replace(row, split=HELD_OUT) if _lot(row.key) < share else row for row in annotations.records]
    rejected = [
        replace(row, split=HELD_OUT) if _lot(row.key) < share else row for row in annotations.rejected
    ]
    return Annotations(
        tuple(sorted(records, key=lambda row: (row.split, row.key))),
        tuple(sorted(rejected, key=lambda row: (row.split, row.key))),
    )


def _lot(key: str) -> float:
    """Return a number in [0, 1) for a key; apart from the hash by which plan.py deals pages out to shards."""
    return int.from_bytes(hashlib.sha256(b"hold_out\0" + key.encode()).digest()[:6]) / (1 << 48)
