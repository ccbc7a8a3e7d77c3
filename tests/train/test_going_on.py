"""What ends a run, or stands in its way, says how the run goes on."""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path

import pytest
from made_run import CANVAS, WORDS
from made_set import made_sample, make_set

from formats.errors import DamageError, SetError, StorageError, TextshardsError, UsageError
from formats.spec import EncodingSpec
from train.experiment import Experiment
from train.going_on import advised
from train.run_folder import open_run
from train.summary import write_summary

SHORT = (*WORDS, "trainer.max_epochs=1", "data.val=null", "trainer.limit_train_batches=2")


@pytest.fixture
def stopped(small_set: Path, tmp_path: Path) -> Experiment:
    """A run that was stopped after its first step, in a folder whose name needs quotes."""
    experiment = open_run(small_set, None, [*SHORT, f"logger.folder={tmp_path / 'my runs'}"])
    write_summary(experiment, experiment.run(lambda: True))
    return experiment


def resuming(run: Experiment) -> str:
    shards = shlex.quote(str(run.train_set.folder))
    return f"python -m train.run --shards {shards} --resume {shlex.quote(str(run.folder))}"


def told(run: Experiment, error: Exception, shards: Path | None = None) -> TextshardsError:
    with (
        pytest.raises(TextshardsError) as caught,
        advised(run.folder, shards or run.train_set.folder, run.manifest.fingerprint),
    ):
        raise error
    return caught.value


def test_storage_that_fails_names_the_command_that_goes_on(stopped: Experiment) -> None:
    error = told(stopped, StorageError("reading x", expected="an answer", found="none"))
    assert isinstance(error, StorageError)
    assert error.next_step == f"when the storage answers: {resuming(stopped)} (goes on from step 1)"


def test_where_nothing_was_saved_the_run_begins_again(stopped: Experiment) -> None:
    for path in (stopped.folder / "checkpoints").iterdir():
        path.unlink()
    assert "--replace" in told(stopped, StorageError("reading x")).next_step
    with pytest.raises(UsageError) as taken:
        open_run(stopped.train_set.folder, None, [f"logger.folder={stopped.folder.parent}", *SHORT])
    assert "--replace" in taken.value.next_step and "--resume" not in taken.value.next_step
    with pytest.raises(UsageError, match="--replace"):
        open_run(stopped.train_set.folder, None, [], resume=stopped.folder)


def test_a_full_disk_is_that_of_the_write_that_failed(stopped: Experiment) -> None:
    path = stopped.folder / "checkpoints/step_00000002.pt"
    for error in (OSError(errno.ENOSPC, "No space left", str(path)), OSError(errno.ENOSPC, "No space left")):
        fault = told(stopped, error)
        assert str(stopped.folder) in fault.thing
        assert "MB are free there" in fault.found
        assert fault.next_step == f"make room, then {resuming(stopped)} (goes on from step 1)"


def test_a_removed_run_folder_is_told_as_that(stopped: Experiment) -> None:
    (stopped.folder / "metrics.jsonl").unlink()
    path = stopped.folder / "checkpoints/step_00000006.pt.14119.partial"
    error = told(stopped, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)))
    assert error.thing == f"run folder {stopped.folder}"
    assert "removed" in error.found


def test_a_folder_that_cannot_be_made_is_a_usage_error(stopped: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "none/run"
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder.parent))
    with (
        pytest.raises(UsageError) as caught,
        advised(folder, stopped.train_set.folder, stopped.manifest.fingerprint),
    ):
        raise missing
    assert caught.value.thing == f"cannot write in {folder}"


def test_damage_is_mended_before_the_run_goes_on(stopped: Experiment) -> None:
    error = told(stopped, DamageError("x", next_step="run python -m pipeline.build again"))
    assert error.next_step.startswith("run python -m pipeline.build again; then python -m train.run ")
    assert "--changed-set" not in error.next_step


def test_a_set_rebuilt_meanwhile_is_told_as_that(stopped: Experiment, tmp_path: Path) -> None:
    pages = [made_sample(number, CANVAS, split="train") for number in range(3)]
    other = make_set(tmp_path / "other", pages, encoding=EncodingSpec(), canvas=CANVAS)
    error = told(stopped, SetError("train-0.tar", found="No such file", next_step="guess"), other)
    assert "rebuilt while the run was reading it" in error.found
    assert f"--resume {shlex.quote(str(stopped.folder))} --changed-set" in error.next_step


def test_no_such_run_is_said_and_the_nearest_named(stopped: Experiment, small_set: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_run(small_set, None, [], resume=stopped.folder.with_name("rum"))
    assert (caught.value.found, caught.value.exit_code) == ("no such run", 2)
    assert caught.value.next_step.startswith("did you mean ") and "/run?" in caught.value.next_step


def test_weights_that_cannot_be_read_leave_the_earlier_run(stopped: Experiment, tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("no weights\n")
    words = [f"logger.folder={stopped.folder.parent}", *SHORT]
    with pytest.raises(UsageError, match="state dict"):
        open_run(stopped.train_set.folder, None, words, weights=tmp_path / "w.txt", replace=True)
    assert (stopped.folder / "last.pt").exists()


def test_a_stopped_run_prints_the_command_that_goes_on(small_set: Path, tmp_path: Path) -> None:
    experiment = open_run(small_set, None, [*SHORT, f"logger.folder={tmp_path / 'my runs'}"])
    text = write_summary(experiment, experiment.run(lambda: True)).text()
    assert text.endswith(f"  go on  {resuming(experiment)}")
