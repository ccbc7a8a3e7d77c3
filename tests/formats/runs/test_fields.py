"""Fields of a run's files that no run writes so: each is named, and none ends in a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_run_folder import made_run_folder

from formats.errors import DamageError
from formats.runs.record import read_run

WORDS = {"a whole number", "a number", "true or false", "a text", "a list", "a mapping"}
"""What a field should have been, in the words of all messages."""
CHECKPOINT_FAULTS: list[tuple[str, object]] = [
    ("set", 3),
    ("set", {"fingerprint": 3}),
    ("set", {"parts": ["a"]}),
    ("versions", "1.0"),
    ("versions", {"torch": ["2"]}),
    ("resumed", {}),
    ("resumed", [3]),
    ("resumed", [{"changed": ["optim.lr"]}]),
    ("resumed", [{"changed": {"optim.lr": 3}}]),
    ("resumed", [{"scores_from": "x"}]),
]
SUMMARY_FAULTS = [
    *CHECKPOINT_FAULTS,
    *(("finished", value) for value in (None, "yes", 1)),
    *(("steps", value) for value in (None, "x", 1.5, True)),
    ("epochs", "x"),
    ("wall_s", "x"),
    ("processes", "x"),
    ("peak_rss_mb", "x"),
]
"""Fields of the two files, with values that no run writes there."""


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        *(("summary.json", field, value) for field, value in SUMMARY_FAULTS),
        *(("last.json", field, value) for field, value in CHECKPOINT_FAULTS),
    ],
)
def test_a_field_of_another_kind_is_named(tmp_path: Path, name: str, field: str, value: object) -> None:
    folder = made_run_folder(tmp_path / "a")
    values = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(values | {field: value}))
    with pytest.raises(DamageError, match=rf"{name}, field {field}") as caught:
        read_run(folder)
    assert caught.value.found and caught.value.next_step
    assert caught.value.expected in WORDS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("hmean", value) for value in ("x", [1], True, float("nan"), {"a": 1})),
        *(("global_step", value) for value in ("x", 1.5, None, False)),
        *(("epoch", "x"), ("phase", 3), ("wall_s", None), ("time/samples_per_s", "fast")),
    ],
)
def test_a_value_of_another_kind_in_a_record_is_named_with_its_line(
    tmp_path: Path, field: str, value: object
) -> None:
    folder = made_run_folder(tmp_path / "a")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rows[3] |= {field: value}
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DamageError, match=rf"metrics.jsonl, line 4, field {field}") as caught:
        read_run(folder)
    assert caught.value.expected and caught.value.found
