"""docs/format.md against the code: its examples run, and its tables name the fields there are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded_sets import write_set

from formats import manifest
from formats.checks.problems import KINDS, Problem
from formats.checks.sets import verify_set
from formats.codecs import plane_shapes
from formats.diff import compare_paths
from formats.diff_text import as_json
from formats.fingerprint import PARTS
from formats.sample import STATUSES
from formats.set_summary import summarize
from formats.shards import ShardSet
from formats.spec import EncodingSpec

DOC = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
SEALED = ("SetManifest", "ShardManifest")


def table_after(heading: str) -> list[str]:
    """Return the words in code type of the first column of the first table after a heading."""
    rows = DOC[DOC.index(heading) :].partition("\n|")[2].partition("\n\n")[0].splitlines()[2:]
    return [
        word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1 if row[0] == "|" else 0])
    ]


def words_in(heading: str) -> set[str]:
    section = DOC[DOC.index(heading) :].partition("\n`python")[0].partition("\n## ")[0]
    return set(re.findall(r"`(\w+)`", section))


@pytest.mark.parametrize(
    "name",
    [
        "SetManifest",
        "ShardEntry",
        "FileRecord",
        "Quarantined",
        "Unusable",
        "ShardManifest",
        "SampleTable",
        "MemberIndex",
    ],
)
def test_fields_of_records(name: str) -> None:
    expected = set(getattr(manifest, name).model_fields) | ({"checksum"} if name in SEALED else set())
    assert set(table_after(f"\n`{name}`")) == expected


def test_fields_of_settings() -> None:
    text = DOC[DOC.index("`SetSettings`:") : DOC.index("A reader needs")]
    for section, field in manifest.SetSettings.model_fields.items():
        assert f"`{section}`" in text
        kind = field.annotation
        if section != "renderer":
            row = next(line for line in text.splitlines() if line.startswith(f"| `{section}`"))
            named = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row))[1:]
            assert named == list(kind.model_fields)  # type: ignore[union-attr]


def test_statuses_parts_and_planes() -> None:
    assert table_after("`status` is") == list(STATUSES)
    for part in PARTS:
        assert f"`parts.{part}`" in DOC
    for maps in ("distance", "planes"):
        row = next(line for line in DOC.splitlines() if line.startswith(f"| `{maps}` |"))
        assert re.findall(r"`(\w+)`", row)[1:] == list(plane_shapes((32, 32), EncodingSpec(maps=maps)))


def plain_digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256-ts1:{hashlib.sha256(text.encode()).hexdigest()}"


def plain_rows(rows: list[list[str]]) -> str:
    text = "".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows)
    return f"sha256-ts1:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize("image", ["jpeg", "raw"])
def test_fingerprints_as_described(tmp_path: Path, image: str) -> None:
    folder = write_set(tmp_path / "a", EncodingSpec(image=image)).folder
    whole = json.loads((folder / "manifest.json").read_bytes())
    settings, parts = whole["settings"], whole["parts"]
    encoding = {"version": 1, **settings["encoding"]}
    if image != "jpeg":
        del encoding["jpeg_quality"]
    assert whole["fingerprint"] == plain_digest(parts)
    assert parts["geometry"] == plain_digest(settings["geometry"])
    assert parts["targets"] == plain_digest({"renderer": settings["renderer"], **settings["targets"]})
    assert parts["encoding"] == plain_digest(encoding)
    assert parts["layout"] == plain_digest(settings["layout"])
    rows = []
    for entry in whole["shards"]:
        table = json.loads((folder / entry["manifest"]["path"]).read_bytes())["samples"]
        samples = [list(row) for row in zip(table["keys"], table["sources"], strict=True)]
        rows += [(entry["split"], *row) for row in samples]
        inputs = {
            "parts": {part: parts[part] for part in ("geometry", "targets", "encoding")},
            "split": entry["split"],
            "samples": plain_rows(samples),
        }
        assert entry["inputs"] == plain_digest(inputs)
    assert parts["source"] == plain_rows([list(row[1:]) for row in sorted(rows)])


def test_checksum_as_described(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a", EncodingSpec()).folder
    for path in [folder / "manifest.json", *(folder / "shards").glob("*.json")]:
        data = path.read_bytes()
        assert data[:13] == b'{"checksum":"'
        assert hashlib.sha256(data[77:]).hexdigest() == data[13:77].decode()


def keys_of(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set(value) | {key for inner in value.values() for key in keys_of(inner)}
    return {key for inner in value for key in keys_of(inner)} if isinstance(value, list) else set()


def test_reports_are_described(tmp_path: Path) -> None:
    one = write_set(tmp_path / "a", EncodingSpec()).folder
    other = write_set(tmp_path / "b", EncodingSpec(jpeg_quality=50)).folder
    named = words_in("`python -m formats.verify SET --json`")
    assert set(verify_set(one).as_json()) | {f.name for f in fields(Problem)} | set(KINDS) == named
    assert (
        keys_of(as_json(compare_paths(one, other))) - words_in("`python -m formats.diff A B --json`") == set()
    )
    assert set(summarize(one).as_json()) <= words_in("`python -m formats.show SET --json`")


@pytest.mark.filterwarnings("ignore")
def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_set(tmp_path / "sets" / "tar", EncodingSpec())
    write_set(tmp_path / "sets" / "zarr", EncodingSpec(container="zarr"))
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    assert len(examples) == 5
    webdataset, zarr, tables, index, package = (compile(text, "docs/format.md", "exec") for text in examples)
    names: dict[str, Any] = {}
    seen = []
    for example in (webdataset, tables, zarr, tables):  # the tables are for what either has read
        exec(example, names)
        seen.append(dict(names))
    for example in (index, package):
        exec(example, {})
    opened = ShardSet(made.folder, ["train"])
    last, truth = (
        [one for one in made.samples if one.meta.split == "train"][-1],
        opened.sample(len(opened) - 1),
    )
    maps = truth.maps.target_maps(0.4)
    assert seen[0]["key"] == last.meta.key
    assert len(seen[0]["polygons"]) == sum(not text.ignored for text in last.meta.texts)
    np.testing.assert_array_equal(seen[0]["distance"], truth.maps.distance_HW)  # type: ignore[union-attr]
    np.testing.assert_array_equal(seen[0]["prob_mask"], maps.prob_mask_HW)
    assert seen[0]["image"].shape == truth.image_HWC.shape
    for name in ("thresh", "prob", "thresh_mask"):
        np.testing.assert_array_equal(seen[1][name], getattr(maps, f"{name}_HW"))
    whole = ShardSet(tmp_path / "sets" / "zarr")
    truth = whole.sample(len(whole) - 1)
    assert seen[3]["key"] == truth.meta.key
    for name in ("thresh", "prob", "thresh_mask", "prob_mask"):
        np.testing.assert_array_equal(seen[3][name], getattr(truth.maps.target_maps(0.4), f"{name}_HW"))
