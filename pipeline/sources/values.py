"""Checked values: coordinates, polygons and transcriptions out of text fields or parsed JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.sample import Points
from pipeline.polygons import MAX_VERTICES
from pipeline.sources.record import SourceText, UnusableError, read_only

MAX_COORDINATE = 1e6
MAX_SIDE = 1 << 31


def coordinate(value: Any, what: str) -> float:
    """Return a number as a coordinate in pixels.

    Raises:
        UnusableError: not a number, not finite, or beyond +-1e6 pixels.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnusableError(f"{what}: expected a number, found {shown(value)}")
    if not abs(value) <= MAX_COORDINATE:
        raise UnusableError(
            f"{what}: expected a coordinate within +-{MAX_COORDINATE:.0f} pixels, found {shown(value)}"
        )
    return float(value)


def _coordinates(values: Sequence[Any], what: str) -> Sequence[float]:
    # Most are floats already, and in range: to see that takes a third of the time.
    if all(type(value) is float and -MAX_COORDINATE <= value <= MAX_COORDINATE for value in values):
        return values
    return [coordinate(value, what) for value in values]


def flat_polygon(values: Sequence[Any], what: str) -> Points:
    """Return x1, y1, x2, y2, ... as float64 (V, 2).

    Raises:
        UnusableError: an odd count, more than MAX_VERTICES, or a value that is no coordinate.
    """
    if len(values) % 2:
        raise UnusableError(f"{what}: expected x, y pairs, found {len(values)} numbers")
    _check_count(len(values) // 2, what)
    return _array(_coordinates(values, what))


def plain_polygons(numbers: Sequence[float], vertices: int) -> NDArray[np.float64] | None:
    """Return the coordinates of polygons of as many vertices each as float64 (N, V, 2), read-only.

    None where one is out of range: `flat_polygon` says which.
    """
    if numbers and not -MAX_COORDINATE <= min(numbers) <= max(numbers) <= MAX_COORDINATE:
        return None
    polygons_NV2 = np.array(numbers, dtype=np.float64).reshape(-1, vertices, 2)
    polygons_NV2 += 0.0  # see `read_only`
    polygons_NV2.flags.writeable = False
    return polygons_NV2


def paired_polygon(points: Any, what: str) -> Points:
    """Return [[x, y], ...] out of JSON as float64 (V, 2); null is (0, 2), a text without a place.

    Raises:
        UnusableError: no list of pairs of numbers, more than MAX_VERTICES, or a value that is no coordinate.
    """
    if points is None:
        return _array(())
    _check_count(len(json_list(points, what)), what)
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise UnusableError(f"{what}: expected [x, y] pairs of numbers, found {shown(point)}")
    return _array(_coordinates([value for point in points for value in point], what))


def box_polygon(x1: float, y1: float, x2: float, y2: float) -> Points:
    """Return the rectangle of two opposite corners as float64 (4, 2), clockwise on the screen."""
    left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    return _array((left, top, right, top, right, bottom, left, bottom))


def make_text(
    polygon_V2: Points, text: str | None, dont_care: Iterable[str], flag: bool = False
) -> SourceText:
    """Return the text: don't-care where `flag` says so or its transcription, blanks aside, is listed."""
    listed = text is not None and text.strip() in dont_care
    return SourceText(polygon_V2, flag or listed, None if text is None else whole_unicode(text))


def whole_unicode(text: str) -> str:
    """Replace lone surrogates, which JSON escapes can make and no encoding can store, by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def json_object(value: Any, what: str) -> dict[str, Any]:
    """Return a JSON object, or raise UnusableError."""
    if not isinstance(value, dict):
        raise UnusableError(f"{what}: expected an object, found {shown(value)}")
    return value


def json_list(value: Any, what: str) -> list[Any]:
    """Return a JSON array, or raise UnusableError."""
    if not isinstance(value, list):
        raise UnusableError(f"{what}: expected a list, found {shown(value)}")
    return value


def json_text(value: Any, what: str) -> str | None:
    """Return a JSON string or null, or raise UnusableError."""
    if value is not None and not isinstance(value, str):
        raise UnusableError(f"{what}: expected a string or null, found {shown(value)}")
    return value


def json_flag(value: Any, what: str) -> bool:
    """Return true, false, 1, 0 or null (no) as a flag, or raise UnusableError."""
    if value is None:
        return False
    if isinstance(value, (bool, int)) and value in (0, 1):
        return bool(value)
    raise UnusableError(f"{what}: expected true or false, found {shown(value)}")


def stated_size(height: Any, width: Any) -> tuple[int, int] | None:
    """Return (height, width) where both are positive whole numbers, else None: nothing was stated."""
    sides = (height, width)
    if all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < MAX_SIDE for side in sides):
        return (height, width)
    return None


def shown(value: Any) -> str:
    """Return a value short enough for a message."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def layout(whole: Any) -> str:
    """Return what a JSON file holds, for a message: the names on top of an object."""
    if not isinstance(whole, dict):
        return shown(whole)
    names = ", ".join(f'"{ascii(name[:30])[1:-1]}"' for name in list(whole)[:6])
    return f"an object of {names or 'nothing'}{', ...' if len(whole) > 6 else ''}"


def _check_count(vertices: int, what: str) -> None:
    if vertices > MAX_VERTICES:
        raise UnusableError(f"{what}: expected at most {MAX_VERTICES} vertices, found {vertices}")


def _array(numbers: Sequence[float]) -> Points:
    return read_only(np.array(numbers, dtype=np.float64).reshape(-1, 2))
