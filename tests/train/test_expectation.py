from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from formats.errors import StaleError, UsageError
from formats.manifest import SetManifest, read_set_manifest
from train.expectation import check_expectations, recorded_settings


@pytest.fixture(scope="module")
def manifest(small_set: Path) -> SetManifest:
    return read_set_manifest(small_set)


@pytest.mark.parametrize(
    "expect",
    [
        {},
        {"shrink_ratio": 0.4},
        {"targets.shrink_ratio": 0.4, "geometry.canvas": [128, 96], "maps": "distance"},
        {"canvas": (128, 96), "min_size": 8, "encoding.jpeg_quality": 90.0},
    ],
)
def test_what_fits_passes(manifest: SetManifest, expect: dict[str, Any]) -> None:
    if "encoding.jpeg_quality" in expect:
        expect["encoding.jpeg_quality"] = 90
    check_expectations(manifest, expect, Path("sets/x"))
    check_expectations(manifest, recorded_settings(manifest), Path("sets/x"))


def test_what_differs_names_field_values_and_command(manifest: SetManifest) -> None:
    expect = {"shrink_ratio": 0.5, "targets.min_size": 4, "maps": "distance", "canvas": [640, 640]}
    with pytest.raises(StaleError) as caught:
        check_expectations(manifest, expect, Path("sets/x"))
    error = caught.value
    assert "targets.shrink_ratio = 0.5" in error.expected
    assert "targets.shrink_ratio = 0.4" in error.found
    assert "geometry.canvas = [128, 96]" in error.found
    assert "maps" not in error.expected
    assert "pipeline.build --config FILE --out sets/x targets.shrink_ratio=0.5" in error.next_step


def test_the_fingerprint_can_be_expected(manifest: SetManifest) -> None:
    check_expectations(manifest, {"fingerprint": manifest.fingerprint}, Path("x"))
    with pytest.raises(StaleError, match="fingerprint"):
        check_expectations(manifest, {"fingerprint": "sha256-ts1:00"}, Path("x"))


def test_unknown_names_are_usage_errors(manifest: SetManifest) -> None:
    with pytest.raises(UsageError, match="did you mean 'shrink_ratio'"):
        check_expectations(manifest, {"shrink_ration": 0.4}, Path("x"))


@pytest.mark.parametrize(("expected", "stored"), [(True, 8.0), ("8", 8.0), (None, 8.0)])
def test_no_value_passes_for_another_type(manifest: SetManifest, expected: Any, stored: float) -> None:
    assert recorded_settings(manifest)["targets.min_size"] == stored
    with pytest.raises(StaleError):
        check_expectations(manifest, {"min_size": expected}, Path("x"))
