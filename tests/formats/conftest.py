"""Small sets in every encoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from encoded_sets import ENCODINGS, MadeSet, write_set

from formats.spec import EncodingSpec


@pytest.fixture(
    scope="session", params=ENCODINGS, ids=lambda spec: f"{spec.container}-{spec.maps}-{spec.image}"
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeSet:
    """A set in each encoding; not to be changed."""
    return write_set(tmp_path_factory.mktemp("made"), request.param)


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[..., MadeSet]:
    """Make a set of this test's own: ``fresh("tar")``, ``fresh("zarr", maps="planes")``."""

    def make(container: str, name: str = "set", **fields: Any) -> MadeSet:
        more = {field: fields.pop(field) for field in ("samples", "samples_per_shard") if field in fields}
        return write_set(tmp_path / name, EncodingSpec(container=container, **fields), **more)

    return make
