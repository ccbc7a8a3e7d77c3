"""Sets and runs for the tests of the dashboard: real ones, small, made once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from built_set import BuiltSet, built_set
from made_run_folder import made_run_folder

from formats.manifest_files import read_set_manifest
from formats.runs.page_results import PAGES, PageResult, PageResults, write_page_results
from formats.shards import ShardSet
from pipeline.dashboard.catalogue import Catalogue

CORNER = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0))


@dataclass(frozen=True)
class Site:
    """A folder of sets, a folder of runs, and the set they learnt from."""

    sets: Path
    runs: Path
    made: BuiltSet

    def catalogue(self) -> Catalogue:
        """Return all of it, with what takes long made at once."""
        return Catalogue([self.sets], [self.runs], waits=True)


def make_site(root: Path) -> Site:
    """Write two sets of seven pages, one of which cannot be used, and two runs that learnt from the first."""
    made = built_set(root, "runtime.max_quarantined=0.5", count=7)
    (made.pages / "train" / "page_6.jpg").write_bytes(b"no page")
    made.build("runtime.max_quarantined=0.5")
    other = BuiltSet(made.folder.with_name("other"), made.pages, made.config)
    other.build("targets.shrink_ratio=0.5", "runtime.max_quarantined=0.5")
    manifest = read_set_manifest(made.folder)
    runs = root / "runs"
    for name, hmeans in (("good", (0.5, 0.9)), ("poor", (0.2, 0.3))):
        made_run_folder(runs / name, hmeans=hmeans, fingerprint=manifest.fingerprint, parts=manifest.parts)
    write_page_results(runs / "good" / PAGES, page_results(ShardSet(made.folder)))
    return Site(root / "sets", runs, made)


def page_results(opened: ShardSet) -> PageResults:
    """Return results in which every other page is found whole, and nothing of the others."""
    pages = {}
    for number in range(len(opened)):
        meta, key = opened.meta(number), opened.key(number)
        boxes = tuple(tuple((x, y) for x, y in text.source_V2.tolist()) for text in meta.texts)
        texts = tuple(range(len(boxes)))
        whole = number % 2 == 0
        pages[key] = (
            PageResult(key, 1.0, 1.0, 1.0, boxes, tuple(0.9 for _ in boxes), texts, (), ())
            if whole
            else PageResult(
                key, 0.0, 0.0, 0.0, (((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)),), (0.5,), (), (), texts
            )
        )
    return PageResults(20, "icdar2015", "hmean", 0.9, pages)


def copy_site(site: Site, root: Path) -> Site:
    """Return a copy that a test may change."""
    shutil.copytree(site.sets, root / "sets")
    shutil.copytree(site.runs, root / "runs")
    made = BuiltSet(root / "sets" / site.made.folder.name, site.made.pages, site.made.config)
    return Site(root / "sets", root / "runs", made)
