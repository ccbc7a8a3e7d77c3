from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from made_set import made_sample, make_set
from numpy.testing import assert_array_equal

from formats.errors import DamageError, UsageError
from formats.sample import DistanceMaps, TargetMaps
from formats.shards import ShardSet
from formats.spec import EncodingSpec, GeometrySpec
from train.augment import AugmentSettings
from train.batch import Batch, Slot
from train.decode import Decoder
from train.maps import unpacked
from train.stream import Stream, StreamSettings

CANVAS = (128, 96)
SAMPLES = [made_sample(number, CANVAS) for number in range(23)]
AUGMENT = AugmentSettings()


def settings(**values: object) -> StreamSettings:
    return StreamSettings.model_validate({"batch_size": 4, "crop": (64, 96), **values})


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ShardSet]:
    made = {}
    for container in ("tar", "zarr"):
        for maps in ("distance", "planes"):
            folder = tmp_path_factory.mktemp("set") / f"{container}-{maps}"
            encoding = EncodingSpec.model_validate({"container": container, "maps": maps, "image": "raw"})
            make_set(folder, SAMPLES, encoding=encoding, canvas=CANVAS, samples_per_shard=9)
            made[f"{container}-{maps}"] = ShardSet(folder)
    return made


@pytest.fixture
def shard_set(sets: dict[str, ShardSet]) -> ShardSet:
    return sets["tar-distance"]


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    gc.collect()
    assert threading.active_count() <= before


def contents(batches: Iterator[Batch]) -> dict[int, bytes]:
    """Return each sample's image and planes as bytes, by number."""
    found = {}
    for batch in batches:
        for row, number in enumerate(batch.numbers):
            assert number not in found
            parts = [batch.images_NHWC[row], *(plane[row] for _, plane in sorted(batch.planes.items()))]
            found[number] = b"".join(part.numpy().tobytes() for part in parts)
    return found


def whole(batch: Batch) -> dict[str, torch.Tensor]:
    """Return a batch's planes, (N, H, W) each."""
    packed = ("prob", "prob_mask", "thresh_mask")
    return {name: unpacked(plane) if name in packed else plane for name, plane in batch.planes.items()}


@pytest.mark.parametrize("container", ["tar", "zarr"])
@pytest.mark.parametrize("maps", ["distance", "planes"])
def test_without_augmentation_pages_come_as_stored(
    sets: dict[str, ShardSet], container: str, maps: str
) -> None:
    stream = Stream(sets[f"{container}-{maps}"], settings(drop_last=False), seed=0, augment=None)
    assert len(stream) == 6
    numbers: list[int] = []
    for position, batch in enumerate(stream.epoch(3)):
        assert batch.position == position
        assert len(batch) == len(batch.numbers) == len(batch.images_NHWC) == (4 if position < 5 else 3)
        for row, number in enumerate(batch.numbers):
            sample = SAMPLES[number]
            assert_array_equal(batch.images_NHWC[row], sample.image_HWC)
            stored = sample.maps if maps == "distance" else sample.maps.target_maps(0.4)  # type: ignore[union-attr]
            for name, plane in whole(batch).items():
                expected = getattr(stored, f"{name}_HW")
                assert_array_equal(plane[row], np.zeros(CANVAS) if expected is None else expected)
        numbers += batch.numbers
    assert numbers == list(range(23))
    names = {"distance": {"distance", "overlap", "prob_mask"}, "planes": {f.name[:-3] for f in fields()}}
    assert set(batch.planes) == names[maps]


def fields() -> tuple[object, ...]:
    return tuple(TargetMaps.__dataclass_fields__.values())


@pytest.mark.parametrize("name", ["tar-distance", "tar-planes", "zarr-distance"])
def test_crops_show_text_where_their_maps_say(sets: dict[str, ShardSet], name: str) -> None:
    # Texts are darker than 130, the ground lighter than 170: a map that missed a flip or a shift would show.
    augment = AugmentSettings(brightness=0, contrast=0, saturation=0, grayscale=0)
    stream = Stream(sets[name], settings(), seed=5, augment=augment)
    for batch in stream.epoch(0):
        assert batch.images_NHWC.shape == (4, 64, 96, 3)
        grey = batch.images_NHWC.float().mean(dim=3)
        planes = whole(batch)
        if "distance" in planes:
            prob, band = planes["distance"] >= 234, planes["distance"] >= 18
        else:
            prob, band = planes["prob"] > 0, planes["thresh_mask"] > 0
        ground = ~band & (planes["prob_mask"] > 0) & (grey > 0)
        assert prob.any(dim=(1, 2)).float().mean() > 0.5
        assert grey[prob].max() < 150
        # The rest: pixels mixed with the padding, and with the border of a text that is masked.
        assert (grey[ground] > 160).float().mean() > 0.98


def test_an_epoch_is_the_same_for_any_threads_batches_and_processes(shard_set: ShardSet) -> None:
    expected = contents(Stream(shard_set, settings(drop_last=False), seed=1, augment=AUGMENT).epoch(2))
    assert sorted(expected) == list(range(23))
    for threads, batch_size, world in ((1, 4, 1), (5, 7, 1), (2, 6, 3), (3, 2, 2)):
        chosen = settings(threads=threads, batch_size=batch_size, drop_last=False)
        found: dict[int, bytes] = {}
        for rank in range(world):
            stream = Stream(shard_set, chosen, seed=1, augment=AUGMENT, rank=rank, world=world)
            found |= contents(stream.epoch(2))
        assert found == expected


def test_epochs_and_seeds_differ(shard_set: ShardSet) -> None:
    def orders(seed: int, epoch: int) -> tuple[list[int], dict[int, bytes]]:
        batches = contents(Stream(shard_set, settings(), seed=seed, augment=AUGMENT).epoch(epoch))
        return list(batches), batches

    (first, a), (second, b), (third, c) = orders(0, 0), orders(0, 1), orders(1, 0)
    assert first != second and first != third
    assert all(a[number] != b[number] for number in a.keys() & b.keys())
    assert all(a[number] != c[number] for number in a.keys() & c.keys())


def test_a_run_goes_on_where_it_stopped(shard_set: ShardSet) -> None:
    whole = [batch.numbers for batch in Stream(shard_set, settings(), seed=1, augment=AUGMENT).epoch(7)]
    other = Stream(shard_set, settings(), seed=1, augment=AUGMENT)
    assert len(whole) == len(other) == 5
    for start in range(6):
        rest = [(batch.position, batch.numbers) for batch in other.epoch(7, start)]
        assert rest == list(enumerate(whole))[start:]


def test_another_number_of_processes_goes_on_with_the_same_global_batches(shard_set: ShardSet) -> None:
    alone = [set(batch.numbers) for batch in Stream(shard_set, settings(), seed=1, augment=AUGMENT).epoch(0)]
    ranks = [Stream(shard_set, settings(), seed=1, augment=AUGMENT, rank=rank, world=2) for rank in (0, 1)]
    shares = [[batch.numbers for batch in stream.epoch(0, 2)] for stream in ranks]
    assert [set(a + b) for a, b in zip(*shares, strict=True)] == alone[2:]


def test_memory_is_used_again(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(batch_size=2, prefetch=2), seed=0, augment=AUGMENT)
    places = {batch.images_NHWC.data_ptr() for epoch in range(3) for batch in stream.epoch(epoch)}
    assert len(places) == 3


def test_a_batch_is_not_touched_before_the_next_is_asked_for(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(batch_size=2, prefetch=1), seed=0, augment=AUGMENT)
    for batch in stream.epoch(0):
        before = batch.images_NHWC.clone()
        time.sleep(0.01)
        assert torch.equal(batch.images_NHWC, before)


def test_statistics(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(), seed=0, augment=AUGMENT)
    numbers = [number for batch in stream.epoch(0) for number in batch.numbers]
    assert stream.statistics.samples == len(numbers) == 20
    expected = sum(len(shard_set.member(n, name)) for n in numbers for name in ("image", "maps"))
    assert stream.statistics.bytes_read == expected
    assert stream.statistics.wait_s > 0


def test_an_epoch_that_is_left_early_leaves_nothing_behind(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(batch_size=1, prefetch=8), seed=0, augment=AUGMENT)
    before = threading.active_count()
    for _ in stream.epoch(0):
        assert threading.active_count() > before
        break
    gc.collect()
    assert threading.active_count() <= before
    assert len(list(stream.epoch(0))) == 23


def test_a_new_epoch_ends_the_one_that_is_open(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(), seed=0, augment=AUGMENT)
    first = stream.epoch(0)
    next(first)
    second = stream.epoch(1)
    with pytest.raises(RuntimeError, match="began another epoch"):
        next(first)
    assert len(list(second)) == 5
    assert next(second, None) is None
    third = stream.epoch(2)
    next(third)
    stream.close()
    with pytest.raises(RuntimeError, match="the stream was closed"):
        next(third)


def test_a_clone_is_kept_when_the_next_batch_comes(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(prefetch=1), seed=0, augment=AUGMENT)
    kept = [(batch.clone(), batch.images_NHWC.sum(), batch.planes_NB.sum()) for batch in stream.epoch(0)]
    for batch, images, planes in kept:
        assert (batch.images_NHWC.sum(), batch.planes_NB.sum()) == (images, planes)


def damaged(folder: Path) -> tuple[ShardSet, int]:
    """Return a set of which one bit of one image was turned over, and that sample's number."""
    make_set(folder, SAMPLES, encoding=EncodingSpec(image="raw"), canvas=CANVAS)
    return damage(ShardSet(folder))


def damage(shard_set: ShardSet) -> tuple[ShardSet, int]:
    column = shard_set.shards[0].columns["image"]
    with column.path.open("r+b") as file:
        file.seek(int(column.offset[11]) + 1000)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    return shard_set, 11


@pytest.mark.parametrize("augment", [AUGMENT, None])
def test_with_verify_first_a_raw_page_is_compared_once(
    tmp_path: Path, augment: AugmentSettings | None
) -> None:
    make_set(tmp_path, SAMPLES, encoding=EncodingSpec(image="raw"), canvas=CANVAS)
    opened = ShardSet(tmp_path)
    streams = {
        verify: Stream(opened, settings(verify=verify), seed=0, augment=augment)
        for verify in ("first", "shards")
    }
    for stream in streams.values():
        list(stream.epoch(0))
    damage(opened)
    assert len(list(streams["first"].epoch(1))) == 5
    with pytest.raises(DamageError):
        list(streams["shards"].epoch(1))
    with pytest.raises(DamageError):
        list(Stream(opened, settings(verify="first"), seed=0, augment=augment).epoch(0))


@pytest.mark.parametrize("augment", [AUGMENT, None])
def test_damage_ends_the_epoch_and_names_the_sample(tmp_path: Path, augment: AugmentSettings | None) -> None:
    shard_set, number = damaged(tmp_path)
    stream = Stream(shard_set, settings(batch_size=1), seed=0, augment=augment)
    streamed: list[int] = []
    with pytest.raises(DamageError, match=SAMPLES[number].meta.key) as caught:
        streamed.extend(batch.numbers[0] for batch in stream.epoch(0))
    assert "CRC-32C" in caught.value.expected
    assert number not in streamed and len(streamed) < 23


def test_a_page_that_is_not_what_its_set_says_names_the_sample(tmp_path: Path) -> None:
    # The bytes are those that were written, so no checksum can tell.
    other = make_set(tmp_path / "b", SAMPLES[:2], encoding=EncodingSpec(image="raw"), canvas=CANVAS)
    shard_set = ShardSet(other)
    object.__setattr__(shard_set, "canvas", (128, 128))
    stream = Stream(shard_set, settings(batch_size=1), seed=0, augment=None)
    with pytest.raises(DamageError, match=f"of {SAMPLES[0].meta.key}"):
        list(stream.epoch(0))


def test_a_fault_of_ours_names_the_sample(shard_set: ShardSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decoder, "_augmented", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        list(Stream(shard_set, settings(), seed=0, augment=AUGMENT).epoch(0))
    assert "while decoding sample 'pages/000" in caught.value.__notes__[0]


def test_an_interrupt_while_waiting_stops_at_once(
    shard_set: ShardSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoder, "_augmented", lambda *_: time.sleep(0.5))
    timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
    stream = Stream(shard_set, settings(batch_size=20), seed=0, augment=AUGMENT)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a process that just began
    started = time.perf_counter()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            list(stream.epoch(0))
    finally:
        signal.signal(signal.SIGINT, before)
    timer.join()
    # What is being decoded is finished; the other samples, five seconds' work, are not begun.
    assert time.perf_counter() - started < 3


def test_jpeg_pages_come_within_what_jpeg_loses(tmp_path: Path) -> None:
    make_set(tmp_path, SAMPLES[:2], encoding=EncodingSpec(jpeg_quality=95), canvas=CANVAS)
    batch = next(iter(Stream(ShardSet(tmp_path), settings(batch_size=2), seed=0, augment=None).epoch(0)))
    for row, number in enumerate(batch.numbers):
        error = batch.images_NHWC[row].numpy().astype(int) - SAMPLES[number].image_HWC
        assert np.abs(error).mean() < 6


def test_off_the_page_is_the_padding_colour(tmp_path: Path) -> None:
    geometry = GeometrySpec(canvas=CANVAS, pad_color=(9, 90, 200))
    make_set(tmp_path, SAMPLES[:1], encoding=EncodingSpec(image="raw"), canvas=CANVAS, geometry=geometry)
    augment = AugmentSettings(
        flip=0, rotation=0, scale=(0.5, 0.5), brightness=0, contrast=0, saturation=0, grayscale=0
    )
    stream = Stream(ShardSet(tmp_path), settings(batch_size=1, crop=(128, 128)), seed=0, augment=augment)
    batch = next(iter(stream.epoch(0)))
    is_pad = (batch.images_NHWC[0].numpy() == (9, 90, 200)).all(axis=-1)
    assert is_pad.sum() >= 128 * 128 - 65 * 49
    planes = whole(batch)
    assert not planes["distance"][0][is_pad].any() and planes["prob_mask"][0][is_pad].all()


def test_crop_none_is_the_canvas(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(crop=None), seed=0, augment=AUGMENT)
    assert next(iter(stream.epoch(0))).images_NHWC.shape == (4, *CANVAS, 3)


def test_an_empty_overlap_is_zero_also_after_one_that_is_not(tmp_path: Path) -> None:
    def overlaps(sample: object) -> bool:
        return isinstance(sample, DistanceMaps) and sample.overlap_HW is not None

    assert overlaps(SAMPLES[0].maps) and not overlaps(SAMPLES[1].maps)
    make_set(tmp_path, SAMPLES[:2], encoding=EncodingSpec(), canvas=CANVAS)
    for augment in (AUGMENT, None):
        stream = Stream(ShardSet(tmp_path), settings(batch_size=1, prefetch=1), seed=0, augment=augment)
        for epoch in range(4):
            for batch in stream.epoch(epoch):
                assert bool(batch.planes["overlap"].any()) <= (batch.numbers == (0,))


def test_a_start_beyond_the_epoch_is_refused(shard_set: ShardSet) -> None:
    stream = Stream(shard_set, settings(), seed=0, augment=AUGMENT)
    assert list(stream.epoch(0, 5)) == []
    with pytest.raises(ValueError, match="batch 6 of an epoch of 5"):
        stream.epoch(0, 6)


def test_a_set_smaller_than_a_batch_is_refused(shard_set: ShardSet) -> None:
    with pytest.raises(UsageError, match="23 samples in batches of 64"):
        Stream(shard_set, settings(batch_size=64), seed=0, augment=AUGMENT)


def test_a_batch_moves_to_a_device(shard_set: ShardSet) -> None:
    batch = next(iter(Stream(shard_set, settings(), seed=0, augment=AUGMENT).epoch(0)))
    moved = batch.to("cpu")
    assert torch.equal(moved.images_NHWC, batch.images_NHWC)
    assert moved.planes.keys() == batch.planes.keys()
    assert (moved.numbers, moved.position) == (batch.numbers, batch.position)


def test_memory_waits_for_the_device_that_copies_from_it() -> None:
    class Event:
        waited = False

        def synchronize(self) -> None:
            self.waited = True

    slot, event = Slot(1, (32, 32), {"distance": (32, 32)}), Event()
    slot.copied = event  # type: ignore[assignment]
    slot.wait_until_free()
    assert event.waited and slot.copied is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_reach_a_cuda_device_whole(shard_set: ShardSet) -> None:
    chosen = settings(batch_size=2, prefetch=1)
    expected = contents(Stream(shard_set, chosen, seed=0, augment=AUGMENT).epoch(0))
    stream = Stream(shard_set, chosen, seed=0, augment=AUGMENT)
    moved = [batch.to("cuda") for batch in stream.epoch(0)]
    assert contents(iter([batch.to("cpu") for batch in moved])) == expected
