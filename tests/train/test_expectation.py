from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from formats.errors import StaleError, UsageError
from formats.fingerprint import Fingerprint, digest
from formats.manifest import SetManifest
from formats.manifest_files import read_set_manifest
from formats.spec import TargetsSpec
from train.config import load_config
from train.expectation import check_expectations, check_same_set, recorded_settings


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
    with pytest.raises(StaleError, match="fingerprint") as caught:
        check_expectations(manifest, {"fingerprint": "sha256-ts1:00"}, Path("x"))
    assert "pipeline.build" not in caught.value.next_step  # no setting is known that would make it


def test_the_layout_is_expected_where_it_is_named(manifest: SetManifest) -> None:
    with pytest.raises(StaleError, match=r"layout\.samples_per_shard = 7"):
        check_expectations(manifest, {"samples_per_shard": 7}, Path("x"))


SOURCE = {"format": "ufo", "root": "/pages", "splits": {"train": "x.json"}}


@pytest.mark.parametrize(
    ("recorded", "out"),
    [
        (SOURCE | {"images": "here"}, "'my sets/x'"),
        (SOURCE | {"root": "/receipts"}, "'my sets/x-2'"),
        (SOURCE | {"splits": {"train": "y.json"}}, "'my sets/x-2'"),
    ],
)
def test_a_set_of_another_source_is_not_to_be_built_over(
    manifest: SetManifest, tmp_path: Path, recorded: dict[str, Any], out: str
) -> None:
    folder = tmp_path / "my sets/x"
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text(json.dumps({"config": {"source": recorded}}))
    file = tmp_path / "build.yaml"
    file.write_text(json.dumps({"source": SOURCE, "targets": {"shrink_ratio": 0.5}}))
    with pytest.raises(StaleError) as caught:
        check_expectations(manifest, str(file), folder)
    assert f"--out {out.replace('my sets', f'{tmp_path}/my sets')};" in caught.value.next_step
    assert ("another source" in caught.value.next_step) == out.endswith("-2'")


def test_the_command_can_be_pasted_into_a_shell(manifest: SetManifest) -> None:
    expect = {"geometry": {"canvas": [640, 480]}, "encoding": {"container": "zarr"}}
    with pytest.raises(StaleError) as caught:
        check_expectations(manifest, expect, Path("my sets/x"))
    command = caught.value.next_step.partition("expected: ")[2].partition("; or")[0]
    words = [
        "--config",
        "FILE",
        "--out",
        "my sets/x",
        "geometry.canvas=[640, 480]",
        "encoding.container=zarr",
    ]
    assert shlex.split(command)[3:] == words


def test_a_section_and_the_override_that_makes_one(manifest: SetManifest) -> None:
    config = load_config(None, ["expect.targets.shrink_ratio=0.5", "expect.min_size=8"])
    with pytest.raises(StaleError) as caught:
        check_expectations(manifest, config.expect, Path("x"))
    assert caught.value.expected == "targets.shrink_ratio = 0.5"
    with pytest.raises(UsageError, match=r"expect\.targets\.ratio"):
        check_expectations(manifest, {"targets": {"ratio": 0.5}}, Path("x"))


FITTING = """
source: {format: ufo, root: nowhere, splits: {train: x.json}}
geometry: {canvas: [128, 96]}
runtime: {workers: 3}
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ""),
        ("targets: {shrink_ratio: 0.5}", "targets.shrink_ratio = 0.5"),
        ("encoding: {maps: planes, zstd_level: 1}", "encoding.maps = 'planes'"),
        ("layout: {samples_per_shard: 7}", ""),
        # Of these two the first asks for a setting under which the second has no effect.
        ("targets: {small_text: keep, min_size: 99}", "targets.small_text = 'keep'"),
    ],
)
def test_a_build_configuration_is_expected_as_a_whole(
    manifest: SetManifest, tmp_path: Path, more: str, expected: str
) -> None:
    file = tmp_path / "build.yaml"
    file.write_text(FITTING + more)
    expect = load_config(None, [f"expect={file}"]).expect
    if not expected:
        check_expectations(manifest, expect, Path("sets/x"))
        return
    with pytest.raises(StaleError) as caught:
        check_expectations(manifest, expect, Path("sets/x"))
    assert caught.value.expected == expected
    assert caught.value.found.startswith(expected.partition(" = ")[0])
    assert f"python -m pipeline.build --config {file} --out sets/x;" in caught.value.next_step


def test_a_default_of_the_build_configuration_is_expected_too(manifest: SetManifest, tmp_path: Path) -> None:
    file = tmp_path / "build.yaml"
    file.write_text("targets: {shrink_ratio: 0.4}")
    with pytest.raises(StaleError, match=r"geometry\.canvas = \[640, 640\]"):
        check_expectations(manifest, str(file), Path("x"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("data: {train: [train]}", "what looks like a training configuration: data"),
        ("targets: {shrink_ration: 0.4}", "did you mean 'shrink_ratio'"),
        ("geometry: {canvas: [100, 96]}", "multiple of 32"),
        ("- 1", "a mapping of sections"),
        (None, "No such file"),
    ],
)
def test_what_is_no_build_configuration_is_a_usage_error(
    manifest: SetManifest, tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "build.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError) as caught:
        check_expectations(manifest, str(file), Path("x"))
    assert problem in str(caught.value)
    assert str(file) in str(caught.value)


def began_with(manifest: SetManifest) -> dict[str, Any]:
    return {
        "fingerprint": manifest.fingerprint,
        "parts": dict(manifest.parts),
        "settings": manifest.settings.model_dump(mode="json"),
    }


def test_going_on_with_another_set_names_what_differs(manifest: SetManifest) -> None:
    check_same_set(manifest, began_with(manifest), Path("sets/x"))
    settings = manifest.settings.model_copy(update={"targets": TargetsSpec(shrink_ratio=0.5)})
    parts = settings.part_digests() | {"source": digest("other samples")}
    other = manifest.model_copy(
        update={"settings": settings, "parts": parts, "fingerprint": Fingerprint(parts).whole}
    )
    with pytest.raises(StaleError) as caught:
        check_same_set(other, began_with(manifest), Path("sets/x"))
    error = caught.value
    assert "sets/x" in error.thing
    assert error.expected == f"targets.shrink_ratio = 0.4, source = {manifest.parts['source']!r}"
    assert error.found == f"targets.shrink_ratio = 0.5, source = {parts['source']!r}"
    assert "--changed-set" in error.next_step


def test_unknown_names_are_usage_errors(manifest: SetManifest) -> None:
    with pytest.raises(UsageError, match="did you mean 'shrink_ratio'"):
        check_expectations(manifest, {"shrink_ration": 0.4}, Path("x"))


@pytest.mark.parametrize(("expected", "stored"), [(True, 8.0), ("8", 8.0), (None, 8.0)])
def test_no_value_passes_for_another_type(manifest: SetManifest, expected: Any, stored: float) -> None:
    assert recorded_settings(manifest)["targets.min_size"] == stored
    with pytest.raises(StaleError):
        check_expectations(manifest, {"min_size": expected}, Path("x"))
