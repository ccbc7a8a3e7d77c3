"""The build as a user runs it: whole sets, unfinished ones, changed ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from built_set import invoke
from made_pages import made_config, made_page, made_pages
from PIL import Image

from formats.checks.sets import verify_set
from formats.errors import TextshardsError, UsageError
from formats.settings import validate_settings
from formats.shards import ShardSet
from pipeline import assemble
from pipeline.assemble import BuildReport, build
from pipeline.build import main
from pipeline.check import check
from pipeline.config import BuildConfig
from pipeline.summary import summary

VOLATILE = {"provenance.json", ".stat-cache.json", ".lock", ".verified.json"}


def run(folder: Path, root: Path, *splits: str, **sections: dict[str, object]) -> BuildReport:
    config = validate_settings(BuildConfig, made_config(root, *splits, **sections), "test")
    return build(config, folder, command=["test"])


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in VOLATILE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return made_pages(tmp_path / "pages", 7)


@pytest.mark.parametrize("container", ["tar", "zarr"])
@pytest.mark.parametrize("maps", ["distance", "planes"])
def test_same_bytes_for_one_worker_and_two(tmp_path: Path, pages: Path, container: str, maps: str) -> None:
    encoding = {"container": container, "maps": maps}
    one = run(tmp_path / "one", pages, encoding=encoding)
    two = run(tmp_path / "two", pages, encoding=encoding, runtime={"workers": 2})
    assert one.manifest.splits == {"train": 7}
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert two.made == len(two.shards) > 2


def test_what_was_built_reads_back(tmp_path: Path, pages: Path) -> None:
    run(tmp_path / "set", pages)
    shards = ShardSet(tmp_path / "set")
    assert len(shards) == 7
    sample = shards.sample(3)
    assert [text.status for text in sample.meta.texts] == ["care", "care", "too_small", "dont_care"]
    assert sample.image_HWC.shape == (128, 160, 3)
    maps = sample.maps.target_maps(0.4)
    assert maps.prob_HW.any() and not maps.prob_HW.all()
    assert not maps.prob_mask_HW[105, 138]  # inside the don't-care text, 1.25 times its source coordinates


def test_nothing_to_do_makes_nothing(tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "set", pages)
    before = content(tmp_path / "set")
    monkeypatch.setattr("pipeline.assemble.write_shard", lambda job: pytest.fail(f"rendered {job}"))
    report = run(tmp_path / "set", pages)
    assert report.made == 0
    assert content(tmp_path / "set") == before


@pytest.mark.parametrize("paranoid", [False, True])
def test_nothing_to_do_decodes_no_pixel(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, paranoid: bool
) -> None:
    Image.open(pages / "train/page_2.jpg").save(pages / "train/page_2.png")
    listed = pages / "train_list.txt"
    listed.write_text(listed.read_text().replace("page_2.jpg", "page_2.png"))
    run(tmp_path / "set", pages)

    def decode(*_: object, **__: object) -> None:
        pytest.fail("decoded an image")

    for name in ("simplejpeg.decode_jpeg", "cv2.imdecode", "cv2.imread", "PIL.Image.open"):
        monkeypatch.setattr(name, decode)
    config = validate_settings(BuildConfig, made_config(pages), "test")
    assert check(config, tmp_path / "set", paranoid=paranoid).valid
    assert build(config, tmp_path / "set", paranoid=paranoid, command=["test"]).made == 0
    for name in ("page_1.jpg", "page_2.png"):
        with (pages / "train" / name).open("ab") as file:
            file.write(b"\0")
        assert not check(config, tmp_path / "set").valid
        with pytest.raises(pytest.fail.Exception, match="decoded an image"):
            build(config, tmp_path / "set", command=["test"])


@pytest.mark.parametrize("change", ["image", "annotation", "removed", "added", "setting"])
def test_a_changed_source_ends_as_a_build_from_nothing(tmp_path: Path, pages: Path, change: str) -> None:
    run(tmp_path / "set", pages)
    sections: dict[str, dict[str, object]] = {}
    made = 1
    if change == "image":
        (pages / "train/page_3.jpg").write_bytes(made_page(99))
    elif change == "annotation":
        with (pages / "train/page_3.txt").open("a") as file:
            file.write("50,70,90,70,90,90,50,90,more\n")
    elif change == "removed":
        lines = (pages / "train_list.txt").read_text().splitlines()
        (pages / "train_list.txt").write_text("\n".join(lines[1:]))
    elif change == "added":
        made_pages(pages, 8)
    else:
        sections["targets"] = {"shrink_ratio": 0.5}
        made = len(list((tmp_path / "set/shards").glob("*.tar")))
    report = run(tmp_path / "set", pages, **sections)
    run(tmp_path / "fresh", pages, **sections)
    assert content(tmp_path / "set") == content(tmp_path / "fresh")
    assert report.made == made or change in ("added", "removed")
    assert report.made < len(report.shards) or change == "setting"


def test_a_damaged_shard_is_made_again(tmp_path: Path, pages: Path) -> None:
    run(tmp_path / "set", pages)
    before = content(tmp_path / "set")
    for name in ("tar", "json"):
        victim = sorted((tmp_path / "set/shards").glob(f"*.{name}"))[0]
        data = bytearray(victim.read_bytes())
        data[700] ^= 4
        victim.write_bytes(data)
        assert run(tmp_path / "set", pages).made == 1
        assert content(tmp_path / "set") == before


def test_an_interrupted_build_goes_on(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline import assemble

    work, calls = assemble.write_shard, []

    def stop_at_third(job: object) -> object:
        calls.append(job)
        if len(calls) == 3:
            (tmp_path / "set/shards/half.tar.partial").write_bytes(b"x")
            raise KeyboardInterrupt
        return work(job)

    monkeypatch.setattr(assemble, "write_shard", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "set", pages)
    assert re.search(
        r"2 of \d+ shards made so far: they stay, and the same command goes on\n", capsys.readouterr().err
    )
    assert not (tmp_path / "set/manifest.json").exists()
    monkeypatch.undo()
    report = run(tmp_path / "set", pages)
    assert len(report.shards) - report.made == 2
    run(tmp_path / "fresh", pages)
    assert content(tmp_path / "set") == content(tmp_path / "fresh")


def test_an_unusable_page_is_quarantined_by_name(tmp_path: Path, pages: Path) -> None:
    (pages / "train/page_2.jpg").write_bytes(b"not an image")
    with pytest.raises(TextshardsError, match="page_2"):
        run(tmp_path / "set", pages)
    assert not (tmp_path / "set/manifest.json").exists()
    report = run(tmp_path / "set", pages, runtime={"workers": 1, "max_quarantined": 0.5})
    assert report.manifest.splits == {"train": 6}
    rows = [json.loads(line) for line in (tmp_path / "set/quarantine.jsonl").read_text().splitlines()]
    assert [row["key"] for row in rows] == ["train/page_2.jpg"]
    assert "train/page_2.jpg" in summary(report)
    told = summary(BuildReport(report.folder, report.manifest, report.shards[:1], 1, 1, 1, 2.0))
    assert ") in 1 shard\n" in told
    assert "1 shard, 1 sample in 2.0 s (0.5/s); 0 stood already; 1 old file removed" in told


def test_lines_that_move_in_the_labels_change_no_byte_of_a_shard(tmp_path: Path, pages: Path) -> None:
    names = [f"train/page_{number}.jpg" for number in range(3)]
    (pages / names[1]).write_bytes((pages / names[1]).read_bytes()[:-40])  # its header is whole
    labels = "".join(f"{name}\t[]\n" for name in names)
    (pages / "Label.txt").write_text(labels)
    source = {"format": "paddle", "root": str(pages), "splits": {"train": "Label.txt"}}
    bear = {"workers": 1, "max_quarantined": 0.5}
    run(tmp_path / "a", pages, source=source, runtime=bear)
    (pages / "Label.txt").write_text("\n\n\n" + labels)
    moved = run(tmp_path / "a", pages, source=source, runtime=bear)
    assert moved.made == 0
    run(tmp_path / "b", pages, source=source, runtime=bear)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    rows = [json.loads(line) for line in (tmp_path / "a/quarantine.jsonl").read_text().splitlines()]
    assert [(row["key"], row["where"]) for row in rows] == [(names[1], "Label.txt:5")]
    assert verify_set(tmp_path / "a", deep=True).problems == ()


@pytest.mark.parametrize(("allowed", "builds"), [(0.5, True), (0.49, False)])
def test_a_build_goes_on_up_to_the_share_of_unusable_pages_that_is_allowed(
    tmp_path: Path, allowed: float, builds: bool
) -> None:
    pages = made_pages(tmp_path / "pages", 4)
    for number in (1, 2):
        (pages / f"train/page_{number}.jpg").write_bytes(b"no image")
    runtime: dict[str, object] = {"workers": 1, "max_quarantined": allowed}
    if builds:
        assert run(tmp_path / "set", pages, runtime=runtime).manifest.splits == {"train": 2}
        return
    with pytest.raises(TextshardsError, match="2 of 4 samples cannot be used"):
        run(tmp_path / "set", pages, runtime=runtime)


def test_texts_beside_their_page_are_told(tmp_path: Path, pages: Path) -> None:
    with (pages / "train/page_1.txt").open("a") as file:
        file.write("10,300,90,300,90,320,10,320,far\n0,-40,9,-40,9,-30,0,-30,above\n")
    report = run(tmp_path / "set", pages)
    assert report.pages_missed == {"train/page_1.jpg": 2}
    assert "2 texts of 1 page beside the page: train/page_1.jpg (2);" in summary(report)


def test_two_builds_into_one_folder(tmp_path: Path, pages: Path) -> None:
    from pipeline.existing import locked

    (tmp_path / "set").mkdir()
    with locked(tmp_path / "set"), pytest.raises(TextshardsError, match="being built by another") as caught:
        run(tmp_path / "set", pages)
    assert "process" in caught.value.found


def test_no_page_at_all_is_an_error(tmp_path: Path, pages: Path) -> None:
    (pages / "train_list.txt").write_text("")
    with pytest.raises(UsageError):
        run(tmp_path / "set", pages)


def test_command_line(tmp_path: Path, pages: Path) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(made_config(pages)))
    command = [sys.executable, "-m", "pipeline.build", "--config", str(tmp_path / "c.yaml")]
    done = subprocess.run([*command, "--out", str(tmp_path / "set")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "7 samples (7 train)" in done.stdout
    wrong = subprocess.run(
        [*command, "--out", str(tmp_path / "b"), "targets.shrink_ration=0.5", "geometry.canvas=[100,64]"],
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 2
    assert "did you mean 'shrink_ratio'" in wrong.stderr and "canvas" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--json"], "--check"), (["--scheduler", "tcp://127.0.0.1:9"], "--engine dask")],
)
def test_an_option_that_would_do_nothing_is_refused(
    tmp_path: Path, pages: Path, words: list[str], said: str
) -> None:
    config = tmp_path / "build.yaml"
    config.write_text(yaml.safe_dump(made_config(pages)))
    with pytest.raises(UsageError, match=f"option {words[0]}") as caught:
        invoke(main, "--config", config, "--out", tmp_path / "set", *words)
    assert said in caught.value.expected
    assert not (tmp_path / "set").exists()


def test_kernels_are_told_of_only_where_they_take_long(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "short", pages)
    assert "kernels" not in capsys.readouterr().err
    monkeypatch.setattr(assemble, "LONG_S", 0.0)
    monkeypatch.setattr(assemble, "warm_up", lambda: time.sleep(0.2))
    run(tmp_path / "long", pages)
    assert capsys.readouterr().err.count("compiling the kernels: once on a machine") == 1
