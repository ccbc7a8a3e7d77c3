"""What a person is told of a run: before it, and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formats.places import place
from formats.runs.record import METRICS
from formats.storage import write_whole
from formats.wording import counted
from train.config import TrainConfig
from train.experiment import Ended, Experiment
from train.figures.curves import plot_curves
from train.going_on import resuming
from train.journal.profile import memory_mb
from train.journal.records import read_records
from train.stream import Stream


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        folder: the run's folder.
        finished: False where it was stopped; it can then be resumed.
        summary: what `summary.json` holds.
    """

    folder: Path
    finished: bool
    summary: Mapping[str, Any]

    def text(self) -> str:
        """Return it as a person reads it."""
        summary, best = self.summary, self.summary["best"]
        done = f"{summary['epochs']} epochs, {summary['steps']} steps, {summary['samples_streamed']} pages"
        lines = [f"{'finished' if self.finished else 'stopped'}: {done} in {summary['wall_s']:.0f} s"]
        if summary["ended_early"]:
            lines.append("  early  the last validations were no better than the best (trainer.patience)")
        if best is not None:
            lines.append(
                f"  best   H-mean {best['hmean']:.4f} (precision {best['precision']:.4f}, recall "
                f"{best['recall']:.4f}) at step {best['step']}: {self.folder / 'best.pt'}"
            )
        lines.append(
            f"  read   {counted(summary['members_verified'], 'member')} of "
            f"{counted(summary['shards_opened'], 'shard')}, each checked against its CRC-32C when "
            f"{_when(summary['verify'])}; "
            f"{_hashed(summary)}; fallbacks: {summary['fallbacks']}"
        )
        if (kept := summary["cache"])["pages"]:
            lines.append(f"  kept   {kept['pages']} decoded pages, {kept['mb']} MB; {kept['hits']} not read")
        lines.append(
            f"  waited {100 * summary['data_wait_share']:.1f} % of training time for data; "
            f"peak memory {summary['peak_rss_mb']} MB"
        )
        if (storage := summary["storage"]) is not None:
            lines.append(
                f"  storage fetched {storage['file_mb']:.1f} MB of whole files into the local cache, which "
                f"then served {100 * storage['hit_rate']:.0f} % of reads, and {storage['range_mb']:.1f} MB "
                f"of ranges ahead of them; {storage['range_wait_s']:.1f} s waited for ranges"
            )
        if not self.finished:
            lines.append(f"  go on  {resuming(self.folder, place(summary['set']['folder']))}")
        return "\n".join(lines)


def _when(verify: str) -> str:
    return "read, raw pages when first read" if verify == "first" else "read"


def _hashed(summary: Mapping[str, Any]) -> str:
    shards, storage = summary["shards_verified"], summary["storage"]
    if storage is not None and not shards:
        if not storage["file_mb"]:
            return "no file was fetched whole, to be compared with its SHA-256"
        return "files fetched whole against their SHA-256 on arrival"
    return f"{counted(shards, 'shard')} in all against {'its' if shards == 1 else 'their'} SHA-256"


def describe(experiment: Experiment, *, resumed: bool = False) -> str:
    """Return what is trained on what, a fact a line.

    How many steps a run has that goes on is not known before its place is: it tells from which step it does.
    """
    config, manifest = experiment.config, experiment.manifest
    settings, trainer = manifest.settings, config.trainer
    H, W = settings.geometry.canvas
    learnt = f"{experiment.train_set.pages} pages to learn from ({', '.join(config.data.train)})"
    evaluated = "none to evaluate on"
    if experiment.validation is not None:
        evaluated = f"{len(experiment.validation.shard_set)} to evaluate on ({config.data.val})"
    weights = sum(weight.numel() for weight in experiment.detector.parameters()) / 1e6
    return "\n".join(
        [
            f"set    {experiment.train_set.folder}  {manifest.fingerprint}",
            f"       {learnt}, {evaluated}, {len(manifest.quarantined)} quarantined",
            f"       canvas {H} x {W}, {settings.encoding.container}, {settings.encoding.maps} maps at "
            f"shrink ratio {settings.targets.shrink_ratio}",
            f"model  {config.model.backbone} of width {config.model.width}, pyramid {config.model.inner}: "
            f"{weights:.2f} M weights, {trainer.precision} on {experiment.device}",
            f"steps  {trainer.max_epochs} epochs of {len(experiment.task)} batches of "
            f"{config.data.stream.batch_size}, a step on {trainer.accumulate_grad_batches}: "
            f"{_steps(experiment, resumed)}; AdamW {config.optim.lr:g}, {config.optim.schedule}"
            + (f"; {experiment.ranks.world} processes" if experiment.ranks.world > 1 else ""),
            f"run    {experiment.folder}",
            *_notes(config, None if resumed else experiment.total_steps),
        ]
    )


def _steps(experiment: Experiment, resumed: bool) -> str:
    stems = experiment.checkpoints.stems() if resumed else []
    if stems:
        return f"goes on from step {int(stems[-1].partition('_')[2])}"
    return f"{experiment.total_steps} steps"


def _notes(config: TrainConfig, steps: int | None) -> list[str]:
    """Settings that get nothing, or what is seldom meant; `steps` are those of the run, where known."""
    data, trainer, notes = config.data, config.trainer, []
    if idle := config.logger.wandb.idle:
        notes.append(f"{idle} logs nothing: logger.wandb.enabled is false")
    if data.val in data.train:
        notes.append(f"the pages of {data.val} are learnt from too: scores say nothing of new pages")
    if data.val is None and trainer.patience is not None:
        notes.append(f"trainer.patience={trainer.patience} ends nothing: data.val is null")
    if steps is not None and config.optim.warmup_steps >= steps:
        warmup = f"optim.warmup_steps={config.optim.warmup_steps}"
        notes.append(f"{warmup}: the rate rises to the end of the run, {counted(steps, 'step')}")
    return [f"note   {note}" for note in notes]


def over(experiment: Experiment) -> str:
    """Return what a person is told who goes on with a run that had come to its end."""
    trainer = experiment.config.trainer
    longer = f"trainer.max_epochs={2 * trainer.max_epochs}"
    if trainer.patience is not None:
        longer += " trainer.patience=null"
    return f"finished before: nothing done, nothing written. To train longer, add for example {longer}"


def write_summary(experiment: Experiment, ended: Ended) -> Outcome:
    """Write `summary.json` and `curves.png` into the run's folder; say how it ended."""
    summary, folder = summary_of(experiment, ended), experiment.folder
    write_whole(folder / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
    scores_from = experiment.checkpoints.scores_from
    plot_curves(read_records(folder / METRICS), folder / "curves.png", scores_from)
    return Outcome(folder, ended.finished, summary)


def summary_of(experiment: Experiment, ended: Ended) -> dict[str, Any]:
    """Return what `summary.json` holds.

    Steps, pages streamed and seconds are of the run, over all its parts. What was verified is of this part
    alone: members of the pages that were read to learn from, not of those that came from memory again; shards
    as a whole, those evaluated on too.
    """
    position, best = ended.position, experiment.checkpoints.best()
    memory = memory_mb(experiment.device)
    members = len(experiment.train_set.shards[0].columns) - 1  # all but the meta data
    return {
        "exp_name": experiment.config.exp_name,
        "finished": ended.finished,
        "ended_early": ended.finished and position.epoch < experiment.config.trainer.max_epochs,
        "set": {
            "folder": str(experiment.train_set.folder),
            "fingerprint": experiment.manifest.fingerprint,
        },
        "epochs": position.epoch,
        "steps": position.step,
        "samples_streamed": position.samples,
        "verify": experiment.config.data.stream.verify,
        "members_verified": ended.pages_read * members,
        "shards_opened": len(experiment.train_set.shards),
        "shards_verified": ended.shards_verified,
        "fallbacks": _fallbacks(experiment),
        "cache": _cache(experiment.task.stream),
        "storage": _storage(experiment),
        "quarantined": len(experiment.manifest.quarantined),
        "best": None if best is None else {"step": best["step"], **best["metrics"]},
        "processes": experiment.ranks.world,
        "wall_s": round(ended.wall_s, 1),
        "data_wait_share": round(ended.data_wait_share, 4),
        "peak_rss_mb": round(memory["peak_rss_mb"]),
        "peak_device_mb": round(memory["peak_device_mb"]) if "peak_device_mb" in memory else None,
        "resumed": experiment.history,
        **experiment.origin,
    } | ({"profile": _rounded(ended.profile)} if ended.profile else {})


def _fallbacks(experiment: Experiment) -> str:
    """Return what was read another way than meant: of a set on a disk there is no other."""
    return "none possible" if experiment.reader is None else experiment.reader.fallbacks or "none possible"


def _storage(experiment: Experiment) -> dict[str, float] | None:
    """Return what this part of the run read from object storage; None for a set on a disk."""
    if experiment.reader is None:
        return None
    return {name: round(value, 4) for name, value in experiment.reader.traffic.values().items()}


def _cache(stream: Stream) -> dict[str, int]:
    """Return what this part of the run kept in memory, in this process."""
    cache = stream.cache
    return {"pages": len(cache), "mb": cache.bytes >> 20, "hits": stream.statistics.cached}


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
