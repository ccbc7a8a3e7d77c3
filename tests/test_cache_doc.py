"""docs/cache.md against the code: its table of fields, its error texts, its commands, its transcript."""

from __future__ import annotations

import ast
import importlib
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from formats.fingerprint import OPTIONAL_PARTS, PARTS
from formats.settings import parse_yaml
from pipeline.config import BuildConfig
from pipeline.effects import FieldEffect, effects, effects_table
from train.config import TrainConfig

ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs" / "cache.md").read_text(encoding="utf-8")


def between(mark: str) -> str:
    return DOC.partition(f"<!-- {mark} -->\n")[2].partition("<!-- end -->")[0]


def test_the_table_of_fields_is_that_of_the_code() -> None:
    assert between("table: scripts/write_cache_table") == effects_table() + "\n", (
        "run scripts/write_cache_table"
    )


def test_effects_are_found_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, FieldEffect] = {effect.field: effect for effect in effects()}
    assert len(found) == sum(len(info.annotation.model_fields) for info in BuildConfig.model_fields.values())  # type: ignore[union-attr]
    assert {part for effect in found.values() for part in effect.parts} == {*PARTS, *OPTIONAL_PARTS}
    assert found["targets.min_size"].idle == "small_text is keep"
    assert found["encoding.jpeg_quality"].idle == "image is lz4 or raw"
    assert found["variants.elastic_spacing"].idle == "count is 0; elastic is 0"
    assert found["runtime.workers"].parts == ()
    assert all(effect.description for effect in found.values())
    monkeypatch.setattr("formats.manifest.semantic", lambda section: {})
    assert not any(effect.parts for effect in effects() if not effect.field.startswith("source."))


def texts_of_the_code() -> Iterator[str]:
    """Yield every string in the code, what is filled in left out."""
    for folder in ("formats", "pipeline", "train"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_error_it_explains_is_one_the_code_has() -> None:
    section = DOC.partition("## What each error means")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    texts = list(texts_of_the_code())
    for row in rows:
        for said in re.findall(r"`([^`]+)`", row):
            assert any(said in text for text in texts), said


def test_every_command_it_names_is_one() -> None:
    commands = set(re.findall(r"python -m ((?:formats|pipeline|train)\.\w+)((?: --[a-z-]+)*)", DOC))
    assert {name for name, _ in commands} >= {"pipeline.build", "pipeline.health", "formats.verify"}
    for name, _ in commands:
        options = {
            word for found in re.findall(rf"python -m {name}([^\n`|#]*)", DOC) for word in found.split()
        }
        known = {
            option for parameter in importlib.import_module(name).main.params for option in parameter.opts
        }
        given = {word.strip("[];,") for word in options if word.strip("[").startswith("--")}
        assert given <= known, name


def test_its_examples_of_expectations_are_configurations() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        assert TrainConfig.model_validate(parse_yaml(block, "docs/cache.md")).expect


def test_the_transcript_is_that_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = between("transcript: scripts/replay_accident")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    steps = runpy.run_path(str(ROOT / "scripts" / "replay_accident"))["STEPS"]
    assert re.findall(r"^\$ (.*)$", transcript, re.MULTILINE) == [step.command for step in steps]
    assert transcript.count("[exit code 1]") == sum(step.code == 1 for step in steps)
    assert "expected:  targets.shrink_ratio = 0.3\n  found:     targets.shrink_ratio = 0.4" in transcript
    assert "fallbacks: none possible" in transcript
    assert not re.search(r"(?:^|[\s'\"=(])/[a-z]", transcript), "a path of the machine it ran on"
