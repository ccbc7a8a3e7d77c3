"""What the show of a cluster stands on: commands that must end as they should, and a transcript without keys.

The show itself takes a minute and real pages; its transcript stands in docs/cluster.md.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import object_storage
import pytest
from loaded_script import loaded_script

DOC = Path(__file__).parents[2] / "docs" / "cluster.md"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts")
    return loaded_script("show_cluster")


@pytest.fixture
def show(script: Any, tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        yield script.Show(tmp_path, stack, {"s3": 50123, "scheduler": 50456})


def test_commands_get_real_ports_and_paths_and_show_the_usual_ones(show: Any, tmp_path: Path) -> None:
    said = show.run("echo tcp://a:8786 > port; cat port; echo http://b:50123 $PWD/sets")
    assert said.splitlines()[1:] == ["tcp://a:8786", "http://b:8333 sets", "[exit code 0]"]
    assert (tmp_path / "port").read_text() == "tcp://a:50456\n"


def test_a_command_that_ends_otherwise_ends_the_show(show: Any) -> None:
    assert show.run("echo no; exit 1", code=1).endswith("no\n[exit code 1]\n")
    with pytest.raises(click.ClickException, match="ended with 1:\nno"):
        show.run("echo no; exit 1")
    show.start("worker", "sleep 60")
    os.killpg(show.background["worker"].pid, signal.SIGKILL)
    with pytest.raises(click.ClickException, match="worker ended with -9"):
        show.wait("worker", 0, tells=True)
    assert show.wait("worker", -signal.SIGKILL, tells=False) == "$ wait %worker\n[exit code 137]\n"


def test_what_runs_beside_ends_with_the_show(script: Any, tmp_path: Path) -> None:
    with ExitStack() as stack:
        show = script.Show(tmp_path, stack, {"s3": 1, "scheduler": 2})
        assert show.start("server", "sleep 60") == "$ sleep 60 &  # server\n"
    assert show.background["server"].returncode == -signal.SIGKILL


def test_a_key_is_noticed(script: Any) -> None:
    script.check_no_key({"worker": "AWS_SECRET_ACCESS_KEY=...", "build": "s3://pages"})
    for key in (object_storage.KEY, object_storage.SECRET):
        with pytest.raises(click.ClickException, match="a key stands in worker"):
            script.check_no_key({"worker": f"AWS={key}", "build": ""})


def test_pages_are_laid_out_and_too_few_refused(script: Any, tmp_path: Path) -> None:
    for split in ("train", "test"):
        names = [f"{split}/{number}{suffix}" for number in range(9) for suffix in (".jpg", ".txt")]
        for name in names:
            (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name).write_text(name)
        lines = ["\t".join(names[i : i + 2]) for i in range(0, 18, 2)]
        (tmp_path / f"data/{split}_list.txt").write_text("\n".join(lines))
    script.lay_out(tmp_path / "data", tmp_path, 12)
    assert len((tmp_path / "pages/train.txt").read_text().splitlines()) == 8
    assert len(list((tmp_path / "pages/test").iterdir())) == 2 * 4
    with pytest.raises(click.ClickException, match="9 pages of the split train, not 10"):
        script.lay_out(tmp_path / "data", tmp_path, 15)


def test_the_document_has_a_transcript_of_the_whole() -> None:
    transcript = DOC.read_text(encoding="utf-8").partition("<!-- transcript: scripts/show_cluster -->")[2]
    for told in (
        "[exit code 137]",
        "\nsame: sets/local and ",
        ": sound",
        "2 processes",
        "finished: 1 epochs",
    ):
        assert told in transcript
    assert object_storage.KEY not in transcript
