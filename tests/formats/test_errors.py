"""Errors say what, expected, found and the next step, and carry their exit code."""

from __future__ import annotations

import pickle

import pytest

from formats import errors


def test_rows_that_are_given_are_told() -> None:
    error = errors.DamageError("file x", expected="4 bytes", next_step="build it again")
    assert str(error) == "file x\n  expected:  4 bytes\n  next step: build it again"
    assert str(errors.TextshardsError("only this")) == "only this"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.TextshardsError, 1),
        (errors.UsageError, 2),
        (errors.SourceError, 2),
        (errors.SampleError, 1),
        (errors.SetError, 1),
        (errors.DamageError, 1),
        (errors.StaleError, 1),
    ],
)
def test_exit_codes(kind: type[errors.TextshardsError], code: int) -> None:
    assert kind("x").exit_code == code


def test_errors_cross_process_borders() -> None:
    error = errors.SampleError("page a", expected="an image", found="nothing", next_step="mend it")
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back)) == (errors.SampleError, str(error))
