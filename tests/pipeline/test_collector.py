"""The search for circles of objects goes on after work that made none."""

from __future__ import annotations

import gc

import pytest

from pipeline.collector import collector_paused


def test_it_goes_on_however_the_work_ends() -> None:
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError), collector_paused():
        raise ValueError
    assert gc.isenabled()


def test_where_it_did_not_run_it_does_not_begin_to() -> None:
    gc.disable()
    try:
        with collector_paused(), collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
