"""Maps that others rendered into .npz files, held against the exact ones of the same page."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from formats.errors import SampleError
from formats.placement import place
from formats.sample import Bytes, Points
from formats.spec import GeometrySpec, TargetsSpec
from pipeline.geometry import move
from pipeline.images import image_size
from pipeline.polygons import clean_polygon
from pipeline.render import RenderedPlanes, render_planes
from pipeline.sources.record import SourceRecord

Floats = NDArray[np.float32]
Turn = Callable[[NDArray[Any]], NDArray[Any]]

PROB_NAMES = ("prob_map", "prob_maps", "prob", "probability_map", "shrink_map", "gt_shrink", "gt")
THRESH_NAMES = ("thresh_map", "thresh_maps", "thresh", "threshold_map", "gt_thr")
MAX_BYTES = 1 << 30

TURNS: Mapping[str, Turn] = {
    "mirrored left to right": lambda map_HW: map_HW[:, ::-1],
    "mirrored top to bottom": lambda map_HW: map_HW[::-1],
    "turned by 180 degrees": lambda map_HW: map_HW[::-1, ::-1],
}
POSITIONS = ("top_left", "center")
SAME, MISPLACED = 0.98, 0.30
"""IoU of the probability map from which on it counts as the same, and below which something moved it."""
CLEARLY = 1.3
"""How much better a turned map must agree to be called turned: pages are roughly symmetric."""
LEGIBLE, LEAST_PIXELS = 10.0, 12
"""Shorter side of a text, pixels, and pixels of its shrunk area, from which on every renderer draws it."""
COVERED, STRAY = 0.25, 0.05
"""Share of its shrunk area below which a text is missing; share of a map beside texts that is too much."""
EMPTY = 1e-5
"""Share of pixels below which a probability map is empty."""


@dataclass(frozen=True)
class Compared:
    """One page's maps against the exact ones.

    Attributes:
        key: of the page.
        verdict: "exact", "near", "empty", "misplaced: ...", "other texts: ..." (maps of older labels, or of
            another page), or why there is nothing to compare.
        iou: of the probability map at 0.5 with the exact one.
        area: of the probability map, in units of the exact one's.
        thresh_error: mean difference of the threshold maps where the exact threshold mask is 1.
        nan: number of values that are not numbers, in both maps.
    """

    key: str
    verdict: str
    iou: float | None = None
    area: float | None = None
    thresh_error: float | None = None
    nan: int = 0

    @property
    def usable(self) -> bool:
        """Whether one may train on such maps without learning something else than the texts."""
        return self.verdict in ("exact", "near")


@dataclass(frozen=True)
class Pair:
    """A probability map and a threshold map, (H, W) float32 each, as read from a file."""

    prob_HW: Floats
    thresh_HW: Floats


def read_maps(path: Path, prob: str | None = None, thresh: str | None = None) -> Pair:
    """Read a page's two maps from a .npz file; no pickle is loaded.

    Args:
        path: the file.
        prob: name of the probability map (default: the first of PROB_NAMES that it holds).
        thresh: name of the threshold map, likewise.

    Raises:
        SampleError: no such file, not a .npz, no array of those names, or arrays that are no maps.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = [_one(path, arrays, prob, PROB_NAMES), _one(path, arrays, thresh, THRESH_NAMES)]
    except SampleError:
        raise
    except FileNotFoundError:
        raise SampleError(str(path), expected="a .npz file of two maps", found="no such file") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SampleError(str(path), expected="a .npz file of two maps", found=str(error)[:200]) from None
    if found[0].shape != found[1].shape:
        raise SampleError(
            str(path), expected="two maps of one size", found=" and ".join(str(m.shape) for m in found)
        )
    return Pair(*found)


def _one(path: Path, arrays: Mapping[str, Any], name: str | None, known: Sequence[str]) -> Floats:
    names = [name] if name is not None else [known_name for known_name in known if known_name in arrays]
    if not names or names[0] not in arrays:
        raise SampleError(
            str(path),
            expected=f"an array named {name or ' or '.join(known)}",
            found=", ".join(arrays) or "none",
            next_step="name it with --prob-name or --thresh-name",
        )
    array = np.asarray(arrays[names[0]])
    if array.dtype.kind not in "fiub" or array.nbytes > MAX_BYTES:
        raise SampleError(str(path), expected="an array of numbers", found=f"{array.dtype} {array.shape}")
    # A leading axis of one channel or one batch is usual.
    plane = (
        array.reshape(array.shape[-2:])
        if array.ndim > 2 and array.size == np.prod(array.shape[-2:])
        else array
    )
    if plane.ndim != 2 or not all(plane.shape):
        raise SampleError(str(path), expected="a map (H, W)", found=f"an array of shape {array.shape}")
    scaled = plane.astype(np.float32)
    return scaled / np.float32(255) if array.dtype == np.uint8 and plane.max() > 1 else scaled


def compare(record: SourceRecord, pair: Pair, targets: TargetsSpec) -> Compared:
    """Hold a page's maps against the exact ones on a canvas of their size.

    The page is taken to lie on its canvas as the longest side fits, in the corner or in the middle, whichever
    agrees better.

    Raises:
        SampleError: the page's image header cannot be read, or a polygon of it makes no sense.
    """
    found_HW = np.nan_to_num(pair.prob_HW) > 0.5
    at = {position: exact_maps(record, found_HW.shape, targets, position) for position in POSITIONS}
    position = max(at, key=lambda position: _iou(at[position].maps.prob_HW > 0, found_HW))
    exact = at[position]
    true_HW = exact.maps.prob_HW > 0
    verdict = _verdict([rendered.maps.prob_HW > 0 for rendered in at.values()], found_HW)
    if verdict == "near":
        polygons = placed_polygons(record, found_HW.shape, position)
        verdict = other_texts(polygons, exact.statuses, true_HW, found_HW) or verdict
    return Compared(
        record.key,
        verdict,
        _iou(true_HW, found_HW),
        float(found_HW.sum() / max(true_HW.sum(), 1)),
        _thresh_error(exact, pair.thresh_HW, targets),
        int(np.isnan(pair.prob_HW).sum() + np.isnan(pair.thresh_HW).sum()),
    )


def exact_maps(
    record: SourceRecord, canvas: tuple[int, ...], targets: TargetsSpec, position: str
) -> RenderedPlanes:
    """Render a page's four maps on a canvas (height, width) of any size."""
    height, width = canvas
    # The renderer's canvas is a multiple of 32; what lies beyond the one asked for is cut off again.
    padded = tuple(-(-side // 32) * 32 for side in (height, width))
    polygons = placed_polygons(record, canvas, position)
    problems = [clean_polygon(text.polygon_V2).problem for text in record.texts]
    ignored = [text.dont_care for text in record.texts]
    rendered = render_planes(polygons, ignored, (padded[0], padded[1]), targets, problems)
    return RenderedPlanes(
        type(rendered.maps)(*(plane[:height, :width] for plane in _planes(rendered))), rendered.statuses
    )


def placed_polygons(record: SourceRecord, canvas: tuple[int, ...], position: str) -> list[Points]:
    """Return a page's polygons, cleaned, on a canvas (height, width) of any size."""
    geometry = canvas_of(canvas, position)
    matrix_23 = place(image_size(record.image.read_bytes(), name=record.key), geometry).to_canvas_23
    return [move(clean_polygon(text.polygon_V2).polygon_V2, matrix_23) for text in record.texts]


def other_texts(
    polygons: Sequence[Points],
    statuses: Sequence[str],
    true_HW: NDArray[np.bool_],
    found_HW: NDArray[np.bool_],
) -> str | None:
    """Tell whether a probability map shows other texts than the labels have; None where it does not.

    Args:
        polygons: of the labels, on the canvas.
        statuses: of each, as the renderer told.
        true_HW: the exact probability map.
        found_HW: the one in question.
    """
    looked_at = missing = 0
    beside_HW = np.ones(found_HW.shape, np.uint8)
    for polygon_V2, status in zip(polygons, statuses, strict=True):
        inside_HW = np.zeros(found_HW.shape, np.uint8)
        points = np.rint(polygon_V2).astype(np.int32)
        cv2.fillPoly(inside_HW, [points], 1)
        beside_HW[inside_HW > 0] = 0
        true_N = found_HW[(inside_HW > 0) & true_HW]
        if status == "care" and len(true_N) >= LEAST_PIXELS and _height(polygon_V2) >= LEGIBLE:
            looked_at += 1
            missing += bool(true_N.mean() < COVERED)
    # A renderer may draw a pixel further out than the edge.
    stray = np.count_nonzero(found_HW & (cv2.erode(beside_HW, np.ones((5, 5), np.uint8)) > 0))
    share = stray / max(np.count_nonzero(found_HW), 1)
    told = [f"{missing} of {looked_at} are not in the map"] if missing else []
    told += [f"{share:.0%} of the map lies where none is"] if share > STRAY and stray >= LEAST_PIXELS else []
    return f"other texts: {', '.join(told)}" if told else None


def _height(polygon_V2: Points) -> float:
    return float(min(cv2.minAreaRect(polygon_V2.astype(np.float32))[1]))


def canvas_of(shape: tuple[int, ...], position: str = "top_left") -> GeometrySpec:
    """Return the geometry of a canvas (height, width) of any size: ours are multiples of 32."""
    fields = {"canvas": shape[:2], "position": position}
    return GeometrySpec.model_construct(**(GeometrySpec().model_dump() | fields))


def _planes(rendered: RenderedPlanes) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    maps = rendered.maps
    return maps.prob_HW, maps.prob_mask_HW, maps.thresh_HW, maps.thresh_mask_HW


def _verdict(placed: Sequence[NDArray[np.bool_]], found_HW: NDArray[np.bool_]) -> str:
    if placed[0].mean() > EMPTY > found_HW.mean():
        return "empty"
    iou = max(_iou(true_HW, found_HW) for true_HW in placed)
    turned = {name: max(_iou(turn(true_HW), found_HW) for true_HW in placed) for name, turn in TURNS.items()}
    best = max(turned, key=lambda name: turned[name])
    if turned[best] > max(CLEARLY * iou, MISPLACED):
        return f"misplaced: {best}"
    if iou < MISPLACED:
        return "misplaced"
    return "exact" if iou >= SAME else "near"


def _iou(a_HW: NDArray[np.bool_], b_HW: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a_HW | b_HW)
    return np.count_nonzero(a_HW & b_HW) / union if union else 1.0


def _thresh_error(exact: RenderedPlanes, thresh_HW: Floats, targets: TargetsSpec) -> float | None:
    band_HW = exact.maps.thresh_mask_HW > 0
    if not band_HW.any():
        return None
    span = targets.thresh_max - targets.thresh_min
    true_N = targets.thresh_min + exact.maps.thresh_HW[band_HW].astype(np.float32) / 255 * span
    return float(np.nanmean(np.abs(true_N - thresh_HW[band_HW])))
