"""One suite for every encoding: what is read is what was written, and damage is an error."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from encoded_sets import MadeSet, load_shards, made_samples, rewrite, write_set
from made_set import made_sample, make_set

from formats.errors import DamageError, SetError, TextshardsError, UsageError
from formats.manifest_files import read_set_manifest
from formats.places import Place
from formats.sample import DistanceMaps, Sample, TargetMaps
from formats.shard_files import read_range
from formats.shards import ShardSet
from formats.spec import EncodingSpec
from formats.storage import crc32c

CANVAS = (128, 96)
CONTAINERS = pytest.mark.parametrize("container", ["tar", "zarr"])


def maps_of(sample: Sample) -> TargetMaps:
    return sample.maps.target_maps(0.4)


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_samples_come_back(made: MadeSet) -> None:
    opened = ShardSet(made.folder)
    assert len(opened) == len(made.samples)
    for number, written in enumerate(made.samples):
        read = opened.sample(number)
        assert opened.key(number) == read.meta.key == written.meta.key
        for name in ("prob_HW", "prob_mask_HW", "thresh_HW", "thresh_mask_HW"):
            np.testing.assert_array_equal(getattr(maps_of(read), name), getattr(maps_of(written), name))
        if made.encoding.image == "jpeg":
            assert np.abs(read.image_HWC.astype(int) - written.image_HWC).mean() < 8
        else:
            np.testing.assert_array_equal(read.image_HWC, written.image_HWC)
        np.testing.assert_array_equal(read.meta.to_canvas_23, written.meta.to_canvas_23)
        assert [(t.status, t.text) for t in read.meta.texts] == [
            (t.status, t.text) for t in written.meta.texts
        ]
        for one, other in zip(read.meta.texts, written.meta.texts, strict=True):
            np.testing.assert_array_equal(one.polygon_V2, other.polygon_V2)
            np.testing.assert_array_equal(one.source_V2, other.source_V2)


def test_a_set_is_a_sequence_of_its_samples(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("tar")
    opened = ShardSet(str(made.folder))
    keys = [sample.meta.key for sample in made.samples]
    assert opened.folder == made.folder
    assert [sample.meta.key for sample in opened] == keys
    assert [opened[number].meta.key for number in (0, -1)] == [keys[0], keys[-1]]
    for number in (len(keys), -len(keys) - 1):
        with pytest.raises(IndexError, match=f"of {len(keys)}"):
            opened[number]


def test_a_page_goes_only_where_all_of_it_can(made: MadeSet) -> None:
    opened = ShardSet(made.folder)
    H, W = opened.canvas
    four_HW4 = np.empty((H, W, 4), np.uint8)
    wrong = [four_HW4[..., :3], np.empty((W, H, 3), np.uint8), np.empty((H, W, 3), np.int8), four_HW4[0]]
    wrong += [] if made.encoding.image == "jpeg" else [four_HW4]
    for out in wrong:
        with pytest.raises(ValueError, match="C-contiguous uint8 array of shape"):
            opened.image(0, out, seen=True)
    out_HWC = np.empty((H, W, 3), np.uint8)
    assert opened.image(0, out_HWC) is out_HWC


def test_meta_that_is_no_record_names_its_sample(fresh: Callable[..., MadeSet]) -> None:
    opened = ShardSet(fresh("tar").folder, read=lambda path, size, offset: b"[]")
    column = opened.shards[0].columns["meta"]
    column.crc32c[:], column.size[:] = crc32c(b"[]"), 2
    with pytest.raises(DamageError, match=f"meta of {opened.shards[0].keys[0]} in shard"):
        opened.meta(0)


def test_arrays_read_can_be_written_to(made: MadeSet) -> None:
    opened = ShardSet(made.folder)
    for plane in opened.planes(0).values():
        plane.reshape(-1)[:1] = 7
    opened.image(0)[0, 0] = 7


def test_same_samples_same_bytes(made: MadeSet, tmp_path: Path) -> None:
    again = write_set(tmp_path / "again", made.encoding)
    assert files_of(again.folder) == files_of(made.folder)


def test_a_split_alone(made: MadeSet) -> None:
    opened = ShardSet(made.folder, ["test"])
    assert [opened.key(number) for number in range(len(opened))] == [
        sample.meta.key for sample in made.samples if sample.meta.split == "test"
    ]
    assert len(ShardSet(made.folder, "test")) == len(opened)
    with pytest.raises(UsageError, match=r"split 'val' .*\n.*one of: test, train"):
        ShardSet(made.folder, "val")
    for number in (-1, len(opened)):
        with pytest.raises(IndexError):
            opened.sample(number)


@pytest.mark.parametrize("maps", ["distance", "planes"])
@pytest.mark.parametrize("image", ["jpeg", "raw"])
def test_containers_decode_to_the_same_arrays(tmp_path: Path, maps: str, image: str) -> None:
    tar, zarr = (
        ShardSet(write_set(tmp_path / name, EncodingSpec(container=name, maps=maps, image=image)).folder)
        for name in ("tar", "zarr")
    )
    for number in range(len(tar)):
        np.testing.assert_array_equal(tar.image(number), zarr.image(number))
        assert tar.member(number, "meta") == zarr.member(number, "meta")
        planes, others = tar.planes(number), zarr.planes(number)
        assert list(planes) == list(others)
        for name, plane in planes.items():
            np.testing.assert_array_equal(plane, others[name])


def flips(folder: Path, path: Path, places: list[int], rng: np.random.Generator) -> Iterator[int]:
    """Flip one bit of one byte after the other, putting it right again."""
    whole = path.read_bytes()
    for place in rng.permutation(places):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        yield int(place)
    path.write_bytes(whole)


def test_flipped_bytes_are_found_or_without_effect(made: MadeSet, tmp_path: Path) -> None:
    folder, rng = tmp_path / "flipped", np.random.default_rng(5)
    shutil.copytree(made.folder, folder)
    manifest = load_shards(folder)[0]
    truth = ShardSet(made.folder, [manifest.split]).sample(0)
    used: dict[Path, set[int]] = {}
    for name, member in manifest.samples.members.items():
        path = folder / manifest.files[member.file].path
        for start, size in zip(member.offset, member.bytes, strict=True):
            used.setdefault(path, set()).update(range(start, start + size))
        places = range(member.offset[0], member.offset[0] + member.bytes[0])
        for _ in flips(folder, path, list(rng.permutation(places)[:60]), rng):
            with pytest.raises(DamageError, match=f"{name} of "):
                ShardSet(folder, [manifest.split]).sample(0)
    for path, taken in used.items():
        free = [place for place in range(path.stat().st_size) if place not in taken]
        for _ in flips(folder, path, list(rng.permutation(free)[:10]), rng):
            read = ShardSet(folder, [manifest.split]).sample(0)
            np.testing.assert_array_equal(read.image_HWC, truth.image_HWC)
            np.testing.assert_array_equal(maps_of(read).thresh_HW, maps_of(truth).thresh_HW)


@CONTAINERS
def test_every_flipped_byte_of_the_manifests_is_found(fresh: Callable[..., MadeSet], container: str) -> None:
    made, rng = fresh(container), np.random.default_rng(6)
    paths = [made.folder / "manifest.json", *sorted((made.folder / "shards").glob("*.json"))]
    for path in paths:
        for _ in flips(made.folder, path, list(range(path.stat().st_size))[::9], rng):
            with pytest.raises(SetError):
                ShardSet(made.folder)
    assert len(ShardSet(made.folder)) == len(made.samples)


@CONTAINERS
def test_missing_and_cut_files(fresh: Callable[..., MadeSet], container: str) -> None:
    made = fresh(container)
    opened = ShardSet(made.folder)
    names = [file.path for shard in load_shards(made.folder) for file in shard.files]
    names += [entry.manifest.path for entry in opened.manifest.shards]
    for name in names:
        path = made.folder / name
        whole = path.read_bytes()
        for content in (whole[:-1], whole + b"x"):
            path.write_bytes(content)
            with pytest.raises(DamageError, match=path.name):
                ShardSet(made.folder)
        path.unlink()
        with pytest.raises(SetError, match=r"(?s)No such file.*pipeline.build"):
            ShardSet(made.folder)
        path.write_bytes(whole)
    assert len(ShardSet(made.folder)) == len(made.samples)


@CONTAINERS
def test_files_that_go_while_the_set_is_open(fresh: Callable[..., MadeSet], container: str) -> None:
    opened = ShardSet(fresh(container).folder)
    path = opened.shards[0].columns["image"].path
    whole = path.read_bytes()
    path.write_bytes(whole[: int(opened.shards[0].columns["image"].offset[0]) + 10])
    with pytest.raises(DamageError, match="image of"):
        opened.image(0)
    path.unlink()
    with pytest.raises(SetError, match="if the set was rebuilt meanwhile, open it again"):
        opened.image(0)


def test_a_shard_under_another_name_is_refused(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("tar")
    first, second = read_set_manifest(made.folder).shards
    swapped = [first.model_copy(update={"manifest": second.manifest}), second]
    rewrite(made.folder, shards=swapped)
    with pytest.raises(DamageError, match=f"found: .*name {second.name}"):
        ShardSet(made.folder)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "shards/../../outside.json", ""])
def test_names_that_leave_the_folder_are_refused(fresh: Callable[..., MadeSet], name: str) -> None:
    made = fresh("tar")
    first, second = read_set_manifest(made.folder).shards
    record = first.manifest.model_copy(update={"path": name})
    shutil.copy(made.folder / first.manifest.path, made.folder.parent / "outside.json")
    rewrite(made.folder, shards=[first.model_copy(update={"manifest": record}), second])
    with pytest.raises(SetError, match="below the set's folder"):
        ShardSet(made.folder)


def test_a_set_without_samples(tmp_path: Path) -> None:
    made = write_set(tmp_path / "one", EncodingSpec(), samples=made_samples()[:1])
    rewrite(made.folder, shards=[], splits={})
    opened = ShardSet(made.folder)
    assert len(opened) == 0
    with pytest.raises(UsageError, match="one of: none"):
        ShardSet(made.folder, ["train"])


def test_no_set_at_all(tmp_path: Path) -> None:
    with pytest.raises(TextshardsError, match="no set of shards"):
        ShardSet(tmp_path)


def test_what_is_read_again_past_a_cache_is_checked_too(fresh: Callable[..., MadeSet]) -> None:
    made = fresh("tar")
    whole = ShardSet(made.folder).member(0, "image")

    def flipped(path: Place, size: int, offset: int) -> bytes:
        data = bytearray(read_range(path, size, offset))
        data[0] ^= 1
        return bytes(data)

    assert ShardSet(made.folder, read=flipped, again=read_range).member(0, "image") == whole
    for again in (None, flipped):
        with pytest.raises(DamageError, match=f"image of {made.samples[0].meta.key}"):
            ShardSet(made.folder, read=flipped, again=again).member(0, "image")


def test_the_variant_in_a_key_stands_behind_the_last_mark(
    fresh: Callable[..., MadeSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = ShardSet(fresh("tar").folder)
    numbers = {("a#v2.jpg", 0): 3, ("a#v2.jpg", 1): 7}
    monkeypatch.setattr(ShardSet, "number", lambda _set, page, variant=0: numbers.get((page, variant)))
    assert [opened.find(key) for key in ("a#v2.jpg", "a#v2.jpg#v1", "a#v2.jpg#v2")] == [3, 7, None]


def test_a_raw_page_that_was_seen_is_still_whole_or_an_error(tmp_path: Path) -> None:
    samples = made_samples()[:1]
    canvas = samples[0].image_HWC.shape[:2]
    make_set(tmp_path, samples, encoding=EncodingSpec(image="raw"), canvas=canvas)
    opened = ShardSet(tmp_path)
    opened.image(0, seen=True)
    column = opened.shards[0].columns["image"]
    with column.path.open("r+b") as file:
        file.truncate(int(column.offset[0]) + 1000)
    with pytest.raises(DamageError, match="image of"):
        opened.image(0, seen=True)


def test_a_plane_that_is_not_stored_is_zero_in_memory_that_was_used(tmp_path: Path) -> None:
    page = made_sample(0)
    blank = DistanceMaps(*(np.zeros(CANVAS, np.uint8) for _ in range(3)))
    samples = [page, replace(page, maps=blank, meta=replace(page.meta, key="pages/z.jpg"))]
    make_set(tmp_path, samples, encoding=EncodingSpec(container="zarr"), canvas=CANVAS)
    opened = ShardSet(tmp_path)
    scratch = np.empty(opened.plane_bytes, np.uint8)
    for number in (0, 1):
        planes = {name: plane.copy() for name, plane in opened.planes(number, scratch).items()}
    assert planes.keys() == {"distance", "prob_mask"}
    assert not any(plane.any() for plane in planes.values())


def test_a_variant_of_a_page_that_is_not_there_is_named(fresh: Callable[..., MadeSet]) -> None:
    opened = ShardSet(fresh("tar").folder)
    pages = SimpleNamespace(name="train-0", keys=["a.jpg", "b.jpg"], variant=0)
    for keys, known in ((["b.jpg"], True), (["c.jpg"], False)):
        variants = SimpleNamespace(name="train-0-v1", keys=keys, variant=1)
        opened.shards, opened._starts, opened.pages = [pages, variants], [0, 2, 3], 2  # type: ignore[list-item]
        if known:
            assert [numbers.tolist() for numbers in opened.versions()] == [[0, 1], [-1, 2]]
            continue
        with pytest.raises(DamageError, match="shard train-0-v1") as caught:
            opened.versions()
        assert caught.value.found == "one of 'c.jpg'"
