"""When a set was last verified and what came of it: a note beside its manifest that decides nothing."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from formats.checks.problems import VerifyReport
from formats.errors import DamageError, SetError, StorageError
from formats.fingerprint import sha256
from formats.manifest import SET_MANIFEST
from formats.manifest_files import load_set_manifest
from formats.places import Place
from formats.storage import write_whole

VERIFIED = ".verified.json"
TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Verification:
    """A verification that was done.

    Attributes:
        time: when it began, UTC, as in ``2026-11-23T04:10:00Z``.
        deep: whether every sample was decoded.
        problems: number of problems found, by kind; empty where there were none.
        fingerprint: the set's; None where its manifest could not be read.
        manifest: SHA-256 of the set's manifest that was verified.
    """

    time: str
    deep: bool
    problems: Mapping[str, int]
    fingerprint: str | None
    manifest: str

    def current(self, folder: Place) -> bool:
        """Tell whether the set's manifest is still the one that was verified."""
        return self.manifest == sha256(manifest_bytes(folder))


def manifest_bytes(folder: Place) -> bytes:
    """Return the bytes of a set's manifest, none where it cannot be read."""
    with suppress(OSError, DamageError):
        return (folder / SET_MANIFEST).read_bytes()
    return b""


def note_verification(folder: Place, report: VerifyReport, manifest: bytes, began: float) -> None:
    """Write down a verification in the set's folder; where that cannot be written to, it stays unwritten.

    Args:
        folder: the set's folder.
        report: what was found.
        manifest: the set's manifest as it was before: it may have been replaced meanwhile.
        began: when, in seconds since the epoch.
    """
    try:
        fingerprint = load_set_manifest(manifest, SET_MANIFEST).fingerprint
    except SetError:
        fingerprint = None
    done = Verification(
        time=time.strftime(TIME, time.gmtime(began)),
        deep=report.deep,
        problems=dict(Counter(problem.kind for problem in report.problems)),
        fingerprint=fingerprint,
        manifest=sha256(manifest),
    )
    with suppress(OSError, StorageError):
        write_whole(folder / VERIFIED, json.dumps(asdict(done)).encode() + b"\n")


def last_verification(folder: Place) -> Verification | None:
    """Return the last verification that was written down in a set's folder; None where there is none."""
    try:
        record: Any = json.loads((folder / VERIFIED).read_bytes())
        done = Verification(**record)
        time.strptime(done.time, TIME)
        sum(done.problems.values())
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return done
