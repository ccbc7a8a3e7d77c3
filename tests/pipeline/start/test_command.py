"""`pipeline.build --init`: what it writes is a configuration that builds."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from built_set import invoke
from made_pages import made_pages
from PIL import Image

from formats.errors import UsageError
from pipeline.build import main
from pipeline.config import load_config
from pipeline.start.next_steps import split_words


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    made_pages(tmp_path / "pages", 3, "train")
    return made_pages(tmp_path / "pages", 2, "test")


def test_the_configuration_written_builds(
    tmp_path: Path, pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "new" / "mine.yaml"
    result = invoke(main, "--init", pages, "--config", config)
    assert f"--config {config} --out sets/mine" in result.output
    with Image.open(config.with_suffix(".png")) as picture:
        assert picture.width > 3 * 96
    assert set(load_config(config).source.splits) == {"train", "test"}
    built = invoke(main, "--config", config, "--out", tmp_path / "set", "--workers", 1)
    assert "5 samples (2 test, 3 train)" in built.output
    capsys.readouterr()


def test_reasons_stand_beside_the_settings(tmp_path: Path, pages: Path) -> None:
    for labels in pages.rglob("train/*.txt"):
        labels.write_text(labels.read_text().replace("###", "*"))
    (pages / "train" / "page_0.txt").write_text("nonsense\n")
    config = tmp_path / "mine.yaml"
    invoke(main, "--init", pages, "--config", config)
    written = config.read_text()
    assert 'Where a printed asterisk is a text to be found, leave "*" out' not in written
    assert "Cannot be used: train/page_0.jpg" in written
    assert "Texts below targets.min_size" in written


def test_nothing_is_overwritten(tmp_path: Path, pages: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("mine: all mine\n")
    with pytest.raises(UsageError, match="one that is there already"):
        invoke(main, "--init", pages, "--config", config)
    assert config.read_text() == "mine: all mine\n"


def test_the_picture_does_not_go_among_the_pages(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pages)
    with pytest.raises(UsageError, match="among the pages") as caught:
        invoke(main, "--init", ".")
    words = shlex.split(caught.value.next_step)[3:]
    invoke(main, *words)
    assert (tmp_path / "pages.yaml").is_file() and not list(pages.glob("*.png"))
    assert invoke(main, "--config", tmp_path / "pages.yaml", "--out", tmp_path / "set").exit_code == 0


def test_without_init_both_options_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="option --config"):
        invoke(main, "--out", tmp_path)
    with pytest.raises(UsageError, match="option --out"):
        invoke(main, "--config", tmp_path / "a.yaml")


def test_pages_that_cannot_be_decoded_are_no_start(tmp_path: Path) -> None:
    made_pages(tmp_path / "pages", 2)
    for image in (tmp_path / "pages").rglob("*.jpg"):
        image.write_bytes(image.read_bytes()[:-200])
    with pytest.raises(UsageError, match="pages that can be decoded"):
        invoke(main, "--init", tmp_path / "pages", "--config", tmp_path / "mine.yaml")


def test_the_next_commands_can_be_copied(tmp_path: Path) -> None:
    made_pages(tmp_path / "my pages", 3, "train")
    made_pages(tmp_path / "my pages", 2, "val")
    config, out = tmp_path / "my cfg.yaml", tmp_path / "x y" / "set"
    told = invoke(main, "--init", tmp_path / "my pages", "--config", config, "--out", out).output
    assert f"  python -m pipeline.build --config '{config}' --out '{out}'\n" in told
    assert f"  python -m train.run --shards '{out}' data.val=val\n" in told
    assert f"#   python -m pipeline.build --config '{config}' --out '{out}'\n" in config.read_text()


def test_one_split_alone_is_told_how_to_validate(tmp_path: Path) -> None:
    made_pages(tmp_path / "pages", 3)
    config = tmp_path / "mine.yaml"
    told = invoke(main, "--init", tmp_path / "pages", "--config", config).output
    assert "--shards sets/mine data.val=null\n" in told
    assert "source.hold_out=0.1" in told
    assert load_config(config, ["source.hold_out=0.1"]).source.hold_out == 0.1


def test_images_that_are_left_out_are_told(tmp_path: Path, pages: Path) -> None:
    made_pages(tmp_path / "more", 2, "else")
    (tmp_path / "more" / "else").rename(pages / "else")
    for labels in (pages / "else").glob("*.txt"):
        labels.unlink()
    told = invoke(main, "--init", pages, "--config", tmp_path / "mine.yaml").output
    assert (
        "left out  2 images below it that belong to none of these: else/page_0.jpg, else/page_1.jpg\n" in told
    )


def test_more_unusable_pages_than_a_build_bears_are_told(tmp_path: Path, pages: Path) -> None:
    told = invoke(main, "--init", pages, "--config", tmp_path / "a.yaml").output
    assert "runtime.max_quarantined" not in told
    (pages / "train" / "page_0.txt").write_text("nonsense\n")
    told = invoke(main, "--init", pages, "--config", tmp_path / "b.yaml").output
    assert "runtime.max_quarantined=SHARE" in told


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        (["test", "train"], []),
        (["train"], ["data.val=null"]),
        (["train", "val"], ["data.val=val"]),
        (["test", "train", "val"], ["data.val=val"]),
        (["test"], ["data.train=[test]", "data.val=null"]),
        (["a", "b"], ["data.train=[a]", "data.val=b"]),
    ],
)
def test_the_settings_that_fit_the_splits(splits: list[str], words: list[str]) -> None:
    assert split_words(splits) == words
