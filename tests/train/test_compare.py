from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_run_folder import made_run_folder

ROOT = Path(__file__).parents[2]


def compare(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "train.compare", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_is_quick_and_shows_an_example() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = compare("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert "python -m train.compare runs/" in done.stdout


def test_comparing_takes_no_torch(tmp_path: Path) -> None:
    folders = [str(made_run_folder(tmp_path / name)) for name in "ab"]
    program = (
        "import sys\nfrom train.compare import main\n"
        f"main([*{folders}, '--html', {str(tmp_path / 'x.html')!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)


def test_real_runs_as_a_table_as_json_and_as_a_page(small_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(small_run, other)
    config = (other / "config.yaml").read_text()
    assert config.count("seed: 42") == config.count("precision: 32-true") == 1
    changed = config.replace("exp_name: small", "exp_name: large").replace("32-true", "bf16-mixed")
    (other / "config.yaml").write_text(changed)

    done = compare(small_run, other, "--html", tmp_path / "deep/page.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert "beware: a single seed for precision=32-true; precision=bf16-mixed" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    head, row = (words for words in lines if words[:1] in (["small"], ["trainer.precision"]))
    assert dict(zip(head, row[1:], strict=True)) == {"small": "32-true", "large": "bf16-mixed"}
    assert (tmp_path / "deep/page.html").stat().st_size > 10_000

    values = json.loads(compare(other, small_run, "--json").stdout)
    assert [run["label"] for run in values["runs"]] == ["small", "large"]
    (difference,) = values["differences"]
    assert difference["name"] == "trainer.precision"
    assert {value["value"]: value["runs"] for value in difference["values"]} == {
        "32-true": ["small"],
        "bf16-mixed": ["large"],
    }
    summary = json.loads((small_run / "summary.json").read_text())
    assert values["runs"][0]["best"]["metrics"]["hmean"] == summary["best"]["hmean"]
    assert values["settings"][0]["figures"]["best/hmean"]["mean"] == summary["best"]["hmean"]
    assert "single-seed" in [caution["kind"] for caution in values["cautions"]]


def test_the_json_is_as_documented(tmp_path: Path) -> None:
    folders = [made_run_folder(tmp_path / "a"), made_run_folder(tmp_path / "b", "trainer.patience=3")]
    values = json.loads(compare(*folders, "--json").stdout)
    documented = (ROOT / "train/compare.py").read_text().split('"""')[1]
    names = set(values) | set(values["runs"][0]) | set(values["settings"][0]) | set(values["differences"][0])
    figure = values["settings"][0]["figures"]["wall_s"]
    for name in names | set(figure) | set(values["runs"][0]["pace"]):
        assert name in documented, name


@pytest.mark.parametrize(("number", "code"), [(0, 2), (1, 2), (2, 1)])
def test_what_cannot_be_compared(tmp_path: Path, number: int, code: int) -> None:
    folders = [made_run_folder(tmp_path / name) for name in "abc"]
    (folders[2] / "metrics.jsonl").write_text("damage\n")
    words = [[folders[0], tmp_path], [folders[0]], [folders[0], folders[2]]][number]
    done = compare(*words)
    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not done.stdout
