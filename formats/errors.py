"""Errors a user can act on: each names the thing, what was expected, what was found and the next step."""

from __future__ import annotations

from functools import partial
from typing import Any

from formats.redaction import redacted


class TextshardsError(Exception):
    """A fault with a remedy. Command lines print it without a traceback and end with `exit_code`.

    Printed, it shows no user, password or signed query of a URL in it.

    Args:
        thing: what the error is about: a file, a field, a sample's key.
        expected: what should have been there.
        found: what was there instead.
        next_step: what the user can do now.
    """

    exit_code = 1

    def __init__(self, thing: str, *, expected: str = "", found: str = "", next_step: str = "") -> None:
        self.thing = thing
        self.expected = expected
        self.found = found
        self.next_step = next_step
        super().__init__(thing, expected, found, next_step)

    def __reduce__(self) -> tuple[Any, ...]:
        # The default gives all arguments by position, which breaks the pool a worker sends its error through.
        kind = partial(type(self), expected=self.expected, found=self.found, next_step=self.next_step)
        return kind, (self.thing,)

    def __str__(self) -> str:
        rows = (("expected", self.expected), ("found", self.found), ("next step", self.next_step))
        text = "\n".join([self.thing, *(f"  {name + ':':<11}{text}" for name, text in rows if text)])
        return redacted(text)


class UsageError(TextshardsError):
    """A command, configuration or input that cannot be understood (exit code 2)."""

    exit_code = 2


class SplitError(UsageError):
    """A split that a set does not have."""


class SourceError(UsageError):
    """A source folder or annotation file that cannot be read as the configured format."""


class SampleError(TextshardsError):
    """One sample that cannot be used; a build quarantines it with this reason."""


class SetError(TextshardsError):
    """A set of shards that is missing, incomplete or of another format version."""


class NoSetError(SetError):
    """A folder or prefix in which there is no set, or none yet."""

    exit_code = 2


class DamageError(SetError):
    """Bytes that are not the bytes that were written."""


class StaleError(SetError):
    """A set that was made under another configuration than the one expected."""


class StorageError(TextshardsError):
    """Object storage that does not answer, or answers with a fault; what is stored may be whole."""


class AccessError(StorageError):
    """Object storage that is not there, or not open to the keys at hand."""

    exit_code = 2
