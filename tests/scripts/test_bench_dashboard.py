"""The measurement of the dashboard, once, on a few pages; and the pictures of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from built_set import built_set
from made_run_folder import made_run_folder
from PIL import Image
from real_browser import PHONE, missing

SCRIPTS = Path(__file__).parents[2] / "scripts"
pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no browser: {missing()}")


def command(script: str, *words: object) -> str:
    said = [sys.executable, str(SCRIPTS / script), *map(str, words)]
    done = subprocess.run(said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_page_is_measured_in_a_browser(tmp_path: Path) -> None:
    made = built_set(tmp_path)
    found = json.loads(command("bench_dashboard", made.folder, "--samples", 60, "--runs", 3, "--json"))
    pages = {page["page"]: page for page in found["pages"]}
    assert len(pages) == 9
    assert all(0 < page["paint_s"] < 60 and page["page_mb"] > 1 for page in pages.values())
    listed = pages["/set/many/samples"]
    # 48 on a page; those out of sight are left.
    assert listed["pictures"] == 48 and 0 < listed["fetched"] <= 48


def test_pictures_of_every_page_are_made(tmp_path: Path) -> None:
    made = built_set(tmp_path)
    made_run_folder(tmp_path / "runs" / "a")
    words = ["--runs", tmp_path / "runs", "--look", "phone", "--out", tmp_path / "shots"]
    command("show_dashboard", made.folder, *words)
    names = {path.name for path in (tmp_path / "shots").iterdir()}
    kinds = ("sets", "set", "pages", "page", "distributions", "runs", "run")
    assert names == {f"{kind}-phone.png" for kind in kinds}
    with Image.open(tmp_path / "shots" / "page-phone.png") as picture:
        assert picture.size == PHONE
