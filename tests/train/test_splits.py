"""A split that the set lacks is told with the setting that asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_run import CANVAS, WORDS
from made_set import made_sample, make_set

from formats.errors import UsageError
from formats.spec import EncodingSpec
from train.run_folder import open_run


def set_of(folder: Path, *splits: str) -> Path:
    pages = [made_sample(number, CANVAS, split=split) for number, split in enumerate(splits * 8)]
    return make_set(folder, pages, encoding=EncodingSpec(), canvas=CANVAS)


@pytest.mark.parametrize(
    ("splits", "words", "told"),
    [
        (("train", "val"), (), "set data.val=val; or build"),
        (("train",), (), "set data.val=null to train without evaluation; or build"),
        (("all",), (), "set data.train=all; or build"),
        (("train", "dev", "val"), ("data.val=x",), "set data.val=dev or data.val=val; or build"),
    ],
)
def test_what_to_set_is_said(
    tmp_path: Path, splits: tuple[str, ...], words: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        open_run(set_of(tmp_path / "set", *splits), None, [*WORDS, *words, f"logger.folder={tmp_path}"])
    assert caught.value.next_step.startswith(told)


def test_what_was_said_trains(tmp_path: Path) -> None:
    shards = set_of(tmp_path / "set", "train")
    words = [*WORDS, f"logger.folder={tmp_path}", "trainer.max_epochs=1", "data.val=null"]
    assert open_run(shards, None, words).run(lambda: False).finished
