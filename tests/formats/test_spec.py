"""Every setting touches exactly its own part of the fingerprint, or none where it has no effect."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from formats.manifest import SetSettings
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, TargetsSpec, semantic

PLAIN = SetSettings(
    geometry=GeometrySpec(), targets=TargetsSpec(), encoding=EncodingSpec(), layout=LayoutSpec(), renderer=1
)
CHANGED: dict[str, dict[str, Any]] = {
    "geometry": {
        "canvas": (640, 672),
        "resize": "shortest",
        "interpolation": "linear",
        "position": "center",
        "pad_color": (0, 0, 1),
        "exif": "ignore",
        "decode": "reduced",
    },
    "targets": {
        "shrink_ratio": 0.5,
        "thresh_min": 0.2,
        "thresh_max": 0.8,
        "min_size": 7.0,
        "small_text": "keep",
        "empty_shrink": "keep",
        "dont_care": "background",
    },
    "encoding": {
        "container": "zarr",
        "maps": "planes",
        "image": "raw",
        "jpeg_quality": 91,
        "zstd_level": 2,
    },
    "layout": {"samples_per_shard": 255},
}
CASES = [(section, field) for section, fields in CHANGED.items() for field in fields]


def with_fields(section: str, settings: SetSettings = PLAIN, **fields: Any) -> SetSettings:
    values = settings.model_dump(mode="json")
    values[section] |= fields
    return SetSettings.model_validate(values)


def touched(a: SetSettings, b: SetSettings) -> list[str]:
    return [part for part, value in a.part_digests().items() if value != b.part_digests()[part]]


@pytest.mark.parametrize(("section", "field"), CASES)
def test_field_touches_its_part_alone(section: str, field: str) -> None:
    assert touched(PLAIN, with_fields(section, **{field: CHANGED[section][field]})) == [section]


def test_every_field_is_tried() -> None:
    for section, fields in CHANGED.items():
        assert set(fields) == set(type(getattr(PLAIN, section)).model_fields)
    assert set(CHANGED) | {"renderer"} == set(SetSettings.model_fields)


def test_renderer_belongs_to_the_targets() -> None:
    assert touched(PLAIN, PLAIN.model_copy(update={"renderer": 2})) == ["targets"]


@pytest.mark.parametrize(
    ("section", "base", "field", "value"),
    [
        ("targets", {"small_text": "keep"}, "min_size", 3.0),
        ("encoding", {"image": "raw"}, "jpeg_quality", 50),
    ],
)
def test_field_without_effect_touches_nothing(
    section: str, base: dict[str, Any], field: str, value: Any
) -> None:
    one = with_fields(section, **base)
    other = with_fields(section, one, **{field: value})
    assert one != other
    assert touched(one, other) == []
    assert field not in semantic(getattr(other, section))


@pytest.mark.parametrize(
    ("section", "fields", "problem"),
    [
        ("geometry", {"canvas": (640, 650)}, "multiple of 32"),
        ("geometry", {"canvas": (0, 640)}, "greater than"),
        ("geometry", {"pad_color": (0, 0, 256)}, "less than"),
        ("targets", {"thresh_min": 0.7}, "must be below thresh_max"),
        ("targets", {"shrink_ratio": float("nan")}, "finite"),
        ("targets", {"shrink_ratio": 1.0}, "less than"),
        ("encoding", {"container": "zarr", "image": "lz4"}, "use image jpeg or raw"),
        ("encoding", {"zstd": 3}, "Extra inputs"),
        ("layout", {"samples_per_shard": 0}, "greater than"),
    ],
)
def test_impossible_settings(section: str, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        with_fields(section, **fields)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PLAIN.targets.shrink_ratio = 0.5  # type: ignore[misc]
