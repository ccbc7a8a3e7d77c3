"""Small annotated pages on disk, for tests of the build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import simplejpeg

BOXES = ((10, 8, 90, 28), (12, 40, 120, 60), (30, 70, 36, 74))
"""x0, y0, x1, y1 of the texts of every page; the last is too small to learn."""


def made_page(number: int, size: tuple[int, int] = (96, 128)) -> bytes:
    """Return a JPEG with dark boxes on light paper, different for each number."""
    rng = np.random.default_rng(number)
    image = rng.integers(200, 255, (*size, 3)).astype(np.uint8)
    for x0, y0, x1, y1 in BOXES:
        image[y0:y1, x0:x1] = rng.integers(0, 90, 3)
    return bytes(simplejpeg.encode_jpeg(image, quality=92))


def made_pages(folder: Path, count: int = 6, split: str = "train") -> Path:
    """Write `count` pages of one split with ICDAR text annotations and a list file; return the folder."""
    (folder / split).mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        name = f"{split}/page_{number}"
        (folder / f"{name}.jpg").write_bytes(made_page(number))
        rows = [f"{a},{b},{c},{b},{c},{d},{a},{d},word {i}" for i, (a, b, c, d) in enumerate(BOXES)]
        rows.append(f"100,80,120,80,120,90,{100 + number % 3},90,###")
        (folder / f"{name}.txt").write_text("\n".join(rows) + "\n")
        lines.append(f"{name}.jpg\t{name}.txt\n")
    (folder / f"{split}_list.txt").write_text("".join(lines))
    return folder


def made_config(root: Path, *splits: str, **sections: dict[str, object]) -> dict[str, object]:
    """Return a build configuration of small pages, as plain values."""
    return {
        "source": {
            "format": "icdar",
            "root": str(root),
            "splits": {split: f"{split}_list.txt" for split in splits or ("train",)},
        },
        "geometry": {"canvas": [128, 160]},
        "layout": {"samples_per_shard": 2},
        "runtime": {"workers": 1},
    } | sections
