"""A file that the system refuses to show, made up: to root, whom tests may run as, it refuses nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def refuse_reading(monkeypatch: pytest.MonkeyPatch, victim: Path) -> None:
    """Have every opening of one file end as one does that its permissions forbid."""
    opening = Path.open

    def refused(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == victim:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(victim))
        return opening(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
