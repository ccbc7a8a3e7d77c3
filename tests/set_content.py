"""What of a set's folder a build must reproduce to the byte."""

from __future__ import annotations

from pathlib import Path

VOLATILE = {"provenance.json", ".stat-cache.json", ".lock", ".verified.json"}


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a set's folder but those that may differ, by path."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in VOLATILE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
