"""Sets at a URL are compared as sets in a folder are, by a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from encoded_sets import ENCODINGS, write_set

from formats.diff import compare_paths
from formats.errors import SetError
from formats.manifest import PROVENANCE, SET_MANIFEST
from formats.remote import RemoteSet


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    (tmp_path / "served").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path / "served", f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_url_is_compared_as_its_folder_is(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    here = write_set(tmp_path / "here", ENCODINGS[0])
    write_set(folder / "there", ENCODINGS[0], samples=here.samples[1:])
    by_path = compare_paths(here.folder, folder / "there")
    assert by_path.diff.samples is not None
    assert by_path.diff.samples.removed == (here.samples[0].meta.key,)
    for place in (f"{url}/there", f"{url}/there/", f"{url}/there/manifest.json"):
        assert compare_paths(here.folder, place).diff == by_path.diff
    assert compare_paths(f"{url}/there", f"{url}/there").diff.same


def test_shard_manifests_are_fetched_only_where_asked_for(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    made = write_set(folder / "there", ENCODINGS[0])
    remote = RemoteSet(f"{url}/there", tmp_path / "scratch")
    files = [path.name for path in (tmp_path / "scratch").rglob("*") if path.is_file()]
    assert set(files) <= {"manifest.json", PROVENANCE}
    assert made.folder.is_dir()
    with pytest.raises(SetError, match="path below"):
        remote.fetch("../../etc/passwd")


def test_a_manifest_of_another_name_is_compared_by_itself(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    here = write_set(tmp_path / "here", ENCODINGS[0])
    there = write_set(folder / "there", ENCODINGS[0], samples=here.samples[1:])
    kept = folder / "last week.json"
    (there.folder / SET_MANIFEST).rename(kept)
    by_url = compare_paths(here.folder, f"{url}/last%20week.json").diff
    assert by_url == compare_paths(here.folder, kept).diff
    assert not by_url.same


@pytest.mark.parametrize("place", ["/nothing", "/nothing/manifest.json"])
def test_what_is_not_there_is_one_clear_error(served: tuple[Path, str], tmp_path: Path, place: str) -> None:
    with pytest.raises(SetError) as caught:
        compare_paths(served[1] + place, tmp_path)
    assert "/nothing/manifest.json" in caught.value.thing
    assert "404" in caught.value.found


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(SetError, match="http://127"):
        compare_paths("http://127.0.0.1:9/set", tmp_path)
