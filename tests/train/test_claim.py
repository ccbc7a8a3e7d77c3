from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_run import WORDS

from formats.errors import TextshardsError, UsageError
from formats.folder_lock import LOCK
from train.claim import claimed
from train.run_folder import open_run

HOLD = """
import sys, time
from pathlib import Path
from train.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_and_none_after_it_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "runs/x"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TextshardsError, match="written by another process") as caught, claimed(folder):
            pass
        assert f"process {holder.pid} on " in caught.value.found
        assert "exp_name=NAME" in caught.value.next_step
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with claimed(folder):
        assert f"process {os.getpid()} on " in (folder / LOCK).read_text()
    assert (folder / LOCK).read_text() == ""


def test_a_file_system_without_locks_keeps_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with claimed(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"), claimed(tmp_path / "file"):
        pass


SHORT = ("trainer.max_epochs=1", "trainer.limit_train_batches=1", "data.val=null", "exp_name=x")


def test_of_two_runs_of_one_name_the_second_is_refused(small_set: Path, tmp_path: Path) -> None:
    words = [*WORDS, *SHORT, f"logger.folder={tmp_path}"]
    first, second = (open_run(small_set, None, words) for _ in range(2))
    with claimed(tmp_path / "x"), pytest.raises(TextshardsError, match="another process"):
        first.run(lambda: False)
    assert first.run(lambda: False).finished
    records = (tmp_path / "x/metrics.jsonl").read_bytes()
    with pytest.raises(UsageError, match="an earlier run"):
        second.run(lambda: False)
    assert (tmp_path / "x/metrics.jsonl").read_bytes() == records


def test_neither_replaced_nor_gone_on_with_while_it_is_written(small_set: Path, tmp_path: Path) -> None:
    words = [*WORDS, *SHORT, f"logger.folder={tmp_path}"]
    assert open_run(small_set, None, words).run(lambda: False).finished
    with claimed(tmp_path / "x"):
        with pytest.raises(TextshardsError, match="another process"):
            open_run(small_set, None, words, replace=True)
        with pytest.raises(TextshardsError, match="another process"):
            open_run(small_set, None, [], resume=tmp_path / "x").run(lambda: False, resume=True)
    assert (tmp_path / "x/last.pt").exists()
