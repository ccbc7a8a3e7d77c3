"""From an image's path in an annotation to a key and a file that never lies outside the source root."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from formats.places import Place, name_below
from formats.remote_path import RemotePath
from pipeline.sources.record import UnusableError

MAX_LENGTH = 1024
"""Characters of an image's path; systems open no longer ones than 4,096 bytes."""
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class ImagePath:
    """Where an image lies: its path below the root as spelled, and its key (the same in NFC)."""

    spelled: str
    key: str


class Inside:
    """Folders known to lie below a root whatever links lead to them, each resolved once for all files in it.

    To be kept for as long as one source is read, and no longer: who moves a folder meanwhile is not noticed.
    """

    def __init__(self, root: Place) -> None:
        self._root = root if isinstance(root, Path) else None
        self._folders: dict[str, bool] = {}

    def holds(self, file: str) -> bool:
        """Tell whether a file is a regular one, no link itself, in a folder below the root.

        False says nothing: such a file is to be looked at closely, for what is wrong with it if anything is.
        """
        if self._root is None:
            return False
        above, slash, _ = file.rpartition("/")
        folder = above or slash or "."
        try:
            if folder not in self._folders:
                self._folders[folder] = Path(folder).resolve(strict=True).is_relative_to(self._root)
            return self._folders[folder] and stat.S_ISREG(os.lstat(file).st_mode)
        except (OSError, ValueError, RuntimeError):
            return False


def image_path(folder: str, written: str, only_name: bool = False) -> ImagePath:
    """Return the path below the root of an image written in an annotation; touches no disk.

    Backslashes count as separators; `.` and `..` are resolved by their text, so that the key and the file
    opened are the same whatever links the folders hold.

    Args:
        folder: the folder that `written` is relative to, relative to the root.
        written: the path in the annotation.
        only_name: drop the folders of `written`.

    Raises:
        UnusableError: no name, control characters or broken Unicode in it, absolute, or it leaves the root.
    """
    path = written.replace("\\", "/")
    if only_name:
        path = path.rsplit("/", 1)[-1]
    if has_controls(path):
        raise UnusableError(f"expected an image path, found one with control characters: {written[:200]!a}")
    if len(path) > MAX_LENGTH:
        raise UnusableError(f"expected an image path, found one of {len(path)} characters: {written[:60]!r}")
    if path.startswith("/") or _DRIVE.match(path):
        raise UnusableError(
            f"expected an image path below the source root, found an absolute one: {written!r}"
        )
    spelled = posixpath.normpath(posixpath.join(folder, path) if folder else path)
    if not path or path.endswith("/") or spelled == ".":
        raise UnusableError(f"expected an image path, found {written!r}")
    if spelled == ".." or spelled.startswith(("/", "../")):
        raise UnusableError(
            f"expected an image path below the source root, found one that leaves it: {written!r}"
        )
    return ImagePath(spelled, unicodedata.normalize("NFC", spelled))


def has_controls(text: str) -> bool:
    """Tell whether a text holds control characters or lone surrogates."""
    # Neither is printable; to ask for that first spares a look at each character of nearly every name.
    return not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


def locate(root: Place, path: ImagePath, within: Inside | None = None) -> Place:
    """Return the file of an image path: as spelled, or else in NFC or NFD (file systems differ).

    Args:
        root: the source root, resolved.
        path: what `image_path` returned.
        within: what is known of the root's folders.

    Raises:
        UnusableError: there is no such file, or it is reached over a link that leaves the root.
    """
    if within is not None and within.holds(f"{root}/{path.spelled}"):
        return root / path.spelled
    for spelled in (path.spelled, path.key, unicodedata.normalize("NFD", path.spelled)):
        file = root / spelled
        try:
            if not file.is_file():
                continue
            inside = isinstance(root, RemotePath) or _leads_into(file, root)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "a circle of links"
            raise UnusableError(f"image {path.key!r} cannot be opened: {reason}") from None
        if not inside:
            raise UnusableError(f"image {path.key!r} is a link that leaves the source root")
        return file
    raise UnusableError(f"image {path.key!r} does not exist below the source root")


def _leads_into(file: Place, root: Path) -> bool:
    return isinstance(file, Path) and file.resolve(strict=True).is_relative_to(root)


def check_file(root: Place, file: Place, within: Inside | None = None) -> None:
    """Check that an annotation file is one, and that no link below the root leads out of it.

    Args:
        root: the source root, resolved.
        file: the annotation file.
        within: what is known of the root's folders.

    Raises:
        UnusableError: a folder, a pipe, a device, a circle of links, or a link that leaves the root. What the
            configuration itself places outside the root is believed.
    """
    if isinstance(file, RemotePath):
        if not file.is_file():
            raise UnusableError(f"cannot be read: {os.strerror(errno.ENOENT)}")
        return
    if within is not None and within.holds(str(file)):
        return
    root = root if isinstance(root, Path) else Path(os.devnull)
    try:
        leaves = not file.resolve(strict=True).is_relative_to(root.resolve())
        regular = file.is_file()
    except (OSError, RuntimeError) as error:
        raise UnusableError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    below = Path(os.path.abspath(file)).is_relative_to(os.path.abspath(root))  # noqa: PTH100
    if not regular:
        raise UnusableError("expected a file, found a folder, a pipe or a device")
    if leaves and below:
        raise UnusableError("expected a file, found a link that leaves the source root")


def relative_name(root: Place, file: Place) -> str:
    """Return a file's path relative to the root, for messages: the same wherever the root lies."""
    if isinstance(root, Path) and isinstance(file, Path):
        start, name = f"{root}/", str(file)
        if name.startswith(start) and ".." not in name:
            return printable(name[len(start) :])
        return printable(Path(os.path.relpath(file, root)).as_posix())
    below = isinstance(file, RemotePath) and file.is_relative_to(root)
    return printable(name_below(file, root) if below else str(file))


def printable(name: str, limit: int = 300) -> str:
    """Return a name that can stand in a message, a JSON file and a key, whatever it was made of."""
    text = name[:limit]
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    shown = "".join(c if unicodedata.category(c) != "Cc" else ascii(c)[1:-1] for c in text)
    return unicodedata.normalize("NFC", shown)
