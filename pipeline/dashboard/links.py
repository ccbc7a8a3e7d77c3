"""Where the pages lie: as addresses of the server, or as places in the one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import quote, urlencode


class Links(Protocol):
    """What templates ask for; an empty address means that what it is of is not to be had."""

    live: bool

    def to(self, *parts: str | int, **query: object) -> str:
        """Return the address of a page."""

    def picture(self, *parts: str | int) -> str:
        """Return the address of a picture."""


class ServerLinks:
    """Addresses of the server."""

    live = True

    def to(self, *parts: str | int, **query: object) -> str:
        """Return the address of a page, such as ``/set/sroie/samples?page=2``."""
        words = urlencode({name: value for name, value in query.items() if value not in (None, "")})
        return "/" + "/".join(quote(str(part), safe="") for part in parts) + (f"?{words}" if words else "")

    def picture(self, *parts: str | int) -> str:
        """Return the address of a picture."""
        return self.to(*parts)


class FileLinks:
    """Places in one file.

    Args:
        pages: the places that the file has.
        pictures: makes a picture's data URL, or none where the file leaves it out.
    """

    live = False

    def __init__(self, pages: Mapping[str, object], pictures: Callable[[tuple[str | int, ...]], str]) -> None:
        self._pages, self._pictures = pages, pictures

    def to(self, *parts: str | int, **query: object) -> str:
        """Return a place of the file; empty where it lacks the page."""
        place = place_of(*parts, **query)
        return f"#{place}" if place in self._pages else ""

    def picture(self, *parts: str | int) -> str:
        """Return a picture as a data URL."""
        return self._pictures(parts)


def place_of(*parts: str | int, **query: object) -> str:
    """Return the name of a page's place in the one file."""
    # What only sorts or turns a page leads to the same place.
    words = [str(query[name]) for name in ("a", "b") if query.get(name)]
    return "-".join(["p", *map(str, parts), *words])
