from __future__ import annotations

import threading
import time

import pytest

from pipeline.dashboard.later import Later


def test_a_value_is_made_beside_once_and_again_when_its_stamp_changes() -> None:
    later, may, made = Later(), threading.Event(), []

    def make() -> int:
        may.wait(10)
        made.append(1)
        return len(made)

    assert later.ask("name", 1, make) is None
    assert later.ask("name", 1, make) is None
    may.set()
    assert until(lambda: later.ask("name", 1, make)) == 1
    assert later.ask("name", 2, make) is None
    assert until(lambda: later.ask("name", 2, make)) == 2
    later.close()


def test_a_fault_beside_is_no_value_and_ends_nothing() -> None:
    later = Later()

    def fails() -> int:
        raise ValueError

    assert later.ask("bad", 1, fails) is None
    assert until(lambda: later.ask("good", 1, lambda: 5)) == 5
    assert later.ask("bad", 1, fails) is None
    later.close()


def test_one_that_waits_makes_at_once() -> None:
    assert Later(waits=True).ask("name", 1, lambda: 3) == 3


def test_now_makes_once_and_raises() -> None:
    later, made = Later(), []
    assert [later.now("a", stamp, lambda: made.append(1) or len(made)) for stamp in (1, 1, 2)] == [1, 1, 2]
    with pytest.raises(ZeroDivisionError):
        later.now("b", 1, lambda: 1 // 0)


def until(ask: object, seconds: float = 20.0) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (value := ask()) is not None:  # type: ignore[operator]
            return value
        time.sleep(0.01)
    return None
