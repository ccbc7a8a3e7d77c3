from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_site import Site, copy_site

from formats.errors import UsageError
from pipeline.config import load_config
from pipeline.dashboard.catalogue import CHECKING, Catalogue
from pipeline.existing import locked


def test_sets_and_runs_are_found_and_named(site: Site) -> None:
    found = site.catalogue()
    assert {name: path.name for name, path in found.sets().items()} == {"made": "made", "other": "other"}
    assert set(found.runs()) == {"good", "poor"}
    assert found.health("made").verdict == "valid"


def test_folders_of_one_name_are_told_apart(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    found = Catalogue([site.sets / "made", copied.sets / "made"], waits=True)
    assert [*found.sets()] == ["made", "made-2"]


def test_what_changes_on_disk_changes_here(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    found = copied.catalogue()
    before = found.opened("made").manifest.fingerprint
    copied.made.build("targets.min_size=2", "runtime.max_quarantined=0.5")
    assert found.opened("made").manifest.fingerprint != before
    (copied.runs / "good" / "metrics.jsonl").write_text("no json\n")
    assert set(found.runs()) == {"poor"} and "metrics.jsonl" in found.unread_runs()["good"]


def test_a_set_is_judged_against_the_configuration_that_is_named(site: Site) -> None:
    config = load_config(site.made.config, ["targets.min_size=5", "runtime.max_quarantined=0.5"])
    health = Catalogue([site.made.folder], config=config, waits=True).health("made")
    assert health.verdict == "stale" and health.validity.samples > 0
    assert any("targets.min_size" in why for why in health.validity.why)


def test_the_comparison_with_sources_is_made_beside(site: Site) -> None:
    found = Catalogue([site.made.folder])
    first = found.health("made")
    assert first.verdict == "valid" or first.validity.why == (CHECKING,)
    found.later._pool.submit(lambda: None).result(60)
    assert found.health("made").verdict == "valid"
    found.later.close()


def test_a_set_that_is_being_built_says_so(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    with locked(copied.made.folder):
        assert copied.catalogue().health("made").building


def test_what_is_not_there_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Catalogue([tmp_path])
    with pytest.raises(UsageError):
        Catalogue([site.sets], [tmp_path / "none"])
    for name in ("none", "../made", ""):
        with pytest.raises(UsageError):
            site.catalogue().folder(name)
        with pytest.raises(UsageError):
            site.catalogue().run(name)
