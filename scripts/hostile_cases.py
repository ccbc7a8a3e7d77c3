"""One hostile case at a time: an input is made from a seed and given to what a build does with it.

A case returns what became of the input in a word. It may raise TextshardsError; anything else is a fault.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hostile_values import NAMES, Rng, json_bytes, leaf, mutated, polygon, written, yaml_text
from made_pages import made_config, made_page, made_pages

from formats.errors import SampleError
from formats.fingerprint import canonical, sha256
from formats.manifest import Quarantined, SetSettings
from formats.members import encode_sample
from formats.placement import place
from formats.settings import load_settings, validate_settings
from formats.spec import GeometrySpec
from formats.storage import inside
from pipeline.config import BuildConfig
from pipeline.geometry import draw_page
from pipeline.images import read_image
from pipeline.page import make_sample
from pipeline.plan import make_plan
from pipeline.sources import SourceSettings, read_annotations
from pipeline.sources.image_paths import image_path, locate, printable
from pipeline.sources.record import Annotations, Rejected, SourceRecord, SourceText, UnusableError

MAX_PIXELS = 4_000_000
CANVAS = [128, 160]
POINTS = [[10, 8], [90, 8], [90, 28], [10, 28]]
FLAT = [coordinate for point in POINTS for coordinate in point]
PAGES = ("train/page_0.jpg", "train/page_1.jpg")
TEMPLATES: dict[str, Any] = {
    "ufo": {
        "images": {
            name: {
                "words": {"1": {"points": POINTS, "transcription": "a", "illegibility": False}},
                "img_h": 96,
            }
            for name in PAGES
        }
    },
    "labelme": {
        "imagePath": "page_0.jpg",
        "imageHeight": 96,
        "imageWidth": 128,
        "shapes": [{"label": "a", "points": POINTS, "shape_type": "polygon"}],
    },
    "coco": {
        "images": [{"id": i, "file_name": name, "height": 96, "width": 128} for i, name in enumerate(PAGES)],
        "annotations": [
            {"id": i, "image_id": i, "iscrowd": 0, "segmentation": [FLAT], "bbox": [0, 0, 9, 9], "text": "a"}
            for i in range(2)
        ],
    },
    "cocotext": {
        "imgs": {
            str(i): {"id": i, "set": "train", "file_name": name, "height": 96, "width": 128}
            for i, name in enumerate(PAGES)
        },
        "anns": {
            str(i): {"image_id": i, "mask": FLAT, "bbox": [0, 0, 9, 9], "legibility": "legible"}
            for i in range(2)
        },
    },
    "mmocr0": {"file_name": PAGES[0], "height": 96, "annotations": [{"iscrowd": 0, "segmentation": [FLAT]}]},
    "mmocr1": {
        "data_list": [
            {"img_path": name, "height": 96, "width": 128, "instances": [{"polygon": FLAT, "ignore": False}]}
            for name in PAGES
        ]
    },
    "paddle": [{"transcription": "a", "points": POINTS}, {"transcription": "###", "points": POINTS}],
}
LINES = {
    "icdar": b'10,8,90,8,90,28,10,28,word, with comma\r\n12,40,120,60,"box"\n1,2,3,4,5,6,7,8,###\n',
    "polygons": b"10,8,90,8,90,28,50,40,10,28,a\n1,2,3,4,5,6,1966\n",
}


@dataclass(frozen=True)
class Ground:
    """What cases work on, made once: a source folder with traps in it, images of all kinds, annotations."""

    folder: Path
    images: list[bytes]
    texts: dict[str, list[bytes]]
    plain_config: str

    @property
    def root(self) -> Path:
        """The source folder."""
        return self.folder / "source"


def lay_ground(folder: Path, real: Path | None) -> Ground:
    """Make what cases work on; with real pages and annotations where there are any."""
    import json

    root = made_pages(folder / "source", 2)
    (folder / "outside.jpg").write_bytes(made_page(9))
    for name, target in (
        ("link_out.jpg", "../outside.jpg"),
        ("link_folder", "/etc"),
        ("loop.jpg", "loop.jpg"),
        ("zero.jpg", "/dev/zero"),
    ):
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe.jpg")
    (root / "folder.jpg").mkdir()
    texts = {name: [] for name in (*TEMPLATES, *LINES)}
    images = list(_made_images())
    if real is not None:
        images += [path.read_bytes() for path in sorted(real.glob("*/t*/images/*.jpg"))[:12]]
        texts["icdar"] += [path.read_bytes() for path in sorted(real.glob("icdar2015/train/gt/*.txt"))[:20]]
        texts["polygons"] += [path.read_bytes() for path in sorted(real.glob("totaltext/**/*.txt"))[:20]]
        texts["labelme"] += [path.read_bytes() for path in sorted(real.glob("formats/labelme/*.json"))]
    return Ground(folder, images, texts, json.dumps(made_config(root)))


def _made_images() -> Iterator[bytes]:
    rng = np.random.default_rng(5)
    for shape in (
        (96, 128, 3),
        (96, 128),
        (40, 30, 4),
        (1, 3000, 3),
        (3000, 1),
        (1, 1, 3),
        (7, 0x101, 3),
        (2, 30_000, 3),
    ):
        for kind in (np.uint8, np.uint16):
            image = rng.integers(0, np.iinfo(kind).max, shape).astype(kind)
            for suffix in (".jpg", ".png", ".bmp", ".tiff", ".webp"):
                with suppress(cv2.error):
                    done, data = cv2.imencode(suffix, image)
                    if done:
                        yield data.tobytes()


def settings_of(rng: Rng) -> SetSettings:
    """Return settings of a small canvas, the others by chance."""
    geometry = {
        "canvas": CANVAS,
        "resize": str(rng.choice(["longest", "shortest", "exact"])),
        "interpolation": str(rng.choice(["area", "linear", "cubic", "lanczos"])),
        "exif": str(rng.choice(["apply", "ignore"])),
        "position": str(rng.choice(["top_left", "center"])),
    }
    targets = {"min_size": int(rng.choice([0, 8])), "small_text": str(rng.choice(["ignore", "keep"]))}
    encoding = {"maps": str(rng.choice(["distance", "planes"]))}
    sections: dict[str, object] = {"geometry": geometry, "targets": targets, "encoding": encoding}
    values = made_config(Path("x"), **sections)  # type: ignore[arg-type]
    return validate_settings(BuildConfig, values, "fuzz").set_settings


def image_case(rng: Rng, ground: Ground) -> str:
    """Decode a damaged or lying image and lay it on a canvas."""
    data = ground.images[rng.integers(len(ground.images))]
    data = (lambda d: d, lambda d: lying(rng, d), lambda d: mutated(rng, d))[rng.integers(3)](data)
    geometry: GeometrySpec = settings_of(rng).geometry
    image_HWC = read_image(data, exif=geometry.exif, max_pixels=MAX_PIXELS)
    height, width, channels = image_HWC.shape
    assert height * width <= MAX_PIXELS and channels == 3 and image_HWC.dtype == np.uint8
    page_HWC = draw_page(image_HWC, place((height, width), geometry), geometry)
    assert page_HWC.shape == (*geometry.canvas, 3)
    return "used"


def lying(rng: Rng, data: bytes) -> bytes:
    """Return an image whose header says another size than its pixels have."""
    sides = [int(rng.choice([0, 1, 7, 255, 65_535, 100_000, 2**31 - 1, 2**31, 2**32 - 1])) for _ in range(2)]
    changed = bytearray(data)
    if data.startswith(b"\x89PNG"):
        changed[16:24] = b"".join(side.to_bytes(4, "big") for side in sides)
        changed[29:33] = zlib.crc32(changed[12:29]).to_bytes(4, "big")
    elif data.startswith(b"\xff\xd8"):
        at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
        changed[at : at + 4] = b"".join((side & 0xFFFF).to_bytes(2, "big") for side in sides)
    elif data.startswith(b"BM"):
        changed[18:26] = b"".join(side.to_bytes(4, "little") for side in sides)
    elif data.startswith(b"RIFF"):
        changed[20:30] = rng.bytes(10)
    else:
        at = int(rng.integers(max(len(data) - 200, 8), len(data)))
        changed[at : at + 4] = sides[0].to_bytes(4, "little")
    return bytes(changed)


def annotation_case(rng: Rng, ground: Ground) -> str:
    """Read a hostile annotation of any format, and make the samples that come of it."""
    format = str(rng.choice([*TEMPLATES, *LINES]))
    data = _annotation(rng, ground, format)
    root = ground.root
    (root / "annotation.bin").write_bytes(data)
    listed = format in LINES
    if listed:
        (root / "list.txt").write_bytes(_list(rng))
    with suppress(FileNotFoundError):
        (root / "train/hostile.json").unlink()
    if format == "labelme":
        (root / "train/hostile.json").write_bytes(data)
    split = "list.txt" if listed else "train/hostile.json" if format == "labelme" else "annotation.bin"
    settings = SourceSettings(
        format=format,  # type: ignore[arg-type]
        root=root,
        splits={"train": split},
        image_path=str(rng.choice(["full", "name"])),  # type: ignore[arg-type]
        images="train" if rng.random() < 0.1 else "",
    )
    return use(rng, read_annotations(settings), root)


def _annotation(rng: Rng, ground: Ground, format: str) -> bytes:
    real = ground.texts[format]
    if format in LINES:
        return _lines(rng, real[rng.integers(len(real))] if real and rng.random() < 0.5 else LINES[format])
    if real and rng.random() < 0.3:
        return mutated(rng, real[rng.integers(len(real))])
    text = json_bytes(rng, TEMPLATES[format])
    name = NAMES[rng.integers(len(NAMES))] if rng.random() < 0.3 else PAGES[0]
    prefix = name.encode("utf-8", "surrogatepass") + b"\t" if format == "paddle" else b""
    return prefix + text


def _lines(rng: Rng, data: bytes) -> bytes:
    kind = rng.integers(4)
    if kind < 2:
        return mutated(rng, data)
    fields = data.split(b",")
    for _ in range(rng.integers(1, 4)):
        fields[rng.integers(len(fields))] = written(leaf(rng))[:300_000]
    return b",".join(fields)


def _list(rng: Rng) -> bytes:
    names = [*PAGES, *(NAMES[i] for i in rng.integers(0, len(NAMES), 2))]
    lines = [f"{name}\tannotation.bin\n" for name in names] + [f"{PAGES[1]}\t{names[-1]}\n"]
    return "".join(lines).encode("utf-8", "surrogatepass")


def use(rng: Rng, annotations: Annotations, root: Path) -> str:
    """Do with annotations what a build does; check what it relies on."""
    for rejected in annotations.rejected:
        check_rejected(rejected)
    for record in annotations.records:
        assert record.image.resolve().is_relative_to(root.resolve()), record.image
    settings = settings_of(rng)
    hashes = {record.key: sha256(record.image.read_bytes()) for record in annotations.records}
    make_plan(annotations, hashes, settings)
    made = sum(make(record, hashes[record.key], settings) for record in annotations.records[:3])
    return "used" if made else "quarantined"


def check_rejected(row: Rejected) -> None:
    """Check that a rejected sample can be written down."""
    reason = Quarantined(key=row.key, split=row.split, reason=row.reason, where=row.where)
    assert b"\n" not in canonical(reason.model_dump(mode="json"))
    assert len(reason.reason) < 2000 and len(reason.key) < 2000, "a reason nobody can read"


def make(record: SourceRecord, image_sha256: str, settings: SetSettings) -> bool:
    """Make a page's sample and encode it; False where it is quarantined."""
    try:
        sample = make_sample(record, image_sha256, settings, MAX_PIXELS)
    except SampleError as error:
        check_rejected(Rejected(record.key, record.split, " ".join(str(error).split()), record.annotation))
        return False
    encoded = encode_sample(sample, "sha256-ts1:" + "0" * 64, settings.encoding)
    assert encoded.meta and all(plane.dtype == np.uint8 for plane in encoded.planes.values())
    return True


def polygon_case(rng: Rng, ground: Ground) -> str:
    """Render polygons that no person drew."""
    texts = []
    for _ in range(int(rng.choice([1, 3, 30]))):
        points_V2 = polygon(rng)
        points_V2.flags.writeable = False
        texts.append(SourceText(points_V2, bool(rng.random() < 0.2), None))
    image = ground.root / PAGES[0]
    record = SourceRecord(PAGES[0], "train", image, tuple(texts), "fuzz:1")
    return "used" if make(record, sha256(image.read_bytes()), settings_of(rng)) else "quarantined"


def config_case(rng: Rng, ground: Ground) -> str:
    """Load a hostile configuration, with hostile overrides; read the source it names, if that is ours."""
    path = ground.folder / "config.yaml"
    path.write_bytes(yaml_text(rng, ground.plain_config))
    words = []
    for _ in range(rng.integers(0, 3)):
        name = str(
            rng.choice(["source.root", "source.splits.train", "geometry.canvas", "runtime.workers", "a..b"])
        )
        words.append(f"{name}={written(leaf(rng))[:50_000].decode()}")
    if rng.random() < 0.2:
        folders = {"images": NAMES[rng.integers(len(NAMES))], "gt": NAMES[rng.integers(len(NAMES))]}
        path.write_text(ground.plain_config)
        words = ["source.splits.train=" + written(folders).decode()]
    config = load_settings(BuildConfig, path, words)
    with suppress(ValueError, OSError):
        if config.source.root.is_dir() and config.source.root != ground.root:
            return "used"  # some other folder of this machine: not to be read
    read_annotations(config.source)
    return "used"


def name_case(rng: Rng, ground: Ground) -> str:
    """Look for files under names out of an annotation and out of a manifest."""
    name = NAMES[rng.integers(len(NAMES))]
    if rng.random() < 0.5:
        name = mutated(rng, name.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    folder = str(rng.choice(["", "train", "train/.."]))
    root = ground.root.resolve()
    try:
        found = locate(root, image_path(folder, name, bool(rng.random() < 0.3)))
        assert found.resolve().is_relative_to(root) and found.is_file()
    except UnusableError as error:
        check_rejected(Rejected("fuzz", "train", printable(error.reason), "fuzz:1"))
    path = inside(ground.folder / "set", name)
    assert os.path.normpath(path).startswith(str(ground.folder / "set"))
    return "used"


def folder_case(rng: Rng, ground: Ground) -> str:
    """Read source folders with links in circles, pipes and devices where files should be."""
    root = ground.folder / "trap"
    shutil.rmtree(root, ignore_errors=True)
    (root / "images").mkdir(parents=True)
    (root / "gt").mkdir()
    traps: tuple[Callable[[Path], object], ...] = (
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(LINES["icdar"]),
        lambda path: path.write_bytes(b'{"imagePath": "../images/a.jpg", "shapes": []}'),
    )
    (root / "images/b.jpg").write_bytes(made_page(2))
    (root / "gt/b.txt").write_bytes(LINES["icdar"])
    (root / "gt/b.json").write_bytes(b'{"imagePath": "../images/b.jpg", "shapes": []}')
    for name in ("images/a.jpg", "gt/a.txt", "gt/a.json"):
        traps[rng.integers(len(traps))](root / name)
    for circle in ("round", "about"):
        if rng.random() < 0.5:
            (root / "gt" / circle).symlink_to(".")
    if rng.random() < 0.3:
        (root / "images" / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(made_page(1))
    sources: tuple[dict[str, Any], ...] = (
        {"format": "icdar", "splits": {"train": {"images": "images", "gt": "gt"}}},
        {"format": "polygons", "splits": {"train": {"images": "", "gt": "gt"}}},
        {"format": "labelme", "splits": {"train": "gt/*.json"}},
        {"format": "labelme", "splits": {"train": "**/*.json"}},
    )
    settings = SourceSettings(root=root, **sources[rng.integers(len(sources))])
    return use(rng, read_annotations(settings), root)


CASES: dict[str, Callable[[Rng, Ground], str]] = {
    "image": image_case,
    "annotation": annotation_case,
    "polygon": polygon_case,
    "configuration": config_case,
    "name": name_case,
    "folder": folder_case,
}
WEIGHTS = {"image": 5, "annotation": 6, "polygon": 3, "configuration": 3, "name": 2, "folder": 1}
