from __future__ import annotations

import pytest
from dashboard_site import Site, make_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two sets and two runs; not to be changed."""
    return make_site(tmp_path_factory.mktemp("site"))
