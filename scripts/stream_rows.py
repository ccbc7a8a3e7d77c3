"""The ways of reading that `scripts/bench_stream` compares: ours, and those of other libraries.

Each row writes what it reads from the same pages, and reads one epoch of it in batches of uint8 tensors.
litdata, MosaicML and webdataset's loop hold the very payloads of our shards and decode them with the same
functions, so that what differs is the way from the disk to the batch.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from formats.codecs import content_size, decode_image, decompress
from formats.sample import Bytes, TargetMaps
from formats.shards import ShardSet
from train.augment import AugmentSettings
from train.stream import Stream, StreamSettings

MAPS = ("prob", "prob_mask", "thresh", "thresh_mask")
Epoch = Callable[[int], int]


@dataclass(frozen=True)
class Sets:
    """The sets of the same pages, and a folder for what other libraries need.

    Attributes:
        jpeg: the default: JPEG and maps in a tar.
        raw: of the preset `speed`: raw pages in a tar.
        zarr: raw pages in Zarr.
    """

    folder: Path
    batch_size: int

    @property
    def jpeg(self) -> ShardSet:
        return ShardSet(self.folder / "jpeg", ["train"])

    @property
    def raw(self) -> ShardSet:
        return ShardSet(self.folder / "raw", ["train"])

    @property
    def zarr(self) -> ShardSet:
        return ShardSet(self.folder / "zarr", ["train"])

    @property
    def payloads(self) -> Iterator[dict[str, bytes]]:
        opened = self.jpeg
        for number in range(len(opened)):
            yield {name: opened.member(number, name) for name in ("image", "maps")}

    @property
    def planes(self) -> Iterator[list[Bytes]]:
        """The image and the four maps of each page, uint8."""
        opened = self.jpeg
        for number in range(len(opened)):
            yield [opened.image(number), *(getattr(four_maps(opened, number), f"{name}_HW") for name in MAPS)]

    def place(self, name: str, write: Callable[[Path], None]) -> Path:
        """Return the folder of a row's files, written where it is not yet there."""
        folder = self.folder / name
        if not (folder / "written").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write(folder)
            (folder / "written").touch()
        return folder


def four_maps(opened: ShardSet, number: int) -> TargetMaps:
    return opened.maps(number).target_maps(opened.settings.targets.shrink_ratio)


class Payloads:
    """From a page's two payloads to its tensors, as our own stream decodes them."""

    def __init__(self, sets: Sets) -> None:
        opened = sets.jpeg
        self.canvas, self.encoding, self.plane_bytes = opened.canvas, opened.encoding, opened.plane_bytes

    def __call__(self, payload: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        image_HWC = np.empty((*self.canvas, 3), np.uint8)
        decode_image(payload["image"], self.encoding, image_HWC)
        return torch.from_numpy(image_HWC), self.maps(payload["maps"])

    def maps(self, frame: bytes) -> torch.Tensor:
        """Return a frame's planes as a batch of ours has them."""
        H, W = self.canvas
        content_B = np.empty(self.plane_bytes, np.uint8)
        size, mask = content_size(frame), H * W // 8
        decompress(frame, content_B[:size])
        if size < self.plane_bytes:
            content_B[-mask:] = content_B[size - mask : size]
            content_B[H * W : -mask] = 0
        return torch.from_numpy(content_B)


def _loader(data: Any, sets: Sets, workers: int, *, shuffle: bool | None = None) -> Epoch:
    loader: DataLoader[Any] = DataLoader(
        data, sets.batch_size, shuffle=shuffle, num_workers=workers, persistent_workers=workers > 0
    )
    return lambda _: sum(len(batch[0]) for batch in loader)


def ours(opened: ShardSet, sets: Sets, cores: int, augment: AugmentSettings | None = None) -> Epoch:
    # Raw pages as configs/train_speed.yaml has them read.
    verify = "first" if opened.encoding.image == "raw" else "shards"
    settings = StreamSettings(batch_size=sets.batch_size, threads=cores, verify=verify)
    stream = Stream(opened, settings, seed=0, augment=augment)
    return lambda epoch: sum(len(batch) for batch in stream.epoch(epoch))


def jpeg_alone(sets: Sets, cores: int) -> Epoch:
    """Every page read and decoded, nothing else."""
    opened = sets.jpeg
    pages = [np.empty((*opened.canvas, 3), np.uint8) for _ in range(cores)]

    def some(thread: int) -> None:
        for number in range(thread, len(opened), cores):
            opened.image(number, pages[thread])

    def read(_: int) -> int:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(some, range(cores)))
        return len(opened)

    return read


class _Npz(Dataset[tuple[Any, ...]]):
    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, len(list(folder.glob("*.npz")))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        image = cv2.cvtColor(cv2.imread(str(self.folder / f"{number}.jpg")), cv2.COLOR_BGR2RGB)
        with np.load(self.folder / f"{number}.npz") as file:
            return tuple(torch.from_numpy(it) for it in (image, *(file[name] for name in MAPS)))


def npz(sets: Sets, workers: int) -> Epoch:
    """The state of things: a JPEG and a compressed npz of four float32 maps a page."""

    def write(folder: Path) -> None:
        for number, (payload, planes) in enumerate(zip(sets.payloads, sets.planes, strict=True)):
            (folder / f"{number}.jpg").write_bytes(payload["image"])
            maps = {name: it.astype(np.float32) for name, it in zip(MAPS, planes[1:], strict=True)}
            np.savez_compressed(folder / f"{number}.npz", **maps | {"thresh": 0.3 + maps["thresh"] / 637.5})

    return _loader(_Npz(sets.place("npz", write)), sets, workers, shuffle=True)


class _Mapped(Dataset[tuple[Any, ...]]):
    def __init__(self, folder: Path) -> None:
        self.all = np.load(folder / "pages.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        return (torch.from_numpy(np.array(self.all[number])),)


def _write_mapped(sets: Sets, folder: Path) -> None:
    opened = sets.jpeg
    H, W = opened.canvas
    pages = np.lib.format.open_memmap(folder / "pages.npy", "w+", np.uint8, (len(opened), 7 * H * W))
    for number, planes in enumerate(sets.planes):
        pages[number] = np.concatenate([plane.ravel() for plane in planes])


def memory_map(sets: Sets, workers: int) -> Epoch:
    """Image and four planes, raw, in one mapped file; copied into the same batch again and again."""
    data = _Mapped(sets.place("mapped", lambda folder: _write_mapped(sets, folder)))
    if workers:
        return _loader(data, sets, workers, shuffle=True)
    batch = np.empty((sets.batch_size, data.all.shape[1]), np.uint8)

    def read(epoch: int) -> int:
        order = np.random.default_rng(epoch).permutation(len(data))
        for place, number in enumerate(order):
            batch[place % len(batch)] = data.all[number]
        return len(data)

    return read


def webdataset(sets: Sets, workers: int, *, own_decoder: bool = False) -> Epoch:
    """webdataset's own loop over our own tars; pages by our functions, or as it decodes them, by Pillow."""
    wds = importlib.import_module("webdataset")
    names = [str(path) for path in sorted((sets.folder / "jpeg" / "shards").glob("*.tar"))]
    decode = Payloads(sets)
    data = wds.WebDataset(names, shardshuffle=len(names), seed=0, empty_check=False, workersplitter=None)
    data = data.shuffle(64)
    if own_decoder:
        data = data.decode("rgb8").map(lambda it: (torch.from_numpy(it["jpg"]), decode.maps(it["maps.zst"])))
    else:
        data = data.map(lambda it: decode({"image": it["jpg"], "maps": it["maps.zst"]}))
    return _loader(data, sets, min(workers, len(names)))


def litdata(sets: Sets, workers: int) -> Epoch:
    ld, writing = importlib.import_module("litdata"), importlib.import_module("litdata.streaming.writer")

    def write(folder: Path) -> None:
        writer = writing.BinaryWriter(str(folder), chunk_bytes="64MB")
        for number, payload in enumerate(sets.payloads):
            writer[number] = payload
        writer.done()
        writer.merge()

    data = ld.StreamingDataset(
        str(sets.place("litdata", write)), shuffle=True, drop_last=False, transform=Payloads(sets)
    )
    loader = ld.StreamingDataLoader(
        data, batch_size=sets.batch_size, num_workers=workers, persistent_workers=workers > 0
    )
    return lambda _: sum(len(batch[0]) for batch in loader)


def mosaicml(sets: Sets, workers: int) -> Epoch:
    streaming = importlib.import_module("streaming")
    decode = Payloads(sets)

    def write(folder: Path) -> None:
        with streaming.MDSWriter(
            out=str(folder / "mds"), columns={"image": "bytes", "maps": "bytes"}
        ) as writer:
            for payload in sets.payloads:
                writer.write(payload)

    class Pages(streaming.StreamingDataset):  # type: ignore[misc, name-defined]
        def __getitem__(self, number: int) -> Any:
            return decode(super().__getitem__(number))

    streaming.base.util.clean_stale_shared_memory()
    data = Pages(local=str(sets.place("mosaicml", write) / "mds"), shuffle=True, batch_size=sets.batch_size)
    return _loader(data, sets, workers)


def ffcv(sets: Sets, workers: int) -> Epoch:
    """JPEG pages, and raw planes: FFCV compresses nothing but images."""
    loading, fields = importlib.import_module("ffcv.loader"), importlib.import_module("ffcv.fields")
    decoders = importlib.import_module("ffcv.fields.decoders")
    transforms = importlib.import_module("ffcv.transforms")
    writing = importlib.import_module("ffcv.writer")
    canvas = sets.jpeg.canvas

    class Pages:
        def __init__(self) -> None:
            self.all = [(planes[0], np.stack(planes[1:])) for planes in sets.planes]

        def __len__(self) -> int:
            return len(self.all)

        def __getitem__(self, number: int) -> Any:
            return self.all[number]

    def write(folder: Path) -> None:
        image = fields.RGBImageField(write_mode="jpg", jpeg_quality=90)
        maps = fields.NDArrayField(np.dtype(np.uint8), (4, *canvas))
        writer = writing.DatasetWriter(
            str(folder / "pages.beton"), {"image": image, "maps": maps}, num_workers=1
        )
        writer.from_indexed_dataset(Pages())

    loader = loading.Loader(
        str(sets.place("ffcv", write) / "pages.beton"),
        batch_size=sets.batch_size,
        num_workers=max(workers, 1),
        order=loading.OrderOption.RANDOM,
        drop_last=False,
        pipelines={
            "image": [decoders.SimpleRGBImageDecoder(), transforms.ToTensor()],
            "maps": [decoders.NDArrayDecoder(), transforms.ToTensor()],
        },
    )
    return lambda _: sum(len(batch[0]) for batch in loader)


def zarr_in_order(sets: Sets, pipeline: str | None) -> Epoch:
    """Plain zarr over our Zarr shards, many samples a read; with the pipeline of `zarrs`, or its own."""
    zarr = importlib.import_module("zarr")
    if pipeline is not None:
        importlib.import_module(pipeline)
        zarr.config.set({"codec_pipeline.path": f"{pipeline}.ZarrsCodecPipeline", "threading.max_workers": 1})
    names = sorted((sets.folder / "zarr" / "shards").glob("train*.zarr"))
    groups = [zarr.open_group(path, mode="r") for path in names]
    arrays = [[group[name] for name in ("image", "distance", "overlap", "prob_mask")] for group in groups]

    def read(_: int) -> int:
        count = 0
        for parts in arrays:
            for start in range(0, parts[0].shape[0], sets.batch_size):
                batch = [part[start : start + sets.batch_size] for part in parts]
                batch[3] = np.unpackbits(batch[3], axis=2)
                tensors = [torch.from_numpy(part) for part in batch]
                count += len(tensors[0])
        return count

    return read


def rows(sets: Sets, cores: int, peers: tuple[str, ...]) -> dict[str, Callable[[], Epoch]]:
    """Return by name what makes each row ready, for so many cores."""
    workers = cores if cores > 1 else 0
    found: dict[str, Callable[[], Epoch]] = {
        "JPEG decoding alone": lambda: jpeg_alone(sets, cores),
        "textshards": lambda: ours(sets.jpeg, sets, cores),
        "textshards, augmented crops": lambda: ours(sets.jpeg, sets, cores, AugmentSettings()),
        "textshards, speed (raw pages)": lambda: ours(sets.raw, sets, cores),
        "textshards, zarr, raw pages": lambda: ours(sets.zarr, sets, cores),
        "npz float32 + JPEG": lambda: npz(sets, workers),
        "webdataset's loop": lambda: webdataset(sets, workers),
        "webdataset's loop and decoder": lambda: webdataset(sets, workers, own_decoder=True),
        "raw memory map": lambda: memory_map(sets, workers),
    }
    if "litdata" in peers:
        found["litdata"] = lambda: litdata(sets, workers)
    if "mosaicml" in peers:
        found["MosaicML streaming"] = lambda: mosaicml(sets, workers)
    if "ffcv" in peers:
        found["FFCV"] = lambda: ffcv(sets, cores)
    if cores == 1:
        # Its threads do not outlive a fork, so that it runs where there are no workers.
        found["zarr in order"] = lambda: zarr_in_order(sets, None)
        if "zarrs" in peers:
            found["zarr in order, zarrs"] = lambda: zarr_in_order(sets, "zarrs")
    return found


def cpu_seconds() -> float:
    """Return CPU time of this process and of its living and ended children."""
    own = sum(os.times()[:4])
    tick = os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(words[1]) == os.getpid():
            own += (int(words[11]) + int(words[12])) / tick
    return own
