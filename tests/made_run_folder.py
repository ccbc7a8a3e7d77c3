"""Folders as training runs leave them, with made numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.config import load_config, save_config

VERSIONS = {"textshards": "1.0", "python": "3.11.7", "torch": "2.13.0"}
PARTS = {name: f"sha256-ts1:{name}" for name in ("source", "geometry", "targets", "encoding", "layout")}


def made_run_folder(
    folder: Path,
    *words: str,
    hmeans: Sequence[float] = (0.5, 0.8, 0.7),
    finished: bool | None = True,
    wall_s: float = 30.0,
    **facts: Any,
) -> Path:
    """Write a run's folder.

    Args:
        folder: to make; its name is the run's.
        words: settings, ``section.field=value``.
        hmeans: of its validations, at steps 10, 20, ...
        finished: None for a run that was killed, and has no summary.
        wall_s: seconds it took.
        facts: instead of those of every run: parts, fingerprint, versions, processes, resumed,
            origin.
    """
    folder.mkdir(parents=True)
    save_config(load_config(None, [f"exp_name={folder.name}", *words]), folder / "config.yaml")
    records = [record for number, hmean in enumerate(hmeans, 1) for record in made_records(number, hmean)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    parts = PARTS | facts.get("parts", {})
    made_of = {"fingerprint": facts.get("fingerprint", "sha256-ts1:0123456789abcdef"), "parts": parts}
    versions = VERSIONS | facts.get("versions", {})
    (folder / "last.json").write_text(
        json.dumps({"set": made_of, "versions": versions} | facts.get("origin", {}))
    )
    if finished is not None:
        summary = {
            "finished": finished,
            "epochs": len(hmeans),
            "steps": 10 * len(hmeans),
            "processes": facts.get("processes", 1),
            "wall_s": wall_s,
            "peak_rss_mb": 700,
            "peak_device_mb": None,
            "resumed": facts.get("resumed", []),
        }
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def made_records(number: int, hmean: float) -> list[dict[str, Any]]:
    """Return the train record and the validation record of an epoch of 10 steps."""
    stamps = {"global_step": 10 * number, "epoch": number - 1, "batch": 10, "wall_s": 9.0 * number}
    pace = {"time/samples_per_s": 100.0 + number, "time/data_wait_share": 0.01}
    scores = {"hmean": hmean, "precision": hmean, "recall": hmean, "cleval/hmean": hmean + 0.05}
    return [
        {**stamps, "phase": "train", "loss": 5.0 / number, **pace},
        {**stamps, "phase": "val", **scores, "time/seconds": 1.0},
    ]
