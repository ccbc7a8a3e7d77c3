"""What goes wrong around a build: one clear error each, and the set is the old one or can be finished."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from made_pages import made_config, made_page, made_pages
from set_content import content

from formats.checks.sets import verify_set
from formats.errors import SetError, TextshardsError
from formats.settings import validate_settings
from formats.shards import ShardSet
from pipeline.assemble import build
from pipeline.config import BuildConfig


def run(folder: Path, root: Path, **sections: dict[str, object]) -> None:
    build(validate_settings(BuildConfig, made_config(root, **sections), "test"), folder, command=["test"])


def command(root: Path, out: Path, *words: str) -> list[str]:
    config = root / "config.yaml"
    config.write_text(yaml.safe_dump(made_config(root)), encoding="utf-8")
    return [sys.executable, "-m", "pipeline.build", "--config", str(config), "--out", str(out), *words]


def ended(
    root: Path, out: Path, *words: str, limit: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(root, out, *words), capture_output=True, text=True, preexec_fn=limit)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return made_pages(tmp_path / "pages", 6)


@pytest.fixture
def expected(tmp_path: Path, pages: Path) -> dict[str, bytes]:
    run(tmp_path / "undisturbed", pages)
    return content(tmp_path / "undisturbed")


class Disk:
    """A disk of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.mounted = self._mount("-t", "tmpfs", "-o", "size=64m", "tmpfs")

    def _mount(self, *words: str) -> bool:
        return subprocess.run(["mount", *words, str(self.folder)], capture_output=True).returncode == 0

    def change(self, options: str) -> None:
        assert self._mount("-o", f"remount,{options}")

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    if not made.mounted:
        pytest.skip("mounting a small disk takes rights that this user has not")
    yield made
    made.close()


def limited_to(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("words", [(), ("encoding.container=zarr",), ("--workers", "2")])
def test_a_file_that_cannot_grow(tmp_path: Path, pages: Path, words: tuple[str, ...]) -> None:
    done = ended(pages, tmp_path / "set", *words, limit=partial(limited_to, 2000))
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    for told in (f"cannot write in {tmp_path / 'set'}", "file too large", "MB are free", "the same command"):
        assert told in done.stderr
    assert not (tmp_path / "set/manifest.json").exists()
    assert not list((tmp_path / "set").rglob("*.partial"))


def test_a_full_disk_and_then_room(
    disk: Disk, pages: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    out = disk.folder / "set"
    disk.change("size=40k")
    done = ended(pages, out)
    assert done.returncode == 1
    assert "no space left on device" in done.stderr and "MB of 0.0 MB are free" in done.stderr
    assert not (out / "manifest.json").exists()
    finished = len(list((out / "shards").glob("*.json")))
    assert finished
    disk.change("size=64m")
    done = ended(pages, out)
    assert done.returncode == 0 and f"; {finished} stood already" in done.stdout
    assert content(out) == expected
    disk.change("size=110k")
    done = ended(pages, out, "targets.shrink_ratio=0.5")
    assert done.returncode == 1, done.stdout
    assert {problem.kind for problem in verify_set(out).problems} <= {"extra"}
    assert ended(pages, out).returncode == 0
    assert content(out) == expected


def test_a_folder_that_cannot_be_written(disk: Disk, pages: Path, expected: dict[str, bytes]) -> None:
    out = disk.folder / "set"
    run(out, pages)
    disk.change("ro")
    done = ended(pages, out, "targets.shrink_ratio=0.5")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot write in {out}") and "read-only" in done.stderr
    assert content(out) == expected
    assert len(ShardSet(out)) == 6
    assert ended(pages, out, "--check").returncode == 0
    done = ended(pages, out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{out}: valid, ") and "nothing: every shard stands" in done.stdout
    assert ended(pages, out, "--force").returncode == 2
    verify = [sys.executable, "-m", "formats.verify", str(out)]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["set", "set/shards", "set/manifest.json", "set/.lock"])
def test_something_else_is_in_the_way(tmp_path: Path, pages: Path, place: str) -> None:
    way = tmp_path / place
    way.parent.mkdir(exist_ok=True)
    if place in ("set", "set/shards"):
        way.write_text("not a folder")
    else:
        way.mkdir()
    done = ended(pages, tmp_path / "set")
    assert done.returncode == 2
    told = (
        "shards that no build has written" if place == "set/shards" else f"cannot write in {tmp_path / 'set'}"
    )
    assert told in done.stderr


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mishap", ["vanishes", "changes"])
def test_an_image_that_does_not_stay(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, mishap: str, workers: int
) -> None:
    victim = pages / "train/page_3.jpg"
    run(tmp_path / "set", pages, targets={"shrink_ratio": 0.5})
    old = content(tmp_path / "set")

    def strike() -> None:
        victim.unlink()
        if mishap == "changes":
            victim.write_bytes(made_page(77))

    runtime: dict[str, object] = {"workers": workers, "max_quarantined": 1.0}
    monkeypatch.setattr("pipeline.assemble.warm_up", strike)
    with pytest.raises(TextshardsError, match=r"train/page_3\.jpg: the image") as caught:
        run(tmp_path / "set", pages, runtime=runtime)
    assert "run the same command again" in caught.value.next_step
    kept = content(tmp_path / "set")
    assert {name: kept.get(name) for name in old} == old
    monkeypatch.undo()
    victim.write_bytes(made_page(3 if mishap == "vanishes" else 77))
    run(tmp_path / "set", pages)
    run(tmp_path / "fresh", pages)
    assert content(tmp_path / "set") == content(tmp_path / "fresh")
    assert len(ShardSet(tmp_path / "set")) == 6


def started(root: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(root, out, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert condition()


def test_a_worker_killed_by_the_system(tmp_path: Path) -> None:
    pages = made_pages(tmp_path / "pages", 60)
    out = tmp_path / "set"
    process = started(pages, out, "--workers", "2")
    until(lambda: list((out / "shards").glob("*.json")))
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 1 and "Traceback" not in said
    assert said.count("error: ") == 1 and "error: a worker process died" in said
    assert not (out / "manifest.json").exists() and not list(out.rglob("*.partial"))
    assert ended(pages, out).returncode == 0
    run(tmp_path / "fresh", pages)
    assert content(out) == content(tmp_path / "fresh")


def workers_of(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_two_builds_into_one_folder(tmp_path: Path, pages: Path, expected: dict[str, bytes]) -> None:
    out = tmp_path / "set"
    first = started(pages, out)
    until(lambda: (out / ".lock").exists() and (out / ".lock").read_text())
    first.send_signal(signal.SIGSTOP)
    second = ended(pages, out, "targets.shrink_ratio=0.5")
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert f"{out} is being built by another process" in second.stderr
    assert f"process {first.pid} on" in second.stderr
    first.communicate()
    assert first.returncode == 0
    assert content(out) == expected


def test_a_reader_of_the_set_that_was_replaced(tmp_path: Path, pages: Path) -> None:
    run(tmp_path / "set", pages)
    reader = ShardSet(tmp_path / "set")
    run(tmp_path / "set", pages, targets={"shrink_ratio": 0.5})
    with pytest.raises(SetError, match="rebuilt meanwhile"):
        reader.sample(0)
    with pytest.raises(SetError, match="rebuilt meanwhile"):
        reader.image(5)
