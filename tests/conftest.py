"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Continuous integration tries the same examples each time; searching for new ones is for people's machines.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

DATA = Path(os.environ.get("TEXTSHARDS_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real receipts and scene text; tests that need them skip by name where they are absent."""
    if not DATA.is_dir():
        pytest.skip(f"real pages absent: set TEXTSHARDS_DATA (looked in {DATA})")
    return DATA
