"""The gate's arithmetic, and the command itself on a set of some made pages."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from made_run import CANVAS, WORDS
from made_set import made_sample, make_set

from formats.spec import EncodingSpec

SCRIPTS = Path(__file__).parents[2] / "scripts"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_report", SCRIPTS / "gate_report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gate_report"] = module
    spec.loader.exec_module(module)
    return module


gate = _load()


def runs(precision: str, finals: list[float]) -> list[object]:
    return [
        gate.GateRun(precision, seed, final, final + 0.01, 10.0, 500.0, None, 0)
        for seed, final in enumerate(finals)
    ]


@pytest.mark.parametrize(
    ("drop", "verdict"),
    [(-0.05, "pass"), (0.0099, "pass"), (0.01, "marginal"), (0.02, "marginal"), (0.0201, "fail")],
)
def test_verdicts(drop: float, verdict: str) -> None:
    assert gate.verdict_of(drop) == verdict


def test_the_drop_is_a_share_of_the_first_precision() -> None:
    first, other = gate.rows_of([*runs("32-true", [0.8, 0.8]), *runs("16-mixed", [0.76, 0.78])])
    assert (first.verdict, other.verdict) == ("baseline", "fail")
    assert other.drop == pytest.approx(0.03 / 0.8)
    assert other.spread == pytest.approx(0.02 / 2**0.5)
    assert other.noise == pytest.approx(2 * 0.01 / 0.8)
    assert other.told_apart


def test_a_difference_within_the_noise_is_called_that() -> None:
    rows = gate.rows_of([*runs("32-true", [0.7, 0.9]), *runs("bf16-mixed", [0.6, 0.9])])
    assert rows[1].verdict == "fail"
    assert not rows[1].told_apart
    assert "within the noise of 2 seeds" in gate.as_text(rows)


def test_both_averages_of_cleval_stand_beside_the_verdict() -> None:
    def with_cleval(precision: str, micro: list[float]) -> list[object]:
        others = [{"cleval/hmean": value, "cleval/macro_hmean": value - 0.1} for value in micro]
        return [gate.GateRun(precision, n, 0.8, 0.8, 1.0, 1.0, None, 0, o) for n, o in enumerate(others)]

    first, other = gate.rows_of([*with_cleval("32-true", [0.9, 0.92]), *runs("bf16-mixed", [0.8])])
    assert first.others["cleval/hmean"] == pytest.approx((0.91, 0.02 / 2**0.5))
    assert first.others["cleval/macro_hmean"] == pytest.approx((0.81, 0.02 / 2**0.5))
    assert "| 0.9100 ± 0.0141 | 0.8100 ± 0.0141 |" in gate.as_markdown([first], "")
    assert gate.cells(other)[4:6] == ["-", "-"]


def test_a_single_seed_has_no_spread_and_says_so() -> None:
    rows = gate.rows_of([*runs("32-true", [0.8863]), *runs("16-mixed", [0.7816])])
    assert rows[1].spread is rows[1].noise is None
    assert "one seed tells nothing" in gate.as_text(rows)


def test_only_the_marked_section_of_a_page_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{gate.BEGIN}\nold\n{gate.END}\nbelow\n")
    rows = gate.rows_of([*runs("32-true", [0.8, 0.82]), *runs("bf16-mixed", [0.8, 0.81])])
    for _ in range(2):
        gate.write_section(page, gate.as_markdown(rows, r"on a \1 set:"))
    text = page.read_text()
    assert text.startswith(f"above\n{gate.BEGIN}\non a \\1 set:\n\n| precision |")
    assert text.endswith(f"{gate.END}\nbelow\n")
    assert "old" not in text
    (tmp_path / "plain.md").write_text("none\n")
    with pytest.raises(ValueError, match="has no lines"):
        gate.write_section(tmp_path / "plain.md", "x")


def test_the_shipped_page_has_the_section() -> None:
    text = (SCRIPTS.parent / "docs" / "precision.md").read_text()
    assert text.index(gate.BEGIN) < text.index(gate.END)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "precision_gate"), *words], capture_output=True, text=True, check=False
    )


def test_the_command_trains_each_once_and_keeps_what_is_finished(tmp_path: Path) -> None:
    pages = [made_sample(number, CANVAS, split="train") for number in range(8)]
    pages += [made_sample(100 + number, CANVAS, split="test") for number in range(2)]
    shards = make_set(tmp_path / "set", pages, encoding=EncodingSpec(), canvas=CANVAS)
    page = tmp_path / "page.md"
    page.write_text(f"{gate.BEGIN}\n{gate.END}\n")
    words = ["--shards", str(shards), "--out", str(tmp_path / "out"), "--seeds", "1", "--json"]
    words += ["--page", str(page), "--precisions", "32-true", "bf16-mixed", *WORDS, "trainer.max_epochs=1"]
    done = command(*words)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert [row["precision"] for row in found["rows"]] == ["32-true", "bf16-mixed"]
    assert [run["seed"] for run in found["runs"]] == [42, 42]
    assert all(run["others"].keys() == gate.OTHERS.keys() for run in found["runs"])
    assert all(run["peak_mb"] > 0 and 0.0 <= run["final"] <= run["best"] for run in found["runs"])
    assert json.loads((tmp_path / "out" / f"{found['date']}.json").read_text()) == found
    assert "| bf16-mixed | 1 |" in page.read_text()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("last.pt")}
    assert len(before) == 2
    again = command(*words)
    assert json.loads(again.stdout)["runs"] == found["runs"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    other = command(*words, "optim.lr=0.5")
    assert other.returncode == 1
    assert "other settings" in other.stderr


def test_a_precision_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = command("--shards", str(tmp_path), "--precisions", "fp8", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "bf16-mixed" in done.stderr
