"""Which files a pattern such as `train/*.json` means, on a disk or in object storage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path, PurePosixPath

from formats.places import Place, name_below
from formats.remote_path import RemotePath

WILD = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Tell whether a name has wildcards."""
    return not WILD.isdisjoint(name)


def matching(root: Place, pattern: str, in_folder: str = "*") -> list[Place]:
    """Return the files that match a pattern, sorted, hidden ones left out; `**` does not follow links.

    Args:
        root: what the pattern is relative to, unless it is absolute.
        pattern: or a folder's name.
        in_folder: which files a folder's name means.

    Raises:
        OSError, ValueError, LookupError: no pattern, or it cannot be followed.
    """
    if isinstance(root, RemotePath):
        return _matching_objects(root, pattern, in_folder)
    folder = root / pattern
    if folder.is_dir():
        return sorted(_shown(folder.glob(in_folder)))
    start = Path(folder.anchor if Path(pattern).is_absolute() else root)
    return sorted(_shown(start.glob(str(Path(pattern).relative_to(Path(pattern).anchor)))))


def _matching_objects(root: RemotePath, pattern: str, in_folder: str) -> list[Place]:
    """Return the objects that a pattern or a prefix means; the listing begins where it has no wildcard."""
    parts = PurePosixPath(pattern).parts
    plain = list(takewhile(lambda part: not is_pattern(part), parts))
    start = root / "/".join(plain) if plain else root
    folder = len(plain) == len(parts)
    found = (path for path in start.rglob(in_folder if folder else "*") if not folder or path.parent == start)
    wanted = re.compile(_expression(parts))
    return sorted(path for path in _shown(found) if folder or wanted.fullmatch(str(name_below(path, root))))


def _expression(parts: tuple[str, ...]) -> str:
    """Return a glob pattern as a regular expression: `**` is any number of folders, `*` holds no `/`."""
    words = []
    for part in parts:
        if part == "**":
            words.append("(?:[^/]+/)*")
            continue
        pieces = re.findall(r"\*|\?|\[!?[^\]]*\]|[^*?\[]+|\[", part)
        wild = {"*": "[^/]*", "?": "[^/]"}
        words.append(
            "".join(
                wild.get(p) or (p.replace("[!", "[^") if len(p) > 1 and p[0] == "[" else re.escape(p))
                for p in pieces
            )
        )
        words.append("/")
    return "".join(words).removesuffix("/")


def _shown(files: Iterable[Place]) -> Iterator[Place]:
    return (file for file in files if not file.name.startswith("."))
