"""Pages of the only split set aside to validate on."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.sources import Annotations, SourceSettings

NAMES = [f"p{number}.jpg" for number in range(200)]


def read(read_source: Any, names: list[str], **settings: Any) -> Annotations:
    files: dict[str, Any] = dict.fromkeys(names, b"")
    files["Label.txt"] = "".join(f"{name}\t[]\n" for name in [*names, "lost.jpg"])
    found: Annotations = read_source(files, format="paddle", splits={"pages": "Label.txt"}, **settings)
    return found


def keys(found: Annotations, split: str) -> set[str]:
    return {record.key for record in found.records if record.split == split}


def test_a_share_of_the_pages_becomes_the_split_val(read_source: Any) -> None:
    plain = read(read_source, NAMES)
    held = read(read_source, NAMES, hold_out=0.2)
    assert 20 <= len(keys(held, "val")) <= 60
    assert keys(held, "val") | keys(held, "pages") == keys(plain, "pages") == set(NAMES)
    assert list(held.records) == sorted(held.records, key=lambda row: (row.split, row.key))
    assert len(held.rejected) == 1


def test_a_page_stays_where_it_is_whatever_pages_come(read_source: Any) -> None:
    few = read(read_source, NAMES[:100], hold_out=0.2)
    many = read(read_source, NAMES, hold_out=0.2)
    assert keys(few, "val") == keys(many, "val") & set(NAMES[:100])


@pytest.mark.parametrize("splits", [{"train": "a", "test": "b"}, {"val": "a"}])
def test_what_has_several_splits_holds_nothing_out(splits: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="hold_out: is for a source of one split"):
        SourceSettings(format="ufo", root="r", splits=splits, hold_out=0.1)
