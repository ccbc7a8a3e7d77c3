"""What moved is told, and what did not is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from loaded_script import loaded_script

bench = loaded_script("bench_all")


def measured(median: float, spread: float) -> dict[str, Any]:
    return {"benches": {"bench_a": {"figures": {"ms": {"median": median, "spread": spread}}}}}


def test_figures_of_rows_are_named_by_their_words() -> None:
    value = {"rows": [{"data": "a", "ms": 1, "ok": True}, {"data": "b", "ms": 2.5}], "x": {"y": 3}, "n": None}
    assert dict(bench.figures(value)) == {"rows[a].ms": 1.0, "rows[b].ms": 2.5, "x.y": 3.0}
    assert dict(bench.figures([{"workers": 1, "s": 2}, {"workers": 2, "s": 3}]))["[1].s"] == 3.0


def test_only_what_leaves_the_noise_has_moved() -> None:
    assert list(bench.moved(measured(10, 1), measured(11.9, 1))) == []
    assert list(bench.moved(measured(10, 1), measured(12.1, 1))) == [("bench_a ms", 10, 12.1, 0.2)]
    assert list(bench.moved(measured(10, 1), measured(7.9, 1)))
    assert list(bench.moved(measured(10, 0), measured(10.4, 0))) == []
    assert list(bench.moved(measured(10, 0), {"benches": {"bench_b": {}}})) == []


def test_every_bench_there_is_is_run() -> None:
    scripts = Path(bench.__file__).parent
    assert set(bench.benches()) == {path.name for path in scripts.glob("bench_*")} - {"bench_all"}
    assert set(bench.SHORT) == set(bench.benches())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, bench.__file__, "--only", "bench_imports", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_earlier_run_is_compared_with(tmp_path: Path) -> None:
    out = tmp_path / "now.json"
    assert run("--out", str(out)).returncode == 0
    found = json.loads(out.read_text())
    names = found["benches"]["bench_imports"]["figures"]
    assert "seconds.pipeline.build" in names
    for figure in names.values():
        figure["median"] /= 100
    (tmp_path / "before.json").write_text(json.dumps(found))
    done = run("--against", str(tmp_path / "before.json"))
    assert done.returncode == 1
    assert "moved  bench_imports seconds.pipeline.build" in done.stdout
    found["machine"]["cpu"] = "another"
    (tmp_path / "before.json").write_text(json.dumps(found))
    assert "another machine" in run("--against", str(tmp_path / "before.json")).stderr
