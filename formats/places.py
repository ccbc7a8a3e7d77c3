"""Where sets and sources lie: a folder on a disk, or a prefix in object storage.

`place` turns a word of a command line into one or the other. A folder is a plain `Path`, as fast as ever; the
other is a `formats.remote_path.RemotePath`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator

from formats.errors import UsageError
from formats.redaction import holds_secret, redacted
from formats.remote_path import RemotePath

_STORAGE = re.compile(r"(s3a?|gc?s|az|abfss?):(/*)")
"""How the address of an object begins: its scheme, and slashes, of which it has two."""

Place: TypeAlias = Path | RemotePath


def user_cache() -> Path:
    """Return the folder for what this user's machine keeps to save time, by the XDG specification."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "textshards"


def is_url(text: str) -> bool:
    """Tell whether a place is a URL and no path."""
    return "://" in text


def place(text: str | Path | RemotePath) -> Place:
    """Return the place that a word of a command line or a configuration names.

    Raises:
        UsageError: a URL without a bucket, or with a slash too few; one with a user, a password or a signed
            query: such words end in records and logs.
    """
    if isinstance(text, str):
        _check_address(text)
    if not isinstance(text, str) or not is_url(text):
        return text if isinstance(text, RemotePath) else Path(text)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    if holds_secret(text):
        raise UsageError(
            redacted(text),
            expected="an address without keys in it",
            found="a user, a password or a query",
            next_step="give keys by environment or profile (docs/storage.md)",
        )
    return RemotePath(text)


def _check_address(text: str) -> None:
    found = _STORAGE.match(text)
    if found is None:
        return
    scheme, slashes, rest = found[1], found[2], text[found.end() :]
    if not rest or len(slashes) < 2:
        raise UsageError(
            redacted(text),
            expected=f"{scheme}://bucket/prefix",
            found="a slash too few" if rest else "no bucket",
            next_step=f"write {scheme}://{rest}" if rest else "name a bucket",
        )


def below(root: Place, name: str) -> Place:
    """Return a place that a configuration names: a URL, an absolute path, or one below a root."""
    if is_url(name):
        return place(name)
    return Path(name) if Path(name).is_absolute() else root / name


def name_below(path: Place, folder: Place) -> str:
    """Return a path below a folder, with forward slashes.

    Raises:
        ValueError: it does not lie below.
    """
    if isinstance(path, Path) and isinstance(folder, Path):
        return path.relative_to(folder).as_posix()
    if isinstance(path, RemotePath) and isinstance(folder, RemotePath):
        return path.relative_to(folder).as_posix()
    raise ValueError(f"{path} is not below {folder}")


def _validated(value: Any) -> Place:
    if not isinstance(value, str | Path | RemotePath):
        raise ValueError("Input is not a valid path or URL")
    try:
        return place(value)
    except UsageError as error:
        raise ValueError(f"{error.thing}: {error.found}; expected {error.expected}") from None


PlaceField = Annotated[Path | RemotePath, PlainValidator(_validated), PlainSerializer(str)]
"""A place in a pydantic model."""


def local_path(text: str) -> Path:
    """Return a path of this machine; `~` at its beginning is the home folder, if there is one."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # of a user that is none
        return Path(text)
