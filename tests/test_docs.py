"""What the documentation says exists: links, commands, options, settings, files."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.config import BuildConfig
from train.config import TrainConfig

ROOT = Path(__file__).parents[1]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCS]
FILES = (".py", ".md", ".txt", ".json", ".yaml", ".jsonl")
EXAMPLES = {"pipeline/sources/boxlines.py"}
"""Files that are not there: CONTRIBUTING.md shows how to write one."""
MODULES = ("formats", "pipeline", "train")


def fields_of(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields_of(field.annotation, f"{before}{name}.")


@functools.cache
def known_fields() -> set[str]:
    return {*fields_of(BuildConfig), *fields_of(TrainConfig)}


@functools.cache
def options_of(module: str) -> set[str]:
    command = importlib.import_module(module).main
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


@pytest.fixture(params=DOCS, ids=NAMES)
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_commands_and_options_exist(page: Path) -> None:
    for line in page.read_text().replace("\\\n", " ").splitlines():
        for module, rest in re.findall(r"python -m ((?:formats|pipeline|train)\.\w+)([^`|\n]*)", line):
            given = re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", re.split(r"\s#|&&|;", rest)[0])
            assert set(given) <= options_of(module), (module, given)


def test_settings_exist(page: Path) -> None:
    if page.name == "mistakes.md":
        pytest.skip("misspells them on purpose")
    sections = "|".join({field.partition(".")[0] for field in known_fields() if "." in field})
    words = set(re.findall(rf"(?<![\w./-])((?:{sections})\.[a-z_.]+[a-z])(?==|`)", page.read_text()))
    files = {
        word for word in words if Path(word).suffix in (".py", ".md", ".txt", ".json", ".yaml", ".jsonl")
    }
    assert {word for word in words - files if not _is_field(word)} == set()


def _is_field(word: str) -> bool:
    # The keys below source.splits are the user's.
    return word in known_fields() or word.startswith("source.splits.")


def test_a_setting_that_is_none_is_noticed() -> None:
    assert _is_field("geometry.canvas") and _is_field("trainer.precision")
    assert not _is_field("geometry.canvass") and not _is_field("source.nothing")


def test_scripts_and_files_exist(page: Path) -> None:
    if page.name in ("CHANGELOG.md", "log.md"):
        pytest.skip("tells of the past")
    text = page.read_text()
    scripts = re.findall(r"(?<![\w/])(scripts/[a-z_]+(?:\.py)?)(?![*a-z_])", text)
    files = re.findall(
        r"(?<![\w/])((?:formats|pipeline|train|tests|docs|configs)/[\w/]+\.(?:py|md|yaml))", text
    )
    assert sorted({name for name in {*scripts, *files} - EXAMPLES if not (ROOT / name).exists()}) == []
