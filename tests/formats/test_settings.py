"""YAML and overrides to a model: refusals that name every problem and the nearest known field."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from formats.errors import UsageError
from formats.settings import MAX_CONFIG_BYTES, load_settings, parse_yaml, read_yaml, validate_settings
from formats.spec import EncodingSpec, GeometrySpec, TargetsSpec


class Config(BaseModel, extra="forbid"):
    geometry: GeometrySpec = GeometrySpec()
    targets: TargetsSpec = TargetsSpec()
    encoding: EncodingSpec = EncodingSpec()
    name: str


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("name: receipts\ngeometry: {canvas: [1280, 640]}\ntargets:\n  # nothing yet\n")
    return path


def test_file_and_overrides(file: Path) -> None:
    words = ["targets.shrink_ratio=0.5", "geometry.pad_color=[1, 2, 3]", "name=a=b", "encoding.image=raw"]
    config = load_settings(Config, file, words)
    assert config.geometry.canvas == (1280, 640)
    assert config.geometry.pad_color == (1, 2, 3)
    assert config.targets.shrink_ratio == 0.5
    assert (config.name, config.encoding.image) == ("a=b", "raw")


@pytest.mark.parametrize("text", ["{split}/images", "%a", "a: b: c", "@here", "'a' b", "- [x] y"])
def test_a_value_that_is_no_yaml_is_a_text(text: str) -> None:
    assert load_settings(Config, None, [f"name={text}"]).name == text


@pytest.mark.parametrize("text", ["{split}", "{split: /images", "[1, 2", "!x", "*a"])
def test_a_mapping_or_a_slip_is_no_text(text: str) -> None:
    with pytest.raises(UsageError):
        load_settings(Config, None, [f"name={text}"])


def test_settings_without_a_file() -> None:
    assert load_settings(Config, None, ["name=x"]) == Config(name="x")


def test_all_problems_in_one_message(file: Path) -> None:
    words = [
        "targets.shrink_ration=1",
        "geometry.canvas=[640, 650]",
        "target.min_size=3",
        "encoding.maps=both",
    ]
    with pytest.raises(UsageError) as caught:
        load_settings(Config, file, words)
    text = str(caught.value)
    assert text.startswith(f"{file}: 4 problems\n")
    assert "targets.shrink_ration: unknown field; did you mean 'shrink_ratio'?" in text
    assert "target: unknown field; did you mean 'targets'?" in text
    assert "geometry.canvas.1: input should be a multiple of 32; found 650" in text
    assert "encoding.maps: input should be 'distance' or 'planes'; found 'both'" in text


def test_missing_and_far_off_fields() -> None:
    with pytest.raises(
        UsageError, match=r"2 problems\n.*xyz: unknown field; known here: dont_care"
    ) as caught:
        validate_settings(Config, {"targets": {"xyz": 1}}, "settings")
    assert "name: must be given" in str(caught.value)


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("targets.shrink_ratio", "section.field=value"),
        ("=3", "section.field=value"),
        ("targets..x=3", "section.field=value"),
        ("name.first=x", "expected:  name to be a section"),
        ("name=[1", "YAML"),
        ("name=&a [*a]", "without aliases"),
        ("name=2020-13-45", "YAML"),
    ],
)
def test_bad_overrides(file: Path, word: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(Config, file, [word])
    assert problem in str(caught.value)
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x [1]\nb: *x\n", "without aliases"),
        ("a: &x\n  b: *x\n", "without aliases"),
        ("a:\n  b: 1\n  b: 2\n", "a.b set again"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("- 1\n", "found:     list"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(400)), "nested at most 32 deep"),
        ("a: [1\n", "expected ',' or ']'"),
        ("[" * 250_000, "nested at most 32 deep"),
        ("? [1]\n: 2\n? {a: b}\n: 3\n", "unhashable"),
        ("a: \x00", "special characters"),
    ],
)
def test_hostile_yaml(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_yaml(text, "configuration x")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("configuration x")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(UsageError, match="directory"):
        read_yaml(tmp_path)
    (tmp_path / "latin").write_bytes(b"name: \xe9")
    with pytest.raises(UsageError, match="UTF-8"):
        read_yaml(tmp_path / "latin")
    (tmp_path / "large").write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(UsageError, match="at most"):
        read_yaml(tmp_path / "large")
    (tmp_path / "empty").touch()
    assert read_yaml(tmp_path / "empty") == {}
