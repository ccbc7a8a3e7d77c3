"""Ctrl-C and SIGTERM, asked for once: finish the step, save, leave."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Notes the first signal while its block runs; the second interrupts at once.

    Args:
        tells: whether it says so on stderr; of several processes one is enough.

    Attributes:
        signal: the number of the signal that asked; 0 where none has.
    """

    def __init__(self, *, tells: bool = True) -> None:
        self.signal, self._tells = 0, tells
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
        if self._tells:
            # Past Python's own stream: the signal may have come in the middle of a write to that, and another
            # within it is an error.
            with suppress(OSError):
                os.write(2, b"stopping: this step is finished and saved first; once more: at once\n")

    def asked(self) -> bool:
        """Whether a signal has come."""
        return bool(self.signal)

    @property
    def exit_code(self) -> int:
        """The exit code that tells of the signal: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal if self.signal else 0
