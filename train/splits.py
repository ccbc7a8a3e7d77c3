"""A split that a set does not have, told with the setting that asks for it and what to set instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from formats.errors import SplitError, UsageError
from formats.manifest_files import read_set_manifest
from formats.places import Place

BUILD = "build the set with that split (source.splits)"


@contextmanager
def asked_by(setting: str, shards: Place, learnt: Sequence[str] = ()) -> Iterator[None]:
    """Let the error of a block that opens splits of a set say which setting to change.

    Args:
        setting: "data.train" or "data.val".
        shards: the set's folder.
        learnt: splits to learn from, which are none to evaluate on.

    Raises:
        UsageError: the set lacks a split.
    """
    try:
        yield
    except SplitError as error:
        left = [split for split in sorted(read_set_manifest(shards).splits) if split not in learnt]
        instead = " or ".join(f"{setting}={split}" for split in left)
        if not left:
            instead = f"{setting}=null to train without evaluation"
        raise UsageError(
            error.thing,
            expected=error.expected,
            found=f"none of this name, which {setting} asks for",
            next_step=f"set {instead}; or {BUILD}",
        ) from None
