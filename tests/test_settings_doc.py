"""docs/settings.md against the code: every setting of both configurations, and its meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from loaded_script import loaded_script
from pydantic import Field

from formats.completion import field_names
from formats.spec import Section

SCRIPT = loaded_script("write_settings")
DOC = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPT.CONFIGURATIONS)
def test_its_tables_are_those_of_the_code(name: str) -> None:
    model = SCRIPT.CONFIGURATIONS[name]
    part = SCRIPT.marked(DOC, f"{name}: scripts/write_settings")
    assert part == SCRIPT.tables(model) + "\n\n", "run scripts/write_settings"
    assert all(f"\n| `{field}` | " in part for field, _ in field_names(model))


@pytest.mark.parametrize("name", SCRIPT.CONFIGURATIONS)
def test_every_setting_says_what_it_means(name: str) -> None:
    assert [field for field, meaning in field_names(SCRIPT.CONFIGURATIONS[name]) if not meaning] == []


def test_a_row_says_default_and_range() -> None:
    class Inner(Section):
        """Of one thing. And another."""

        share: float | None = Field(0.5, gt=0, lt=1, description="a|b <c>")
        sides: tuple[int, int] = Field(description="two")

    class Whole(Section):
        inner: Inner

    assert SCRIPT.tables(Whole).splitlines()[:3] == ["### `inner`", "", "Of one thing."]
    assert SCRIPT.tables(Whole).splitlines()[-2:] == [
        "| `inner.share` | `0.5` | number above 0 below 1, or `null` | a\\|b &lt;c> |",
        "| `inner.sides` | must be given | 2 values: whole number | two |",
    ]
