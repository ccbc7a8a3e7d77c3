"""How a run goes on that has ended with a fault, or stands in the way of another: said with its errors."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from formats.disk import FULL, disk_error
from formats.errors import DamageError, SetError, StaleError, StorageError, TextshardsError, UsageError
from formats.manifest_files import read_set_manifest
from formats.places import Place
from formats.runs.record import CONFIG, METRICS
from train.checkpoint import Checkpoints


def resuming(folder: Path, shards: Place) -> str:
    """Return the command that goes on with a run."""
    return shlex.join(["python", "-m", "train.run", "--shards", str(shards), "--resume", str(folder)])


def taken(folder: Path) -> UsageError:
    """Return the error of a folder that holds an earlier run."""
    saved = bool(Checkpoints(folder).stems())
    go_on = f"go on with it (--resume {shlex.quote(str(folder))}), " if saved else ""
    return UsageError(
        f"run folder {folder}",
        expected="a new one",
        found="an earlier run" if saved else "an earlier run that saved nothing",
        next_step=f"{go_on}choose another exp_name=NAME, or --replace it",
    )


def check_run(folder: Path) -> None:
    """Refuse to go on with what is no run, or one that saved nothing.

    Raises:
        UsageError: it is one of these.
    """
    thing = f"--resume {folder}"
    if not (folder / CONFIG).is_file():
        raise UsageError(
            thing,
            expected="the folder of a run",
            found=f"no {CONFIG} in it" if folder.is_dir() else "no such run",
            next_step=_near(folder),
        )
    if not Checkpoints(folder).stems():
        raise UsageError(
            thing,
            expected="a run that saved a checkpoint",
            found="one that saved nothing",
            next_step="start it again: its own command, with --replace",
        )


def _near(folder: Path) -> str:
    beside = [str(path.parent) for path in folder.absolute().parent.glob(f"*/{CONFIG}")]
    near = difflib.get_close_matches(str(folder.absolute()), sorted(beside), cutoff=0.0)
    return f"did you mean {' or '.join(map(os.path.relpath, near))}?" if near else "check the path"


@contextmanager
def advised(folder: Path, shards: Place, fingerprint: str) -> Iterator[None]:
    """Let errors of a block that trains say how the run goes on.

    Args:
        folder: the run's folder.
        shards: the set's folder.
        fingerprint: of the set as it was opened.

    Raises:
        TextshardsError: what was raised, with another next step; faults of the disk with the file they met.
    """
    try:
        yield
    except OSError as error:
        raise _of_disk(error, folder, shards) from None
    except StorageError as error:
        raise _with_step(error, f"when the storage answers: {_rest(folder, shards)}") from None
    except StaleError:
        raise
    except SetError as error:
        if _rebuilt(shards, fingerprint):
            raise _changed(error, folder, shards) from None
        step = error.next_step if isinstance(error, DamageError) else "run python -m pipeline.build"
        raise _with_step(error, f"{step}; then {_rest(folder, shards)}") from None


def _rest(folder: Path, shards: Place) -> str:
    saved = Checkpoints(folder).stems()
    if not saved:
        return "run the same command with --replace: nothing of this run was saved"
    return f"{resuming(folder, shards)} (goes on from step {int(saved[-1].partition('_')[2])})"


def _with_step(error: TextshardsError, step: str) -> TextshardsError:
    return type(error)(error.thing, expected=error.expected, found=error.found, next_step=step)


def _of_disk(error: OSError, folder: Path, shards: Place) -> TextshardsError:
    where = Path(error.filename or folder)
    made = not folder.is_relative_to(where)
    if made and isinstance(error, FileNotFoundError) and not (folder / METRICS).exists():
        return TextshardsError(
            f"run folder {folder}",
            expected="a folder that stays while the run goes on",
            found="that it was removed, or moved",
            next_step="put it back and --resume it, or start the run again",
        )
    fault = disk_error(error, folder if where.is_relative_to(folder) or not made else None)
    if error.errno in FULL:
        return _with_step(fault, f"make room, then {_rest(folder, shards)}")
    return fault


def _rebuilt(shards: Place, fingerprint: str) -> bool:
    try:
        return read_set_manifest(shards).fingerprint != fingerprint
    except (SetError, StorageError):
        return False


def _changed(error: SetError, folder: Path, shards: Place) -> SetError:
    saved = Checkpoints(folder).stems()
    on = f"{resuming(folder, shards)} --changed-set" if saved else "run the same command with --replace"
    return SetError(
        error.thing,
        expected=error.expected,
        found=f"{error.found}: the set was rebuilt while the run was reading it",
        next_step=f"{on} goes on with the set of today" if saved else f"{on}: nothing of this run was saved",
    )
