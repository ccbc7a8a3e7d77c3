"""What is known of a set's health: one record for the terminal, for JSON and for a page to be made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from formats.checks.problems import Problem
from formats.checks.verified import Verification
from pipeline.building import BuildProgress

Verdict = Literal["valid", "stale", "damaged", "unchecked", "no set"]


@dataclass(frozen=True)
class StoredBytes:
    """Where a set's bytes lie.

    Attributes:
        image, maps, meta: what these members of all samples take.
        container: what their containers add: headers, padding, indexes.
        manifests: the set's manifest and those of its shards.
    """

    image: int
    maps: int
    meta: int
    container: int
    manifests: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.image + self.maps + self.meta + self.container + self.manifests


@dataclass(frozen=True)
class Contents:
    """What a set holds, by its manifests.

    Attributes:
        fingerprint: the set's.
        samples: number of samples: pages as they are.
        splits: number of samples by split.
        variants: number of distorted variants of them.
        shards: number of shards, those of variants among them.
        bytes: where its bytes lie; of shards whose manifest can be read.
        image_ratio: bytes of the pages as decoded (3 a pixel of the canvas) over bytes stored; None where
            there are none.
        maps_ratio: bytes of the four maps as decoded (4 a pixel) over bytes stored.
        quarantined: number of samples that could not be used, by reason; what differs from sample to sample
            in a reason stands as "...".
        built: when it was last built, UTC, as in ``2026-11-23T04:10:00Z``; None where it is not recorded.
        age_s: seconds since then.
    """

    fingerprint: str
    samples: int
    splits: Mapping[str, int]
    variants: int
    shards: int
    bytes: StoredBytes
    image_ratio: float | None
    maps_ratio: float | None
    quarantined: Mapping[str, int]
    built: str | None
    age_s: float | None


@dataclass(frozen=True)
class RecordedValidity:
    """Whether a set is what its recorded configuration and its source files would give now.

    Attributes:
        valid: None where that could not be told, or was not asked.
        why: why it is stale, or why it could not be told; a reason an entry.
        shards, samples, bytes: what a build would make again.
        seconds: how long that would take at the recorded pace; None where there is none.
        command: the command that builds it.
    """

    valid: bool | None
    why: tuple[str, ...] = ()
    shards: int = 0
    samples: int = 0
    bytes: int = 0
    seconds: float | None = None
    command: str = ""


@dataclass(frozen=True)
class Orphan:
    """A file or folder that no manifest names, and its size."""

    path: str
    bytes: int


@dataclass(frozen=True)
class SetHealth:
    """The state of a set.

    Attributes:
        folder: the set's folder.
        fault: why there is no set to judge, in lines, where there is none; the next four are then empty.
        contents: what it holds.
        validity: whether it is up to date.
        problems: files that are missing, of another size, or at odds with the set's manifest.
        orphans: what `python -m pipeline.clean` would remove.
        verified: the last `python -m formats.verify`; None where none is noted.
        verified_current: whether it looked at the manifest that the set has now.
        building: who is building it now; None where nobody is.
        progress: how far that build has come, once it renders.
        disk_free, disk_total: bytes of the file system it lies on; None in object storage.
    """

    folder: str
    fault: str | None
    contents: Contents | None
    validity: RecordedValidity
    problems: tuple[Problem, ...]
    orphans: tuple[Orphan, ...]
    verified: Verification | None
    verified_current: bool
    building: str | None
    progress: BuildProgress | None
    disk_free: int | None
    disk_total: int | None

    @property
    def verdict(self) -> Verdict:
        """The state in a word."""
        if self.fault is not None:
            return "no set"
        if self.problems or self._found_damaged():
            return "damaged"
        if self.validity.valid is None:
            return "unchecked"
        return "valid" if self.validity.valid else "stale"

    def _found_damaged(self) -> bool:
        found = self.verified.problems if self.verified is not None and self.verified_current else {}
        return any(kind != "extra" for kind in found)

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to mend, as far as was looked."""
        return self.verdict in ("valid", "unchecked")

    def as_json(self) -> dict[str, Any]:
        """Return the record as docs/format.md describes it."""
        return {"verdict": self.verdict, "healthy": self.healthy, **asdict(self)}
