"""What every command line shares: exit codes, errors without tracebacks, progress."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from formats import commands
from formats.commands import Progress, progress, run_command
from formats.errors import NoSetError, SetError, UsageError


def ended(action: Callable[[], object], arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    command = click.Command("formats.made", callback=action, params=[], help="Made.")
    monkeypatch.setattr(sys, "argv", ["made", *arguments])
    with pytest.raises(SystemExit) as caught:
        run_command(command)
    return caught.value.code


def failing(error: BaseException) -> Callable[[], object]:
    def action() -> object:
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (lambda: None, 0),
        (lambda: 1, 1),
        (failing(UsageError("no such file")), 2),
        (failing(SetError("no set")), 1),
        (failing(KeyboardInterrupt()), 130),
        (failing(MemoryError()), 1),
        (failing(NoSetError("no set")), 2),
        (failing(PermissionError(13, "Permission denied", "here")), 2),
        (failing(FileNotFoundError(2, "No such file or directory", "here")), 2),
        (failing(OSError(5, "Input/output error", "here")), 1),
        (failing(click.UsageError("what?")), 2),
    ],
)
def test_exit_codes(action: Callable[[], object], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(action, [], monkeypatch) == code


def test_errors_are_told_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(failing(SetError("no set here", expected="one", next_step="make one")), [], monkeypatch)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: no set here\n  expected:  one\n  next step: make one\n"


def test_help_and_unknown_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(lambda: None, ["--help"], monkeypatch) == 0
    assert "Usage: python -m formats.made" in capsys.readouterr().out
    assert ended(lambda: None, ["--wrong"], monkeypatch) == 2
    assert "No such option" in capsys.readouterr().err


def test_a_faulty_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["made"])
    with pytest.raises(ZeroDivisionError):
        run_command(click.Command("made", callback=failing(ZeroDivisionError())))


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_closed_pipe_is_told_to_nobody(lines: int) -> None:
    code = (
        "import click, sys; from formats.commands import run_command\n"
        f"@click.command('made')\ndef made(): sys.stdin.read(); sys.stdout.write('x\\n' * {lines})\n"
        "run_command(made)"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=20) == 1


def test_progress_lines_off_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 2.0, 12.0, 12.0, 13.0])
    monkeypatch.setattr(commands.time, "monotonic", lambda: next(now))
    shown = Progress(100, "pages")
    shown.advance(10)
    shown.advance(10, "shard 3")
    shown.advance(10)
    shown.close()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "pages: 20/100, 1.7/s, 48 s left, shard 3\n")


def test_progress_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(3, "pages") as shown:
        shown.advance(3, "done")
    assert "pages: 100%" in capsys.readouterr().err
