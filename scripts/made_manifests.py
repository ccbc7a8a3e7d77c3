"""Manifests of sets that are made up: any number of samples, without a pixel."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from formats.manifest import SetSettings
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec
from pipeline.plan import PlannedShard, make_plan
from pipeline.sources.record import Annotations, SourceRecord, SourceText

SHARDS = 1024
MEMBERS = ("image", "maps", "meta")


def made_source(samples: int, changed: bool) -> tuple[Annotations, dict[str, str], SetSettings]:
    """Return what `make_plan` takes; where `changed`, one sample of every shard has another image."""
    settings = SetSettings(
        geometry=GeometrySpec(),
        targets=TargetsSpec(),
        encoding=EncodingSpec(),
        layout=LayoutSpec(samples_per_shard=samples // SHARDS * 3 // 2),
        renderer=1,
    )
    polygon_V2 = np.array([[0.0, 0.0], [90.0, 0.0], [90.0, 20.0], [0.0, 20.0]])
    text = (SourceText(polygon_V2, False, "a"),)
    names = [f"receipts/{number // 1000:05d}/page_{number:08d}.jpg" for number in range(samples)]
    records = tuple(SourceRecord(name, "train", Path(name), text, "train.json") for name in names)
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    if changed:
        for shard in make_plan(Annotations(records, ()), hashes, settings).shards:
            hashes[shard.samples[0].record.key] = "0" * 64
    return Annotations(records, ()), hashes, settings


def write_sets(folder: Path, samples: int) -> None:
    """Write the manifests of both sets, and files of the sizes they name, without content."""
    for name in ("a", "b"):
        plan = make_plan(*made_source(samples, name == "b"))
        (folder / name / "shards").mkdir(parents=True)
        entries = [_write_shard(folder / name, shard) for shard in plan.shards]
        values = {
            "format": "textshards-set",
            "version": 1,
            "fingerprint": plan.fingerprint.whole,
            "parts": dict(plan.fingerprint.parts),
            "settings": plan.settings.model_dump(mode="json"),
            "splits": {"train": samples},
            "shards": entries,
            "quarantined": [],
        }
        (folder / name / "manifest.json").write_bytes(_sealed(values))


def _write_shard(folder: Path, shard: PlannedShard) -> dict[str, Any]:
    rng = np.random.default_rng(int(shard.name[-8:], 16))
    count = len(shard.samples)
    sizes = {
        name: rng.integers(low, 9 * low, count)
        for name, low in zip(MEMBERS, (20_000, 3000, 900), strict=True)
    }
    ends = np.cumsum(np.stack([sizes[name] + 600 for name in MEMBERS], axis=1)).reshape(count, 3)
    members = {
        name: {
            "file": 0,
            "offset": (ends[:, i] - sizes[name]).tolist(),
            "bytes": sizes[name].tolist(),
            "crc32c": rng.integers(0, 1 << 32, count).tolist(),
        }
        for i, name in enumerate(MEMBERS)
    }
    path, size = f"shards/{shard.name}.tar", int(ends[-1, -1]) + 1024
    with (folder / path).open("wb") as file:
        file.truncate(size)
    table = {
        "keys": [sample.record.key for sample in shard.samples],
        "sources": [sample.source for sample in shard.samples],
        "texts": {name: rng.integers(0, 90, count).tolist() for name in ("care", "dont_care", "too_small")},
        "members": members,
    }
    told = {"name": shard.name, "split": shard.split, "inputs": shard.inputs}
    values = {
        "format": "textshards-shard",
        "version": 1,
        "files": [{"path": path, "bytes": size, "sha256": "0" * 64}],
        "samples": table,
        "quarantined": [],
    }
    data = _sealed(values | told)
    name = f"shards/{shard.name}.json"
    (folder / name).write_bytes(data)
    record = {"path": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return told | {"samples": count, "quarantined": 0, "bytes": size, "manifest": record}


def _sealed(values: dict[str, Any]) -> bytes:
    """Return ASCII texts and whole numbers as a manifest; of these RFC 8785 asks for sorted names alone."""
    rest = b'",' + json.dumps(values, sort_keys=True, separators=(",", ":")).encode()[1:]
    return b'{"checksum":"' + hashlib.sha256(rest).hexdigest().encode() + rest
