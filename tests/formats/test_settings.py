"""YAML and overrides to a model: refusals that name every problem and the nearest known field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from formats.errors import UsageError
from formats.setting_problems import BUILD_FIELDS, TRAINING_FIELDS
from formats.settings import MAX_CONFIG_BYTES, load_settings, parse_yaml, read_yaml, validate_settings
from formats.spec import EncodingSpec, GeometrySpec, TargetsSpec
from pipeline.config import BuildConfig
from pipeline.sources.settings import Split
from train.config import TrainConfig
from train.expectation import BuildSections

CONFIGS = Path(__file__).parents[2] / "configs"


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
    assert text.startswith("command line: 4 problems\n")
    assert "targets.shrink_ration: unknown field; did you mean 'shrink_ratio'?" in text
    assert "target: unknown field; did you mean 'targets'?" in text
    assert "geometry.canvas.1: input should be a multiple of 32; found 650" in text
    assert "encoding.maps: input should be 'distance' or 'planes'; found 'both'" in text


def test_the_command_line_is_told_from_the_file(file: Path) -> None:
    file.write_text(file.read_text() + "encoding: {maps: none}\n")
    with pytest.raises(UsageError) as caught:
        load_settings(Config, file, ["target.min_size=3", "name=x", "targets.min_size=3"])
    assert str(caught.value).splitlines()[:3] == [
        f"{file}: 2 problems",
        "  - encoding.maps: input should be 'distance' or 'planes'; found 'none'",
        "  - target: unknown field; did you mean 'targets'? (command line)",
    ]


class Wide(BaseModel, extra="forbid"):
    expect: dict[str, Any] | str = ""
    ratio: float | tuple[float, float] | None = None
    splits: dict[str, Split] = {}
    spec: TargetsSpec = TargetsSpec()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"expect": 3}, "expect: must be a mapping or a text; found 3"),
        ({"expect": None}, 'expect: must be a mapping or a text; found nothing (an empty text is "")'),
        ({"spec": None}, "spec: must be a mapping; found nothing (leave out what is empty)"),
        ({"ratio": "x"}, "ratio: must be a number or a list; found 'x'"),
        (
            {"ratio": [1, "x"]},
            "ratio: must be a number; found [1, 'x']\n  - ratio.1: must be a number; found 'x'",
        ),
        ({"splits": {"a": {"images": "x"}}}, "splits.a.gt: must be given"),
        ({"splits": {"a": {"images": "x", "gt": "y", "z": 1}}}, "splits.a.z: unknown field"),
        ({"splits": {"a": ["x", {"gt": "y"}]}}, "splits.a.1.images: must be given"),
        ({"splits": {"a": 3}}, "splits.a: must be an annotation file, or"),
        ({"splits": {"a": [3]}}, "splits.a.0: must be an annotation file, or"),
    ],
)
def test_no_word_of_the_library(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate_settings(Wide, values, "settings")
    assert f"  - {told}" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("FolderPair", "pair", "str,any", "valid "))


@pytest.mark.parametrize(
    ("model", "file", "found", "step"),
    [
        (BuildConfig, "train_quickstart", "a training configuration: exp_name, data", "python -m train.run"),
        (TrainConfig, "quickstart", "a build configuration: source, geometry", "python -m pipeline.build"),
        (BuildSections, "train_quickstart", "a training configuration", "name a build configuration here"),
    ],
)
def test_a_configuration_of_the_other_kind(model: type[BaseModel], file: str, found: str, step: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(model, CONFIGS / f"{file}.yaml")
    assert f"found:     what looks like {found}" in str(caught.value)
    assert step in caught.value.next_step


def test_a_field_in_the_wrong_file_is_an_unknown_field() -> None:
    with pytest.raises(UsageError, match="trainer: unknown field"):
        load_settings(BuildConfig, CONFIGS / "quickstart.yaml", ["trainer.max_epochs=3"])


def test_the_kinds_of_configuration_are_those_there_are() -> None:
    assert set(BuildConfig.model_fields) == BUILD_FIELDS
    assert set(TrainConfig.model_fields) == TRAINING_FIELDS


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
        ("- 1\n", "found:     a list\n  next step: write `section:`"),
        ("3\n", "found:     a single value"),
        ("a:\n\tb: 1\n", "next step: indent with blanks"),
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
    with pytest.raises(UsageError, match=r"byte 0xe9 at 6: .*\n.*save it as UTF-8, or name a YAML file"):
        read_yaml(tmp_path / "latin")
    (tmp_path / "large").write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(UsageError, match="at most"):
        read_yaml(tmp_path / "large")
    (tmp_path / "empty").touch()
    assert read_yaml(tmp_path / "empty") == {}
