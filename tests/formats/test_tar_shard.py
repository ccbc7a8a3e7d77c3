"""Tar shards as others read them: the standard library, and plain webdataset."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from encoded_sets import KEYS, MadeSet, load_shards
from hypothesis import example, given
from hypothesis import strategies as st

from formats.codecs import decompress
from formats.fingerprint import digest
from formats.members import encode_sample
from formats.sample import DistanceMaps
from formats.spec import EncodingSpec
from formats.tar_shard import TarWriter, member_header, member_name


@pytest.fixture(params=["distance", "planes"])
def tar_set(request: pytest.FixtureRequest, fresh: Callable[..., MadeSet]) -> MadeSet:
    return fresh("tar", maps=request.param)


def tars(made: MadeSet) -> list[Path]:
    return sorted((made.folder / "shards").glob("*.tar"))


def read_with_webdataset(made: MadeSet, decoder: str | None = None) -> list[dict[str, object]]:
    import webdataset  # imports torch, which takes seconds

    data = webdataset.WebDataset([str(path) for path in tars(made)], shardshuffle=False)
    return list(data.decode(decoder) if decoder else data)


@pytest.mark.filterwarnings("ignore")
def test_webdataset_groups_samples_by_key(tar_set: MadeSet) -> None:
    found = read_with_webdataset(tar_set)
    assert [unquote(str(row["__key__"])) for row in found] == [s.meta.key for s in tar_set.samples]
    for row, sample in zip(found, tar_set.samples, strict=True):
        assert {name for name in row if not name.startswith("__")} == {"jpg", "maps.zst", "meta.json"}
        assert json.loads(row["meta.json"])["key"] == sample.meta.key  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("decoder", ["rgb8", "pil"])
def test_webdataset_decodes_the_page(tar_set: MadeSet, decoder: str) -> None:
    for row, sample in zip(read_with_webdataset(tar_set, decoder), tar_set.samples, strict=True):
        image_HWC = np.asarray(row["jpg"])
        assert (image_HWC.shape, image_HWC.dtype) == (sample.image_HWC.shape, np.uint8)
        assert np.abs(image_HWC.astype(int) - sample.image_HWC).mean() < 8
        assert json.loads(json.dumps(row["meta.json"]))["split"] == sample.meta.split


@pytest.mark.filterwarnings("ignore")
def test_maps_of_webdataset_are_plain_zstandard(tar_set: MadeSet) -> None:
    for row, sample in zip(read_with_webdataset(tar_set), tar_set.samples, strict=True):
        content = decompress(row["maps.zst"])  # type: ignore[arg-type]
        H, W = sample.image_HWC.shape[:2]
        first_HW = content[: H * W].reshape(H, W)
        assert isinstance(sample.maps, DistanceMaps)
        stored = tar_set.encoding.maps == "distance"
        expected_HW = sample.maps.distance_HW if stored else sample.maps.target_maps(0.4).thresh_HW
        np.testing.assert_array_equal(first_HW, expected_HW)


def test_members_are_sorted_and_know_no_time_or_owner(tar_set: MadeSet) -> None:
    keys = {"test": sorted(KEYS["test"]), "train": sorted(KEYS["train"])}
    for path in tars(tar_set):
        with tarfile.open(path) as tar:
            infos = tar.getmembers()
        assert {(i.mode, i.mtime, i.uid, i.gid, i.uname, i.gname, i.type) for i in infos} == {
            (0o644, 0, 0, 0, "", "", tarfile.REGTYPE)
        }
        split = path.name.partition("-")[0]
        suffixes = ("jpg", "maps.zst", "meta.json")
        assert [info.name for info in infos] == [
            f"{member_name(key)}.{suffix}" for key in keys[split] for suffix in suffixes
        ]
        assert path.read_bytes()[-1024:] == bytes(1024)
        assert path.stat().st_size % 512 == 0


def test_index_points_at_the_members(tar_set: MadeSet) -> None:
    for manifest in load_shards(tar_set.folder):
        with tarfile.open(tar_set.folder / manifest.files[0].path) as tar:
            for row, key in enumerate(manifest.samples.keys):
                for name, suffix in (("image", "jpg"), ("maps", "maps.zst"), ("meta", "meta.json")):
                    info = tar.getmember(f"{member_name(key)}.{suffix}")
                    member = manifest.samples.members[name]
                    assert (info.offset_data, info.size) == (member.offset[row], member.bytes[row])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_names_are_ascii_and_decode_to_keys(key: str) -> None:
    name = member_name(key)
    assert unquote(name) == key
    assert name.isascii()
    assert "." not in name
    assert not name.startswith("__")
    assert set(name) <= set("%/_-~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def test_a_writer_that_gives_up_leaves_nothing(tar_set: MadeSet, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    writer = TarWriter(folder, "train-x", "shards", tar_set.encoding)
    writer.add(encode_sample(tar_set.samples[0], digest(1), EncodingSpec()))
    (partial,) = folder.iterdir()
    assert re.fullmatch(r"train-x\.tar\.[0-9a-f]{8}\.partial", partial.name)
    writer.abandon()
    assert list(folder.iterdir()) == []


def test_a_shard_without_samples_is_an_empty_tar(tmp_path: Path) -> None:
    written = TarWriter(tmp_path, "x", "shards", EncodingSpec()).finish()
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert tar.getmembers() == []
    assert (written.files[0].path, written.samples.keys) == ("shards/x.tar", [])


@given(
    st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=120),
    st.integers(0, 1 << 34),
)
@example("a" * 100, 0)
@example("a" * 101, 8**11 - 1)
@example("~" * 100, 8**11 - 1)
@example("a", 8**11)
def test_headers_are_those_of_the_standard_library(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    assert member_header(name, size) == info.tobuf(tarfile.PAX_FORMAT)
