from __future__ import annotations

import re
import shutil
from pathlib import Path

from built_set import invoke
from dashboard_site import Site, copy_site

from formats.runs.page_results import PAGES
from pipeline.health import main


def written(site: Site, path: Path) -> str:
    invoke(main, site.sets, "--runs", site.runs, "--html", path, "--html-pages", 2)
    return path.read_text(encoding="utf-8")


def test_one_file_has_every_page_and_fetches_nothing(site: Site, tmp_path: Path) -> None:
    text = written(site, tmp_path / "deep" / "health.html")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert addresses and all(address.startswith(("#", "data:")) for address in addresses if address)
    places = set(re.findall(r'<section class="place" id="([^"]*)"', text))
    wanted = {
        "p",
        "p-set-made",
        "p-set-other-samples",
        "p-set-made-distributions",
        "p-diff-made-other",
        "p-runs",
    }
    assert wanted | {"p-run-good", "p-run-poor", "p-compare"} <= places
    links = {address[1:] for address in addresses if address.startswith("#p")}
    assert links <= places
    assert len(re.findall(r"id=\"p-set-made-sample-\d+\"", text)) == 2
    assert "default-src 'none'" in text


def test_the_same_sets_give_the_same_file_but_for_ages(site: Site, tmp_path: Path) -> None:
    ages = r"\d+ (?:s|minutes|hours)\b|[\d.]+ [GT]B free"
    one, two = (re.sub(ages, "", written(site, tmp_path / name)) for name in ("a.html", "b.html"))
    assert one == two


def test_damage_is_in_the_file(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    copied.made.shard_files(".tar")[0].unlink()
    text = written(copied, tmp_path / "health.html")
    assert 'id="p-set-made"' in text and "damaged" in text and 'id="p-set-made-samples"' not in text


def test_a_damaged_run_is_told_of_and_the_others_stand(site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    records = copied.runs / "poor" / "metrics.jsonl"
    records.write_text(records.read_text().replace('"hmean": 0.2', '"hmean": "x"'))
    summary = shutil.copytree(copied.runs / "good", copied.runs / "short") / "summary.json"
    summary.write_text('{"finished": true}')
    (copied.runs / "good" / PAGES).write_text("no pages\n")
    text = written(copied, tmp_path / "health.html")
    assert 'id="p-run-good"' in text and 'id="p-run-poor"' not in text and 'id="p-run-short"' not in text
    assert "metrics.jsonl, line 2, field hmean" in text
    assert "summary.json, field steps" in text
    assert "expected: pages as train.run writes them" in text
