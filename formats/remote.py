"""Manifests of a set on a web server, fetched into a scratch folder as they are asked for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote
from urllib.request import urlopen

from formats.errors import SetError
from formats.manifest import PROVENANCE, SET_MANIFEST
from formats.redaction import redacted
from formats.storage import inside

SECONDS = 30
LARGEST = 1 << 30
"""No manifest is larger; what is, is not fetched to its end."""


class RemoteSet:
    """The manifests of a set that a web server gives, by http or https; for object storage see places.py.

    Args:
        url: of the set's folder, or of its manifest.
        scratch: an empty folder that takes what is fetched.

    Raises:
        SetError: there is no manifest to be had.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        folder, _, last = url.rpartition("/")
        named = last.endswith(".json")
        self.base = folder if named else url.rstrip("/")
        self.manifest = unquote(last) if named else SET_MANIFEST
        """The name of the set's manifest."""
        self.folder = scratch
        self.fetch(self.manifest)
        if self.manifest == SET_MANIFEST:
            with suppress(SetError):  # a set without provenance is complete
                self.fetch(PROVENANCE)

    def fetch(self, name: str) -> None:
        """Fetch a file by its path in the set's folder, unless it was fetched before.

        Raises:
            SetError: it cannot be had.
        """
        path = inside(self.folder, name)
        if path.exists():
            return
        url = f"{self.base}/{quote(name)}"
        try:
            data = _read(url)
        except HTTPError as error:
            error.close()  # it holds the connection
            raise _absent(url, str(error)) from None
        except URLError as error:
            raise _absent(url, str(error.reason)) from None
        except (OSError, ValueError) as error:
            raise _absent(url, str(error) or type(error).__name__) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _absent(url: str, found: str) -> SetError:
    return SetError(
        redacted(url),
        expected="a file of a set, as its manifest names it",
        found=found,
        next_step="check the address, and that the server lets you read it",
    )


def _read(url: str) -> bytes:
    with urlopen(url, timeout=SECONDS) as answer:
        data: bytes = answer.read(LARGEST)
        return data
