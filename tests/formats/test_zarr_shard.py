"""Zarr shards as plain zarr reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from encoded_sets import CANVAS, MadeSet, load_shards

from formats.checks.sets import verify_set
from formats.codecs import decode_image, map_planes
from formats.fingerprint import digest, sha256
from formats.members import encode_sample
from formats.sample import DistanceMaps
from formats.spec import EncodingSpec
from formats.zarr_shard import ZarrWriter


@pytest.fixture(params=[("distance", "jpeg"), ("planes", "raw")], ids=["distance-jpeg", "planes-raw"])
def zarr_set(request: pytest.FixtureRequest, fresh: Callable[..., MadeSet]) -> MadeSet:
    return fresh("zarr", maps=request.param[0], image=request.param[1])


def groups(made: MadeSet) -> list[zarr.Group]:
    return [zarr.open_group(path, mode="r") for path in sorted((made.folder / "shards").glob("*.zarr"))]


def test_plain_zarr_reads_every_map(zarr_set: MadeSet) -> None:
    samples = iter(zarr_set.samples)
    for group in groups(zarr_set):
        keys = group.attrs["keys"]
        for row, key in enumerate(keys):
            sample = next(samples)
            assert key == sample.meta.key
            assert isinstance(sample.maps, DistanceMaps)
            stored = zarr_set.encoding.maps == "distance"
            planes = map_planes(sample.maps if stored else sample.maps.target_maps(0.4))
            for name in ("distance", "overlap", "prob_mask") if stored else planes:
                expected = planes.get(name, np.zeros(CANVAS, np.uint8))
                np.testing.assert_array_equal(group[name][row], expected)


def test_plain_zarr_reads_pages_and_meta(zarr_set: MadeSet) -> None:
    samples = iter(zarr_set.samples)
    for group in groups(zarr_set):
        starts = group["meta_offsets"][:]
        for row, sample in zip(range(len(group.attrs["keys"])), samples, strict=False):
            record = json.loads(group["meta"][int(starts[row]) : int(starts[row + 1])].tobytes())
            assert (record["key"], record["split"]) == (sample.meta.key, sample.meta.split)
            if zarr_set.encoding.image == "raw":
                np.testing.assert_array_equal(group["image"][row], sample.image_HWC)
                continue
            places = group["image_offsets"][:]
            jpeg = group["image"][int(places[row]) : int(places[row + 1])].tobytes()
            out_HWC = np.empty_like(sample.image_HWC)
            decode_image(jpeg, zarr_set.encoding, out_HWC)
            assert np.abs(out_HWC.astype(int) - sample.image_HWC).mean() < 8


def test_layout_on_disk(zarr_set: MadeSet) -> None:
    for manifest in load_shards(zarr_set.folder):
        root = zarr_set.folder / "shards" / f"{manifest.name}.zarr"
        on_disk = {path.relative_to(zarr_set.folder).as_posix() for path in root.rglob("*") if path.is_file()}
        assert on_disk == {file.path for file in manifest.files}
        for file in manifest.files:
            data = (zarr_set.folder / file.path).read_bytes()
            assert (len(data), sha256(data)) == (file.bytes, file.sha256)
        for name, member in manifest.samples.members.items():
            assert manifest.files[member.file].path.startswith(f"shards/{manifest.name}.zarr/{name}/c/0")


def test_planes_that_are_all_zero_are_not_stored(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("zarr")
    rows = [row for shard in load_shards(made.folder) for row in shard.samples.members["overlap"].bytes]
    overlaps = [sample.maps.overlap_HW for sample in made.samples]  # type: ignore[union-attr]
    assert [size > 0 for size in rows] == [overlap is not None for overlap in overlaps]
    assert 0 in rows


def test_a_writer_that_gives_up_leaves_nothing(zarr_set: MadeSet, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    writer = ZarrWriter(folder, "x", "shards", CANVAS, EncodingSpec(container="zarr"))
    writer.add(encode_sample(zarr_set.samples[0], digest(1), EncodingSpec(container="zarr")))
    (partial,) = folder.iterdir()
    assert re.fullmatch(r"x\.zarr\.[0-9a-f]{8}\.partial", partial.name)
    writer.abandon()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("image", ["jpeg", "raw"])
def test_a_shard_without_samples_opens(tmp_path: Path, image: str) -> None:
    encoding = EncodingSpec(container="zarr", image=image)
    written = ZarrWriter(tmp_path, "x", "shards", CANVAS, encoding).finish()
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    assert (group.attrs["keys"], written.samples.keys) == ([], [])
    assert group["distance"].shape == (0, *CANVAS)
    assert group["distance"][:].size == 0


def test_zarr_itself_finds_flipped_bytes_of_maps(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("zarr")
    manifest = load_shards(made.folder)[0]
    member = manifest.samples.members["distance"]
    path = made.folder / manifest.files[member.file].path
    data = bytearray(path.read_bytes())
    data[member.offset[0] + member.bytes[0] // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match="Zstd"):
        groups(made)[0]["distance"][0]


def test_long_arrays_of_many_chunks(fresh: Callable[..., MadeSet], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("formats.zarr_shard.RAGGED_CHUNK", 1000)
    made = fresh("zarr")
    samples = iter(made.samples)
    for group in groups(made):
        starts, meta = group["meta_offsets"][:], group["meta"]
        assert (meta.chunks, meta.shards[0] % 1000) == ((1000,), 0)
        assert meta.shape == (int(starts[-1]),)
        for row in range(len(group.attrs["keys"])):
            record = json.loads(meta[int(starts[row]) : int(starts[row + 1])].tobytes())
            assert record["key"] == next(samples).meta.key
    assert verify_set(made.folder, deep=True).problems == ()
