"""The commands that follow on a configuration just written, to be copied as they stand."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from formats.places import Place
from pipeline.config import RuntimeSettings
from pipeline.sources.settings import HELD_OUT
from pipeline.start.recognise import Recognised

ALLOWED = float(RuntimeSettings.model_fields["max_quarantined"].default)
SMALL = "configs/train_quickstart.yaml"
"""A detector that learns in minutes without a GPU."""


def next_steps(config: Path, out: Place, reading: Recognised) -> list[str]:
    """Return the commands that build a set and train on it, and what to know of them, a line each."""
    splits = reading.settings.splits
    build = shlex.join(["python", "-m", "pipeline.build", "--config", str(config), "--out", str(out)])
    train = shlex.join(["python", "-m", "train.run", "--shards", str(out), *split_words(splits)])
    lines = ["next steps:", f"  {build}", f"  {train}"]
    if reading.share_rejected > ALLOWED:
        lines.append(
            f"the build ends with an error where more than {ALLOWED:.0%} of the pages cannot be used:"
        )
        lines.append("  mend or remove them, or add runtime.max_quarantined=SHARE to it")
    lines.append(f"without a GPU train a small detector: --config {SMALL}")
    only, *others = splits
    if not others and only != HELD_OUT:
        held_out = shlex.join(split_words([only, HELD_OUT]))
        lines.append(
            f"the only split is {only!r}, so no page is left to validate on: source.hold_out=0.1 in the"
        )
        lines.append(f"  build sets a tenth of them aside; then {held_out} instead of data.val=null")
    return lines


def split_words(splits: Iterable[str]) -> list[str]:
    """Return the settings by which a run learns from one of these splits and validates on another."""
    names = [*splits]
    learnt = next((name for name in ("train", *names) if name in names), "train")
    judged = next((name for name in (HELD_OUT, "test", *names) if name in names and name != learnt), "null")
    words = [] if learnt == "train" else [f"data.train=[{learnt}]"]
    return words if judged == "test" else [*words, f"data.val={judged}"]
