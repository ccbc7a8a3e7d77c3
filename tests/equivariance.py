"""How well warped maps are the maps of the moved texts: the figures, and how they are taken.

A page's stored maps are warped by a similarity and read as maps; the page's polygons are moved by the same
similarity and rendered. Both are compared where the crop sees the page (less a pixel along its border, where
interpolation mixes with what is off the page). Which texts count is decided once, on the stored page.

Texts are sorted by height: the shorter side of the least box around a text, on the stored page or in the
crop, whichever is less, for what either cannot hold is lost. Pixels of a class of heights are those where the
distance plane of its texts alone is above 0: inside, in the band, and the margin around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from made_set import area_over_length
from numpy.typing import NDArray

from formats.codecs import map_planes
from formats.fingerprint import sha256
from formats.levels import offset_level, read_tables
from formats.manifest import SetSettings
from formats.sample import Bytes, DistanceMaps, Points, Sample, StoredMaps, TargetMaps
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec
from pipeline.page import make_sample
from pipeline.render import RENDERER_VERSION, render
from pipeline.sources import SourceSettings, read_annotations
from train.augment import similarity_matrix
from train.page_boxes import NOWHERE, bits_box, page_box, plane_box
from train.warp import Warper

Render = Callable[[Sequence[Points], Sequence[Points], tuple[int, int], float], DistanceMaps]
"""From care polygons, ignored polygons, canvas and shrink ratio to the maps."""
CLASSES = {"over 12 px": (12.0, np.inf), "8 to 12 px": (8.0, 12.0), "under 8 px": (0.0, 8.0)}
STORED_RATIO = 0.4
SOURCES: dict[str, tuple[str, dict[str, object], tuple[int, int]]] = {
    "sroie": ("icdar", {"train": "train_list.txt"}, (1280, 960)),
    "icdar2015": ("icdar", {"train": "train_list.txt"}, (736, 1280)),
    "totaltext": ("polygons", {"test": {"images": "images", "gt": "gt"}}, (1024, 1024)),
}
"""Data sets by folder: format, splits, canvas."""


def rendered(
    care: Sequence[Points], ignored: Sequence[Points], canvas: tuple[int, int], ratio: float
) -> DistanceMaps:
    """Render polygons with the pipeline's renderer, whatever their size."""
    targets = TargetsSpec(shrink_ratio=ratio, small_text="keep", empty_shrink="keep")
    flags = [False] * len(care) + [True] * len(ignored)
    return render([*care, *ignored], flags, canvas, targets).maps


def real_pages(data: Path, name: str, count: int, canvas: tuple[int, int] | None = None) -> list[Sample]:
    """Return up to `count` pages of a data set, spread over it, as a build would store them."""
    form, splits, usual = SOURCES[name]
    source = SourceSettings.model_validate({"format": form, "root": data / name, "splits": splits})
    settings = SetSettings(
        geometry=GeometrySpec(canvas=canvas or usual),
        targets=TargetsSpec(shrink_ratio=STORED_RATIO),
        encoding=EncodingSpec(),
        layout=LayoutSpec(),
        renderer=RENDERER_VERSION,
    )
    records = read_annotations(source).records
    chosen = records[:: max(1, len(records) // count)][:count]
    return [
        make_sample(record, sha256(record.image.read_bytes()), settings, source.max_pixels)
        for record in chosen
    ]


@dataclass
class Sums:
    """What is summed over the texts of one class of heights."""

    texts: int = 0
    both: dict[str, int] = field(default_factory=lambda: {"prob": 0, "thresh_mask": 0})
    either: dict[str, int] = field(default_factory=lambda: {"prob": 0, "thresh_mask": 0})
    error: float = 0.0
    pixels: int = 0
    grown: float = 0.0
    edge: float = 0.0
    shifts: list[Points] = field(default_factory=list)

    def iou(self, name: str) -> float:
        """Return intersection over union of prob or thresh_mask, over all pixels of the class."""
        return self.both[name] / max(self.either[name], 1)

    @property
    def thresh_error(self) -> float:
        """Mean absolute error of the threshold map where its loss looks; 0.4 is the map's whole range."""
        return 0.4 * self.error / 255.0 / max(self.pixels, 1)

    @property
    def growth(self) -> float:
        """Mean distance in pixels that the edge of the shrunk text is too far out."""
        return self.grown / max(self.edge, 1e-9)

    @property
    def shift(self) -> Points:
        """Mean shift (x, y) in pixels of the shrunk texts' centroids."""
        return np.mean(self.shifts, axis=0) if self.shifts else np.zeros(2)


@dataclass(frozen=True)
class Move:
    """A similarity from a page to a crop."""

    matrix_23: Points
    crop: tuple[int, int]

    def points(self, polygon_V2: Points) -> Points:
        """Return points moved from the page to the crop."""
        moved: Points = polygon_V2 @ self.matrix_23[:, :2].T + self.matrix_23[:, 2]
        return moved


def random_move(
    rng: np.random.Generator,
    canvas: tuple[int, int],
    crop: tuple[int, int],
    degrees: float = 10.0,
    scale: tuple[float, float] = (0.7, 1.6),
) -> Move:
    """Draw a rotation, a scale, a flip and a shift by any part of a pixel."""
    centre = rng.uniform(0.2, 0.8, 2) * [canvas[1], canvas[0]]
    matrix_23 = similarity_matrix(
        centre,
        crop,
        scale=float(np.exp(rng.uniform(*np.log(scale)))),
        degrees=float(rng.uniform(-degrees, degrees)),
        flip=bool(rng.integers(2)),
    )
    return Move(matrix_23, crop)


def warped_maps(maps: StoredMaps, move: Move, ratio: float = STORED_RATIO) -> TargetMaps:
    """Warp stored maps as the trainer does, and read the four maps at a shrink ratio."""
    planes = map_planes(maps)
    canvas = maps.prob_mask_HW.shape
    warper = Warper((canvas[0], canvas[1]), move.crop, (0, 0, 0))
    view = warper.view(move.matrix_23)
    height, width = move.crop
    out = {name: np.empty(move.crop, np.uint8) for name in ("distance", "overlap", "thresh")}
    bits = {name: np.empty((height, width // 8), np.uint8) for name in ("prob", "prob_mask", "thresh_mask")}
    warper.bits(view, bits_box(planes["prob_mask"], 1), planes["prob_mask"], bits["prob_mask"], outside=1)
    prob_mask_HW = np.unpackbits(bits["prob_mask"], axis=1)
    first = "distance" if isinstance(maps, DistanceMaps) else "thresh"
    page_HWC, crop_HWC = np.zeros((*canvas, 3), np.uint8), np.empty((*move.crop, 3), np.uint8)
    box = page_box(page_HWC, planes[first])
    warper.page(view, box, page_HWC, planes[first], None, crop_HWC, out[first])
    if isinstance(maps, DistanceMaps):
        overlap = planes.get("overlap")
        warper.overlap(view, NOWHERE if overlap is None else plane_box(overlap), overlap, out["overlap"])
        moved = DistanceMaps(out["distance"], out["overlap"], prob_mask_HW)
        return moved.target_maps(STORED_RATIO, ratio)
    for name in ("prob", "thresh_mask"):
        warper.bits(view, bits_box(planes[name], 0), planes[name], bits[name], outside=0)
    prob_HW, thresh_mask_HW = (np.unpackbits(bits[name], axis=1) for name in ("prob", "thresh_mask"))
    return TargetMaps(prob_HW, prob_mask_HW, out["thresh"], thresh_mask_HW)


def compare(
    sample: Sample,
    maps: StoredMaps,
    move: Move,
    sums: dict[str, Sums],
    *,
    ratio: float = STORED_RATIO,
    draw: Render = rendered,
) -> None:
    """Add one page under one move to the sums of each class of heights.

    Args:
        sample: the page, for its texts.
        maps: its stored maps, in either encoding.
        move: the similarity.
        sums: by class, added to.
        ratio: the shrink ratio to read at; rendered at the one in effect, which lies between two levels.
        draw: the renderer.
    """
    care = [text.polygon_V2 for text in sample.meta.texts if not text.ignored]
    ignored = [text.polygon_V2 for text in sample.meta.texts if text.ignored and text.status != "degenerate"]
    moved = [move.points(polygon) for polygon in care]
    effective = read_tables(STORED_RATIO, ratio).ratio
    direct = draw(moved, [move.points(polygon) for polygon in ignored], move.crop, effective)
    truth, found = direct.target_maps(effective), warped_maps(maps, move, ratio)
    seen = _seen(maps.prob_mask_HW.shape, move)
    heights = [min(height_of(before), height_of(after)) for before, after in zip(care, moved, strict=True)]
    for name, (low, high) in CLASSES.items():
        chosen = [p for p, height in zip(moved, heights, strict=True) if low <= height < high]
        if chosen:
            alone = draw(chosen, [], move.crop, effective).distance_HW > 0
            _add(sums.setdefault(name, Sums()), truth, found, alone & seen)
            _add_texts(sums[name], truth, found, seen, chosen, effective)


def _add(sums: Sums, truth: TargetMaps, found: TargetMaps, where: NDArray[np.bool_]) -> None:
    for name in ("prob", "thresh_mask"):
        a, b = (getattr(maps, f"{name}_HW")[where].astype(bool) for maps in (truth, found))
        sums.both[name] += int((a & b).sum())
        sums.either[name] += int((a | b).sum())
    band = where & (truth.thresh_mask_HW > 0)
    error_HW = truth.thresh_HW.astype(float) - found.thresh_HW
    sums.error += float(np.abs(error_HW[band]).sum())
    sums.pixels += int(band.sum())


def _add_texts(
    sums: Sums,
    truth: TargetMaps,
    found: TargetMaps,
    seen: NDArray[np.bool_],
    polygons: Sequence[Points],
    ratio: float,
) -> None:
    for polygon_V2 in polygons:
        box = _box(polygon_V2, seen.shape)
        if box is None or not seen[box].all():
            continue
        inside = np.zeros(seen[box].shape, np.uint8)
        local = polygon_V2 - [box[1].start, box[0].start]
        cv2.fillPoly(inside, [np.rint(local).astype(np.int32)], 1)
        a, b = (maps.prob_HW[box] * inside for maps in (truth, found))
        if not a.any() or not b.any():
            continue
        sums.texts += 1
        sums.grown += float(b.sum(dtype=int)) - float(a.sum(dtype=int))
        sums.edge += perimeter_of(polygon_V2) - 8.0 * area_over_length(polygon_V2) * offset_level(ratio)
        sums.shifts.append(_centroid(b) - _centroid(a))


def _seen(canvas: tuple[int, ...], move: Move) -> NDArray[np.bool_]:
    """Return where the crop sees the page, a page's pixel from its border at least."""
    H, W = move.crop
    inverse_22 = np.linalg.inv(move.matrix_23[:, :2])
    y_HW, x_HW = np.mgrid[:H, :W].astype(float)
    x_HW, y_HW = x_HW - move.matrix_23[0, 2], y_HW - move.matrix_23[1, 2]
    across = inverse_22[0, 0] * x_HW + inverse_22[0, 1] * y_HW
    down = inverse_22[1, 0] * x_HW + inverse_22[1, 1] * y_HW
    seen: NDArray[np.bool_] = (
        (across >= 1) & (across <= canvas[1] - 2) & (down >= 1) & (down <= canvas[0] - 2)
    )
    return seen


def height_of(polygon_V2: Points) -> float:
    """Return the shorter side of the least box around a polygon."""
    return float(min(cv2.minAreaRect(polygon_V2.astype(np.float32))[1]))


def perimeter_of(polygon_V2: Points) -> float:
    """Return the length of a polygon's edges."""
    return float(np.hypot(*(np.roll(polygon_V2, -1, axis=0) - polygon_V2).T).sum())


def _centroid(mask_HW: Bytes) -> Points:
    centroid: Points = np.argwhere(mask_HW).mean(axis=0)[::-1]
    return centroid


def _box(polygon_V2: Points, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    low, high = np.floor(polygon_V2.min(axis=0)).astype(int), np.ceil(polygon_V2.max(axis=0)).astype(int) + 1
    if (low < 0).any() or high[0] > shape[1] or high[1] > shape[0]:
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])


def table(rows: dict[str, dict[str, Sums]]) -> str:
    """Return figures as lines of text; `rows` by name, then by class of heights."""
    head = f"{'':<26}{'texts':>7}{'prob':>8}{'mask':>8}{'thresh':>9}{'shift x':>9}{'shift y':>9}{'growth':>9}"
    lines = [head]
    for name, sums in rows.items():
        for heights, s in sums.items():
            x, y = s.shift
            lines.append(
                f"{name + ', ' + heights:<26}{s.texts:>7}{s.iou('prob'):>8.4f}{s.iou('thresh_mask'):>8.4f}"
                f"{s.thresh_error:>9.5f}{x:>9.3f}{y:>9.3f}{s.growth:>9.3f}"
            )
    return "\n".join(lines)
