"""Addresses without what opens them: no user, password or signed query reaches an error or a log."""

from __future__ import annotations

import re

_USER = re.compile(r"(?<=://)[^/\s@'\"]*@")
_QUERY = re.compile(r"(://[^\s?'\"]*)\?[^\s'\"]*")
HIDDEN = "***"


def redacted(text: str) -> str:
    """Return a text in which every URL has lost its user, its password and its query."""
    return _QUERY.sub(rf"\1?{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


def holds_secret(url: str) -> bool:
    """Tell whether a URL carries a user, a password or a query: what may open what it names."""
    return redacted(url) != url
