from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from built_set import snapshot
from dashboard_site import Site, copy_site
from starlette.testclient import TestClient

from formats.errors import UsageError
from pipeline.dashboard.catalogue import Catalogue
from pipeline.dashboard.server import make_app, serve


def client(catalogue: Catalogue) -> TestClient:
    return TestClient(make_app(catalogue, "127.0.0.1"), base_url="http://127.0.0.1")


@pytest.fixture
def pages(site: Site) -> TestClient:
    return client(site.catalogue())


PAGES = {
    "/": ["made", "other", "valid", "2 sets, 2 runs"],
    "/set/made": [
        "train/page_6.jpg",
        "targets.shrink_ratio",
        "best H-mean 0.9000 at step 20",
        "Bytes by part",
    ],
    "/set/made/samples?q=page_2": ["1 page with", "train/<wbr>page_2.jpg"],
    "/set/made/samples?sort=hmean&run=good": ["worst H-mean", "H-mean 0.000"],
    "/set/made/sample/0": ["probability map", "word 0", "found by good", "too small"],
    "/set/made/distributions": ["are lower than targets.min_size", "Texts per page"],
    "/diff?a=made&b=other": ["targets.shrink_ratio", "0.4", "0.5", "pages to render", "different"],
    "/diff?a=made&b=made": ["same"],
    "/diff": ["Choose two sets"],
    "/runs": ["0.9000", "0.3000", "good"],
    "/run/good": ["same fingerprint", "Worst pages", "Scores of validation"],
    "/run/poor": ["It kept no pages"],
    "/compare?run=good&run=poor": ["Runs side by side", "H-mean, best", "data wait", "good", "poor"],
    "/compare": ["Choose at least two runs"],
}


@pytest.mark.parametrize(("address", "words"), PAGES.items(), ids=PAGES)
def test_pages_show_what_they_are_of(pages: TestClient, address: str, words: list[str]) -> None:
    answer = pages.get(address)
    assert answer.status_code == 200
    assert [word for word in words if word not in answer.text] == []
    assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text), "something of another host"


@pytest.mark.parametrize(
    "address",
    [
        "/set/none", "/set/..%2f..%2fetc", "/set/made/sample/99", "/set/made/thumb/99.jpg", "/run/none",
        "/set/made/layer/0/none.png", "/set/made/quarantined/9.jpg", "/diff?a=made&b=none", "/nowhere",
        "/set/made/sample/-1", "/..%2f..%2fetc%2fpasswd", "/set/made/page/0.jpg/x",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_without_a_traceback(pages: TestClient, address: str) -> None:
    answer = pages.get(address)
    assert answer.status_code in (404, 409)
    assert "Traceback" not in answer.text and "<h1>" in answer.text


def test_names_that_are_markup_are_shown_as_they_are(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    config = copied.runs / "poor" / "config.yaml"
    config.write_text(config.read_text().replace("seed: 42", "seed: 42\nodd: '<script>alert(1)</script>'"))
    answer = client(copied.catalogue()).get("/run/poor")
    assert "&lt;script&gt;alert(1)" in answer.text and "<script>alert" not in answer.text


def test_a_damaged_set_is_told_and_the_others_are_still_there(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    shard = copied.made.shard_files(".tar")[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    pages = client(copied.catalogue())
    overview = pages.get("/").text
    assert "damaged" in overview and "valid" in overview
    assert f"damaged: shards/<wbr>{shard.name.replace('-', '-<wbr>')}: expected" in overview
    assert shard.name in pages.get("/set/made").text
    assert pages.get("/set/made/samples").status_code == 409
    assert pages.get("/run/good").status_code == 200
    (copied.made.folder / "manifest.json").write_text("{}")
    pages = client(copied.catalogue())
    assert "no set" in pages.get("/").text
    for page in ("/set/other", "/diff"):
        assert "b=made" not in pages.get(page).text and "<option>made" not in pages.get(page).text
    assert pages.get("/set/made").status_code == pages.get("/run/good").status_code == 200


def test_runs_are_of_sets_by_fingerprint(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    shutil.copytree(copied.made.folder, copied.sets / "twin")
    pages = client(copied.catalogue())
    told = re.sub(r"</?a[^>]*>", "", pages.get("/run/good").text)
    assert "a set of the same fingerprint as made, twin." in told
    assert "None of the 2 runs found." in pages.get("/set/other").text
    alone = client(Catalogue([copied.sets], waits=True)).get("/set/other").text
    assert "No runs were found: name their folder with" in alone


def test_what_colours_mean_stands_above_the_page(pages: TestClient) -> None:
    text = pages.get("/set/made/sample/0").text
    assert 0 < text.index("texts missed") < text.index('class="stage"')


def test_a_folder_without_a_manifest_says_why_in_lines(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    (copied.made.folder / "manifest.json").unlink()
    pages = client(copied.catalogue())
    for page in ("/", "/set/made"):
        assert re.search(r"<p>\s*found:\s+an unfinished build</p>", pages.get(page).text)


def test_a_run_of_another_set_says_so(site: Site) -> None:
    pages = client(Catalogue([site.sets / "other"], [site.runs], waits=True))
    assert "nearest is other, which differs in targets" in pages.get("/run/good").text


def test_the_real_command_serves_and_touches_nothing(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    before = snapshot(copied.sets)
    words = [
        sys.executable,
        "-m",
        "pipeline.health",
        copied.sets,
        "--runs",
        copied.runs,
        "--serve",
        "--port",
        "0",
    ]
    with subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address is not None, line
        try:
            for path in ("", "set/made/sample/0", "set/made/thumb/0.jpg", "set/made/distributions"):
                with urlopen(address[0] + path, timeout=60) as answer:
                    assert answer.status == 200
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(30) in (0, 130)
    assert snapshot(copied.sets) == before


def test_an_address_in_use_is_told(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="address"):
            serve(site.catalogue(), "127.0.0.1", taken.getsockname()[1], None)


def test_a_quarantined_page_that_no_one_can_read_has_a_tile(pages: TestClient) -> None:
    answer = pages.get("/set/made/quarantined/0.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
