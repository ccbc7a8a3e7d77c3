"""What every command line shares: errors without tracebacks, exit codes, progress on stderr."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from tqdm import tqdm

from formats.disk import disk_error
from formats.errors import TextshardsError
from formats.places import Place, place

INTERRUPTED, TERMINATED = 130, 143


class PlaceType(click.ParamType[Place]):
    """A word of a command line that names a folder or a URL; see `formats.places.place`."""

    name = "folder or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:  # noqa: ARG002
        """Return the place."""
        return place(value)


PLACE = PlaceType()


class Terminated(KeyboardInterrupt):
    """SIGTERM, answered as Ctrl-C is."""


def heed_sigterm() -> None:
    """Have SIGTERM end this process as Ctrl-C does, with what is to be removed removed; once is enough.

    Those that follow are ignored, so that they do not break off the removing.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def run_command(command: click.Command, name: str | None = None) -> NoReturn:
    """Run a click command; its return value (or 0) is the exit code, a known fault has no traceback.

    Args:
        command: to run.
        name: what help calls it (default: `python -m` and the command's name).
    """
    started_as = Path(sys.argv[0]).name
    if started_as.startswith("textshards-"):  # an installed program, which shells complete under its name
        name = started_as
    name = name or f"python -m {command.name}"
    try:
        result = command.main(prog_name=name, standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except TextshardsError as error:
        tell_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo("stopped", err=True)
        terminated = any(isinstance(each, Terminated) for each in (error, error.__cause__))
        code = TERMINATED if terminated else INTERRUPTED
    except BrokenPipeError:
        # The interpreter would flush once more at its end, and complain; 1 is what click itself ends with.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except MemoryError:
        tell_error(TextshardsError("out of memory", next_step="free some, or use fewer workers or threads"))
        code = 1
    except OSError as error:
        fault = disk_error(error)
        tell_error(fault)
        code = fault.exit_code
    sys.exit(code)


def tell_error(error: TextshardsError) -> None:
    """Print an error on stderr, its first word in red on a terminal."""
    click.echo(f"{click.style('error', fg='red', bold=True)}: {error}", err=True)


class Progress:
    """Items done, rate and time left on stderr: a bar on a terminal, else a line every few seconds."""

    def __init__(self, total: int, what: str, *, every: float = 10.0) -> None:
        self.total, self.what, self.every = total, what, every
        self.done = 0
        self._started = self._told = time.monotonic()
        self._bar = tqdm(total=total, desc=what, unit="", file=sys.stderr) if sys.stderr.isatty() else None

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count items as done; `note` stands at the end of the line."""
        self.done += count
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._told >= self.every:
            self._tell(note)

    def _tell(self, note: str) -> None:
        self._told = time.monotonic()
        rate = self.done / max(self._told - self._started, 1e-9)
        left = (self.total - self.done) / rate if rate else float("inf")
        tail = f", {note}" if note else ""
        click.echo(f"{self.what}: {self.done}/{self.total}, {rate:.1f}/s, {left:.0f} s left{tail}", err=True)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(total: int, what: str) -> Iterator[Progress]:
    """Show progress while a block runs."""
    shown = Progress(total, what)
    try:
        yield shown
    finally:
        shown.close()
