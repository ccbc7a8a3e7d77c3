"""What `scripts/bench_stream` measures besides rates, and the floors it holds all figures against."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts"), str(ROOT / "tests")]

FLOORS: tuple[tuple[str, str, str, int, float], ...] = (
    ("npz float32 + JPEG", "textshards", "times npz, one core", 1, 11.0),
    ("litdata", "textshards", "times litdata, one core", 1, 1.2),
    ("MosaicML streaming", "textshards", "times MosaicML, one core", 1, 1.6),
    ("webdataset's loop", "textshards", "times webdataset's loop, one core", 1, 1.6),
    ("webdataset's loop and decoder", "textshards", "times webdataset's loop and decoder, one core", 1, 1.6),
    ("FFCV", "textshards", "times FFCV, one core", 1, 1.0),
    ("JPEG decoding alone", "textshards", "of JPEG decoding alone, one core", 1, 0.8),
    ("litdata", "textshards", "times litdata with two workers", 2, 3.0),
    ("MosaicML streaming", "textshards", "times MosaicML with two workers", 2, 3.0),
    ("FFCV", "textshards", "times FFCV, two cores", 2, 1.5),
    ("raw memory map", "textshards, speed (raw pages)", "of the raw memory map, speed preset", 1, 0.7),
    ("zarr in order, zarrs", "textshards, zarr, raw pages", "times zarrs reading in order", 1, 1.0),
)
"""(beside what, what, in words, cores, at least so many times its rate)"""

LIMITS = {
    "bytes of the speed preset, of the raw memory map's": 0.6,
    "random access to one Zarr sample, ms": 5.0,
    "augmentation, of the JPEG decoding's CPU": 1.0,
    "first batch of a fresh process, s": 1.5,
    "memory growth over 20 epochs, MB": 8.0,
    "index of 1,000,000 samples, three processes, MB": 200.0,
}
"""At most."""
AT_LEAST = {"augmented, times the on-the-fly way": 8.0, "two cores, times our own one core": 1.7}


def floors(rows: list[dict[str, Any]], checks: dict[str, float]) -> list[dict[str, Any]]:
    """Hold figures against floors, by samples a second and by CPU time; `holds` is by samples a second."""
    by_name = {(row["row"], row["cores"]): row for row in rows}
    found = []
    for beside, what, words, cores, wanted in FLOORS:
        other, mine = by_name.get((beside, cores)), by_name.get((what, cores))
        if other and mine:
            wall, cpu = mine["per_s"] / other["per_s"], other["cpu_ms"] / max(mine["cpu_ms"], 1e-9)
            found.append(
                {"floor": words, "wanted": wanted, "wall": wall, "cpu": cpu, "holds": wall >= wanted}
            )
    one, two = by_name.get(("textshards", 1)), by_name.get(("textshards", 2))
    values = dict(checks)
    if one and two:
        values["two cores, times our own one core"] = two["per_s"] / one["per_s"]
    for name, wanted in (LIMITS | AT_LEAST).items():
        if name in values:
            holds = values[name] >= wanted if name in AT_LEAST else values[name] <= wanted
            found.append({"floor": name, "wanted": wanted, "wall": values[name], "cpu": None, "holds": holds})
    return found


def measure_all(folder: Path, source: Path) -> dict[str, float]:
    """Measure each in a process of its own."""
    found: dict[str, float] = {}
    for name in ("augmentation", "access", "first", "growth", "index"):
        command = [sys.executable, __file__, name, str(folder), str(source)]
        started = time.time()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}:\n{done.stderr[-3000:]}")
        found |= json.loads(done.stdout.splitlines()[-1])
        if name == "first":
            found["first batch of a fresh process, s"] -= started
    return found


def augmentation(folder: Path, source: Path) -> dict[str, float]:
    """CPU of an augmented crop beyond that of decoding it, and the way that renders on the fly."""
    import cv2

    from formats.shards import ShardSet
    from train.augment import AugmentSettings
    from train.batch import Slot
    from train.decode import Decoder

    cv2.setNumThreads(1)
    opened = ShardSet(folder / "jpeg", ["train"])
    count = min(len(opened), 64)
    page, scratch = np.empty((*opened.canvas, 3), np.uint8), np.empty(opened.plane_bytes, np.uint8)
    decoder = Decoder(opened, crop=(640, 640), augment=AugmentSettings(), seed=0)
    slots = [Slot(16, decoder.size, decoder.shapes) for _ in range(count // 16 + 1)]
    work = {
        "image": lambda number, _: opened.image(number, page),
        "planes": lambda number, _: opened.planes(number, scratch),
        "crop": lambda number, turn: decoder(slots[number // 16], number % 16, number, turn),
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(8):
        for name, read in work.items():
            started = time.thread_time()
            for number in range(count):
                read(number, turn)
            taken[name].append((time.thread_time() - started) / count)
    image, planes, crop = (median(figures[1:]) for figures in taken.values())
    usual = on_the_fly(opened, source, 16)
    return {
        "augmentation, of the JPEG decoding's CPU": (crop - image - planes) / image,
        "JPEG decoding, CPU ms": 1e3 * image,
        "map decoding, CPU ms": 1e3 * planes,
        "augmented crop, CPU ms": 1e3 * crop,
        "on the fly, CPU ms": 1e3 * usual,
        "augmented, times the on-the-fly way": usual / crop,
    }


def on_the_fly(opened: Any, source: Path, count: int) -> float:
    """CPU seconds a page: decode the original, resize, augment page and polygons, render in NumPy."""
    import cv2

    from formats.sample import Meta
    from train.augment import AugmentSettings, draw_for

    loader = importlib.machinery.SourceFileLoader("bench_render", str(ROOT / "scripts" / "bench_render"))
    spec = importlib.util.spec_from_loader("bench_render", loader)
    assert spec is not None
    render = importlib.util.module_from_spec(spec)
    sys.modules["bench_render"] = render
    loader.exec_module(render)
    names = [line.split("\t")[0] for line in (source / "train_list.txt").read_text().splitlines()]
    crop, total = (640, 640), 0.0
    for number in range(count):
        meta: Meta = opened.meta(number)
        planes = opened.planes(number)
        draw = draw_for(opened.key(number), planes, AugmentSettings(), 0, 0, crop)
        path = source / names[number % len(names)]
        started = time.thread_time()
        page = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        scale = meta.to_canvas_23[0, 0]
        page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        page = cv2.warpAffine(page, draw.matrix_23, crop[::-1])
        if draw.color_34 is not None:
            cv2.transform(page, draw.color_34)
        moved = [
            text.polygon_V2 @ draw.matrix_23[:, :2].T + draw.matrix_23[:, 2]
            for text in meta.texts
            if text.status in ("care", "dont_care", "too_small")
        ]
        seen = [polygon for polygon in moved if _touches(polygon, crop)]
        render.usual_maps(seen, [False] * len(seen), crop)
        total += time.thread_time() - started
    return total / count


def _touches(polygon_V2: Any, crop: tuple[int, int]) -> bool:
    (left, top), (right, bottom) = polygon_V2.min(axis=0), polygon_V2.max(axis=0)
    return bool(left < crop[1] and right > 0 and top < crop[0] and bottom > 0)


def access(folder: Path, _: Path) -> dict[str, float]:
    """Milliseconds to one sample of a Zarr set, image, maps and meta data; and the bytes of the raw set."""
    from formats.shards import ShardSet

    found = {}
    raw = ShardSet(folder / "raw", ["train"])
    H, W = raw.canvas
    stored = sum(raw.stored_bytes(number) for number in range(len(raw))) / len(raw)
    found["bytes of the speed preset, of the raw memory map's"] = stored / (7 * H * W)
    if (folder / "zarr").exists():
        opened = ShardSet(folder / "zarr", ["train"])
        taken = []
        for number in np.random.default_rng(0).permutation(len(opened)):
            started = time.perf_counter()
            opened.sample(int(number))
            taken.append(time.perf_counter() - started)
        found["random access to one Zarr sample, ms"] = 1e3 * median(taken)
    return found


def first(folder: Path, _: Path) -> dict[str, float]:
    """When the first batch was there, in seconds of the clock."""
    from formats.shards import ShardSet
    from train.augment import AugmentSettings
    from train.stream import Stream, StreamSettings

    stream = Stream(ShardSet(folder / "jpeg", ["train"]), StreamSettings(), seed=0, augment=AugmentSettings())
    next(iter(stream.epoch(0)))
    return {"first batch of a fresh process, s": time.time()}


def growth(folder: Path, _: Path) -> dict[str, float]:
    """Resident memory after 22 epochs beside that after two."""
    from formats.shards import ShardSet
    from train.augment import AugmentSettings
    from train.stream import Stream, StreamSettings

    stream = Stream(ShardSet(folder / "jpeg", ["train"]), StreamSettings(), seed=0, augment=AugmentSettings())
    seen = []
    for epoch in range(23):
        for _batch in stream.epoch(epoch):
            pass
        seen.append(_resident_mb(Path("/proc/self")))
    return {"memory growth over 20 epochs, MB": seen[-1] - seen[2]}


def index(_: Path, __: Path) -> dict[str, float]:
    """What an opened set of a million samples takes, and what two forked DataLoader workers add to it."""
    from made_manifests import write_sets

    with tempfile.TemporaryDirectory(prefix="bench_stream_index_") as scratch:
        write_sets(Path(scratch), 1_000_000)
        command = [sys.executable, __file__, "opened", scratch, scratch]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout.splitlines()[-1]))


def opened(folder: Path, _: Path) -> dict[str, float]:
    import os

    from formats.shards import ShardSet

    libc = importlib.import_module("ctypes").CDLL(None)
    before = _resident_mb(Path("/proc/self"))
    shard_set = ShardSet(folder / "a")
    libc.malloc_trim(0)
    mine = _resident_mb(Path("/proc/self")) - before
    added = 0.0
    for _worker in range(2):
        read, write = os.pipe()
        if not os.fork():
            start = _private_mb()
            for number in range(0, len(shard_set), 7):
                shard_set.key(number)
                shard_set.stored_bytes(number)
            os.write(write, str(_private_mb() - start).encode())
            os._exit(0)
        added += float(os.read(read, 100))
        os.wait()
    return {
        "index of 1,000,000 samples, three processes, MB": mine + added,
        "of it in two workers, MB": added,
        "peak while opening, MB": _peak_mb(),
    }


def _resident_mb(process: Path) -> float:
    return int((process / "statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _peak_mb() -> float:
    # Not ru_maxrss, which a process inherits from the one that started it.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _private_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


if __name__ == "__main__":
    part = {
        "augmentation": augmentation,
        "access": access,
        "first": first,
        "growth": growth,
        "index": index,
        "opened": opened,
    }
    print(json.dumps(part[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))))
