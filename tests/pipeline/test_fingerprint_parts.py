"""Every field of a configuration changes exactly the named parts it should, and the shards that follow."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from made_pages import made_config, made_pages

from formats.fingerprint import OPTIONAL_PARTS, PARTS
from formats.settings import validate_settings
from pipeline.assemble import plan_set
from pipeline.config import BuildConfig
from pipeline.plan import Plan
from pipeline.stat_cache import StatCache

CHANGES: dict[str, dict[str, tuple[object, tuple[str, ...]]]] = {
    "source": {
        # What counts of a source is what it gives: the test pages give the same under these.
        "format": ("polygons", ()),
        "root": ("OTHER ROOT", ()),
        "splits": ({"train": "copy_of_list.txt"}, ()),
        "images": (".", ()),
        "image_path": ("full", ()),
        "max_pixels": (10**7, ()),
        "dont_care": (["word 0"], ("source",)),
        # Read by format coco alone: tests/pipeline/sources/test_coco.py.
        "categories": (["text"], ()),
        "hold_out": (0.5, ("source",)),
    },
    "geometry": {
        "canvas": ([160, 160], ("geometry",)),
        "resize": ("exact", ("geometry",)),
        "interpolation": ("linear", ("geometry",)),
        "position": ("center", ("geometry",)),
        "pad_color": ([1, 0, 0], ("geometry",)),
        "exif": ("ignore", ("geometry",)),
        "decode": ("reduced", ("geometry",)),
    },
    "targets": {
        "shrink_ratio": (0.5, ("targets",)),
        "thresh_min": (0.2, ("targets",)),
        "thresh_max": (0.8, ("targets",)),
        "min_size": (4, ("targets",)),
        "small_text": ("keep", ("targets",)),
        "empty_shrink": ("keep", ("targets",)),
        "dont_care": ("background", ("targets",)),
    },
    "encoding": {
        "container": ("zarr", ("encoding",)),
        "maps": ("planes", ("encoding",)),
        "image": ("raw", ("encoding",)),
        "jpeg_quality": (80, ("encoding",)),
        "zstd_level": (3, ("encoding",)),
    },
    "layout": {"samples_per_shard": (5, ("layout",))},
    "variants": {
        "count": (3, ("variants",)),
        "seed": (1, ("variants",)),
        "splits": (["train", "test"], ("variants",)),
        "perspective": (0.1, ("variants",)),
        "shear": (0.1, ("variants",)),
        "stretch": ([0.9, 1.1], ("variants",)),
        "elastic": (0.1, ("variants",)),
        "elastic_spacing": (64, ("variants",)),
        "blur": ([0.0, 1.0], ("variants",)),
        "jpeg": ([60, 90], ("variants",)),
    },
    "runtime": {
        "engine": ("dask", ()),
        "scheduler": ("tcp://127.0.0.1:8786", ()),
        "without_workers_s": (60.0, ()),
        "workers": (2, ()),
        "max_quarantined": (0.5, ()),
    },
}
BASE: dict[str, dict[str, object]] = {"variants": {"count": 2, "elastic": 0.05}}
"""Under these, every field has an effect."""
FIELDS = [(section, field) for section, fields in CHANGES.items() for field in fields]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_pages(tmp_path_factory.mktemp("pages"), 5)


def planned(root: Path, scratch: Path, **sections: dict[str, object]) -> Plan:
    values = made_config(root)
    for name, fields in sections.items():
        values[name] = {**values.get(name, {}), **fields}  # type: ignore[dict-item]
    return plan_set(validate_settings(BuildConfig, values, "test"), StatCache(scratch, paranoid=True))


def test_the_table_knows_every_field() -> None:
    declared = {
        name: set(field.annotation.model_fields)  # type: ignore[union-attr]
        for name, field in BuildConfig.model_fields.items()
    }
    assert {section: set(fields) for section, fields in CHANGES.items()} == declared


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_a_field_changes_exactly_its_parts(tmp_path: Path, pages: Path, section: str, field: str) -> None:
    value, parts = CHANGES[section][field]
    if value == "OTHER ROOT":
        value = str(made_pages(tmp_path / "other", 5))
    (pages / "copy_of_list.txt").write_bytes((pages / "train_list.txt").read_bytes())
    base = BASE.get(section, {})
    plain = planned(pages, tmp_path, **({section: base} if base else {}))
    changed = planned(pages, tmp_path, **{section: {**base, field: value}})
    assert plain.fingerprint.differing(changed.fingerprint) == parts
    assert (plain.fingerprint.whole == changed.fingerprint.whole) == (not parts)
    stored = [part for part in parts if part != "layout"]
    assert ({shard.name for shard in plain.shards} == {shard.name for shard in changed.shards}) == (
        (not stored and section != "layout") or field == "splits"  # there is no page of the other split
    )


def test_fields_without_effect_are_in_no_part(tmp_path: Path, pages: Path) -> None:
    raw = planned(pages, tmp_path, encoding={"image": "raw", "jpeg_quality": 50})
    assert raw.fingerprint == planned(pages, tmp_path, encoding={"image": "raw"}).fingerprint
    keep = planned(pages, tmp_path, targets={"small_text": "keep", "min_size": 20})
    assert keep.fingerprint == planned(pages, tmp_path, targets={"small_text": "keep"}).fingerprint


def test_variants_leave_pages_as_they_are_and_each_other_alone(tmp_path: Path, pages: Path) -> None:
    none, one, two = (planned(pages, tmp_path, variants={"count": count}) for count in range(3))
    names = [{shard.name for shard in plan.shards} for plan in (none, one, two)]
    assert names[0] < names[1] < names[2]
    assert none.samples == two.samples == 5
    assert none.fingerprint == planned(pages, tmp_path).fingerprint
    assert set(none.fingerprint.parts) == set(PARTS)
    assert none.fingerprint.differing(two.fingerprint) == ("variants",)
    blurred = planned(pages, tmp_path, variants={"count": 2, "blur": [1.0, 2.0]})
    assert names[2] & {shard.name for shard in blurred.shards} == names[0]
    other = planned(pages, tmp_path, variants={"count": 2, "splits": ["other"]})
    assert {shard.name for shard in other.shards} == names[0]


@pytest.mark.parametrize("what", ["image byte", "coordinate", "ignore flag"])
def test_what_the_source_holds_changes_the_source_part(tmp_path: Path, what: str) -> None:
    root = made_pages(tmp_path / "pages", 5)
    plain = planned(root, tmp_path)
    if what == "image byte":
        with (root / "train/page_1.jpg").open("ab") as file:
            file.write(b"\0")
    else:
        annotation = root / "train/page_1.txt"
        old, new = ("10,8,", "10,9,") if what == "coordinate" else ("word 0", "###")
        annotation.write_text(annotation.read_text().replace(old, new, 1))
    changed = planned(root, tmp_path)
    assert plain.fingerprint.differing(changed.fingerprint) == ("source",)
    assert len({shard.name for shard in plain.shards} - {shard.name for shard in changed.shards}) == 1


def test_order_on_disk_locale_and_time_zone_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made_pages(tmp_path / "pages", 5)
    plain = planned(root, tmp_path)
    lines = (root / "train_list.txt").read_text().splitlines(keepends=True)
    (root / "train_list.txt").write_text("".join(reversed(lines)))
    for path in root.rglob("*.jpg"):
        os.utime(path, (1, 1))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    time.tzset()
    assert planned(root, tmp_path) == plain
    monkeypatch.undo()
    time.tzset()


def test_parts_are_the_declared_ones() -> None:
    assert {part for fields in CHANGES.values() for _, parts in fields.values() for part in parts} == {
        *PARTS,
        *OPTIONAL_PARTS,
    }
