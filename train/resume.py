"""What of a run's last checkpoint holds under the settings and the set of today.

Most settings may change from one part of a run to the next: learning goes on where it was. Four kinds need
care. Settings that decide which pages an epoch's batches hold: a number of batches says nothing of the pages
of another cut, so that the epoch under way begins again, as it does on another set. Settings that decide what
a validation measures: its scores are not compared with those before, so that the best and patience begin
anew. The metric that patience watches: likewise, for patience. The network: its weights fit no other
(`train.trained.same_network`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from formats.errors import UsageError
from formats.runs.record import scores_from
from formats.shards import ShardSet
from train.checkpoint import Checkpoints
from train.config import TrainConfig
from train.expectation import check_same_set
from train.provenance import changed_settings

ORDER = (
    "seed",
    "data.train",
    "data.stream.batch_size",
    "data.stream.shuffle",
    "data.stream.shuffle_window",
)
"""Settings that decide which pages each batch of an epoch holds.

`data.stream.drop_last` and `trainer.limit_train_batches` are none: they end an epoch sooner or later, in the
same order.
"""
MEASURE = ("data.val", "data.eval_size", "trainer.limit_val_batches", "boxes")
"""Settings, or sections of them, that decide what a validation measures."""
SET = "the set"


@dataclass(frozen=True)
class Resumed:
    """What a run goes on with.

    Attributes:
        state: what the loop, the learner and the records take up.
        history: what is written down of all times the run was taken up: "from_step", and where there is
            something to say "changed", "changed_set", "processes" (before, now), "begins_again": the epoch,
            counted from 0, with the number of its batches that had been learnt from; and "scores_from": the
            first step whose validation measures as those to come do.
        scores_from: that step.
        text: what to tell a person; may be empty.
    """

    state: Mapping[str, Any]
    history: list[dict[str, Any]]
    scores_from: int
    text: str


def resumed(
    checkpoints: Checkpoints,
    config: TrainConfig,
    train_set: ShardSet,
    batches: int,
    processes: int,
    *,
    changed_set: bool,
) -> Resumed:
    """Return what a run goes on with, under the settings and the set of today.

    Args:
        checkpoints: the run's.
        config: the settings to go on under.
        train_set: the set to go on with.
        batches: of an epoch, under both.
        processes: that go on with it.
        changed_set: go on although the set is another than the run began with.

    Raises:
        UsageError: the run saved no checkpoint.
        DamageError: it is not what was saved.
        StaleError: the set is another.
    """
    found = checkpoints.load_resume()
    if found is None:
        raise UsageError(
            f"--resume {checkpoints.folder}", expected="a run that saved a checkpoint", found="none"
        )
    (about, state), manifest = (found[0].about, dict(found[1])), train_set.manifest
    if not changed_set:
        check_same_set(manifest, about["set"], train_set.folder)
    changed = changed_settings(about["config"], config.model_dump(mode="json"))
    step: dict[str, Any] = {"from_step": about["step"]} | ({"changed": changed} if changed else {})
    # Checkpoints of older versions do not say how many there were.
    if (before := about.get("processes", processes)) != processes:
        step["processes"] = [before, processes]
    reasons = [name for name in ORDER if name in changed]
    fingerprints = [about["set"]["fingerprint"], manifest.fingerprint]
    if fingerprints[0] != fingerprints[1]:
        step["changed_set"] = fingerprints
        reasons.append(SET)
    told = []
    if again := _begin_again(state, batches) if reasons else None:
        step["begins_again"] = again
        place = f"epoch {again['epoch'] + 1} begins again, {again['batches']} batches in"
        told.append(f"{place}: changed {', '.join(reasons)}")
    others = [name for name in changed if name.startswith(tuple(MEASURE))]
    others += [SET] if SET in reasons else []
    if others:
        step["scores_from"] = about["step"] + bool(about["metrics"])
        told.append(f"the best score and patience begin anew: changed {', '.join(others)}")
    if others or "trainer.monitor" in changed:
        state["patience"] = (-math.inf, 0)
    history = [*about["resumed"], step]
    return Resumed(state, history, scores_from(history), "\n".join(told))


def _begin_again(state: dict[str, Any], batches: int) -> dict[str, int] | None:
    """Put the position at the beginning of its epoch; return the epoch and the batches that were learnt from.

    None where there were none, and where the epoch was learnt whole: a run stopped in a validation has
    nothing left of it but to validate, and its position goes to the end of the epoch as it is now cut.
    """
    position = state["position"]
    whole = position["batch"] == state.get("epoch_batches")
    state["position"] = {**position, "batch": batches if whole else 0}
    if whole or not position["batch"]:
        return None
    return {"epoch": position["epoch"], "batches": position["batch"]}
