from __future__ import annotations

import os
import signal
import sys

import pytest

from train.stopping import StopRequest


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_the_second_interrupts(
    number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.asked()
        assert stop.exit_code == 0
        os.kill(os.getpid(), number)
        assert stop.asked()
        assert stop.exit_code == code
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
    assert "saved" in capfd.readouterr().err


def test_a_signal_in_the_middle_of_a_write_to_stderr_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        """A stream that is being written to: whoever writes meanwhile is refused, as by Python's own."""

        def write(self, _text: str) -> int:
            raise RuntimeError("reentrant call inside a write")

        flush = write

    monkeypatch.setattr(sys, "stderr", Busy())
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked()
