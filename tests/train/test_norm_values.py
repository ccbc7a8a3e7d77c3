"""Batches that leave batch norms one value a channel are named before PyTorch meets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_run import WORDS

from formats.errors import UsageError
from train.norm_values import check_norm_values
from train.run_folder import open_run

SMALL = (*WORDS, "data.val=null", "trainer.max_epochs=1", "data.stream.crop=[32,32]")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["data.stream.batch_size=1"], "a batch: one page of 32 x 32"),
        (
            ["data.stream.batch_size=31", "data.stream.drop_last=false"],
            "the last batch of an epoch: one page",
        ),
    ],
)
def test_a_single_value_is_refused_by_name(
    small_set: Path, tmp_path: Path, words: list[str], named: str
) -> None:
    words = [*SMALL, f"logger.folder={tmp_path}", *words]
    with pytest.raises(UsageError, match=named) as caught:
        open_run(small_set, None, words)
    assert ("drop_last" in caught.value.next_step) == ("last" in named)
    assert open_run(small_set, None, [*words, "model.freeze_batch_norm=true"])


def test_all_that_can_be_learnt_from_is_taken(small_set: Path, tmp_path: Path) -> None:
    words = [*SMALL, f"logger.folder={tmp_path}"]
    for more in (
        ["data.stream.batch_size=2"],
        ["data.stream.batch_size=31"],
        ["data.stream.drop_last=false"],
    ):
        open_run(small_set, None, [*words, *more])
    last = ["data.stream.batch_size=31", "data.stream.drop_last=false", "trainer.limit_train_batches=1"]
    open_run(small_set, None, [*words, *last])


def test_each_process_has_norms_of_its_own() -> None:
    check_norm_values((32, 32), (4, 4), 2)
    check_norm_values((32, 64), (2, 1), 2)
    for batches in ((2, 2), (4, 3), (4, 1)):
        with pytest.raises(UsageError, match="in a process"):
            check_norm_values((32, 32), batches, 2)
