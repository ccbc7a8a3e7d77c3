"""Checkpoints: weights as ``.pt``, everything a person wants to know as ``.json`` beside it, never a pickle.

A checkpoint is the files ``checkpoints/step_N.pt`` (the weights that were evaluated),
``step_N.HASH.resume.pt`` (what going on needs; the newest checkpoint alone keeps it) and ``step_N.json``,
which names them with their SHA-256. The JSON is written last, each file whole: a kill at any instant leaves
the checkpoint before, also where a step is saved again (before and after its evaluation). In the run's
folder, ``best.pt``, ``best.json``, ``last.pt`` and ``last.json`` are links to them.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from formats.errors import DamageError, UsageError
from formats.fingerprint import sha256
from formats.storage import write_whole

FOLDER = "checkpoints"
FORMAT = "textshards-checkpoint"
VERSION = 1
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Weights and what is known of them.

    Attributes:
        path: the ``.pt`` file.
        weights: the model's state dict, on the CPU.
        about: the JSON beside: config, metrics, position, set.
    """

    path: Path
    weights: Weights
    about: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run: keeps the best few and the last.

    Args:
        folder: the run's folder.
        keep_best: how many of the best to keep.
        monitor: the metric that tells which is best; higher is better.

    Attributes:
        scores_from: the first step whose scores compare with those to come (`train.resume`). Checkpoints of
            earlier ones are never the best, and are kept.
    """

    def __init__(self, folder: Path, keep_best: int = 1, monitor: str = "hmean") -> None:
        self.folder, self.keep_best, self.monitor = folder, keep_best, monitor
        self.scores_from = 0

    def save(self, step: int, weights: Weights, about: dict[str, Any], resume: dict[str, Any]) -> Path:
        """Write a checkpoint, link it as the last and the best of all as the best; remove those not kept.

        Args:
            step: optimizer attempts, which names it.
            weights: the state dict to use the model with.
            about: plain values: config, metrics (by name; may be empty), whatever a person wants to read.
            resume: tensors and plain values that going on needs.

        Returns:
            The path of the weights.
        """
        stem = f"step_{step:08d}"
        (self.folder / FOLDER).mkdir(parents=True, exist_ok=True)
        packed, packed_resume = _pack(weights), _pack(resume)
        files = {
            "weights": self._write(f"{stem}.pt", packed),
            "resume": self._write(f"{stem}.{sha256(packed_resume)[:8]}.resume.pt", packed_resume),
        }
        record = {"format": FORMAT, "version": VERSION, "step": step, **about, "files": files}
        self._write_json(stem, record)
        self._link("last", stem)
        # Also where the best is an earlier one: under another monitor, it may be one that was not the best.
        if ranking := self.ranking():
            self._link("best", ranking[0])
        self._prune(stem)
        return self.folder / FOLDER / f"{stem}.pt"

    def _write(self, name: str, data: bytes) -> dict[str, str]:
        write_whole(self.folder / FOLDER / name, data)
        return {"name": name, "sha256": sha256(data)}

    def _write_json(self, stem: str, record: dict[str, Any]) -> None:
        text = json.dumps(record, indent=2, allow_nan=False)
        write_whole(self.folder / FOLDER / f"{stem}.json", text.encode() + b"\n")

    def _link(self, name: str, stem: str) -> None:
        for suffix in ("pt", "json"):
            beside = self.folder / f"{name}.{suffix}.partial"
            beside.unlink(missing_ok=True)
            beside.symlink_to(f"{FOLDER}/{stem}.{suffix}")
            beside.replace(self.folder / f"{name}.{suffix}")

    def stems(self) -> list[str]:
        """Return the names of all whole checkpoints, oldest first."""
        return sorted(path.stem for path in (self.folder / FOLDER).glob("step_*.json"))

    def ranking(self) -> list[str]:
        """Return the names of the evaluated checkpoints, best first; of equal ones the later is better."""
        about = {stem: self._read_json(stem) for stem in self.stems()}
        scores = {
            stem: record.get("metrics", {}).get(self.monitor)
            for stem, record in about.items()
            if record["step"] >= self.scores_from
        }
        rated = [(score, stem) for stem, score in scores.items() if score is not None]
        return [stem for _, stem in sorted(rated, reverse=True)]

    def best(self) -> dict[str, Any] | None:
        """Return the JSON of the best checkpoint; None before the first evaluation."""
        ranking = self.ranking()
        return self._read_json(ranking[0]) if ranking else None

    def _read_json(self, stem: str) -> dict[str, Any]:
        return _read_about(self.folder / FOLDER / f"{stem}.json")

    def _prune(self, last: str) -> None:
        before = {stem for stem in self.stems() if self._read_json(stem)["step"] < self.scores_from}
        kept = {last, *self.ranking()[: self.keep_best], *before}
        for stem in set(self.stems()) - kept:
            # The JSON goes first: without it the rest is no checkpoint.
            (self.folder / FOLDER / f"{stem}.json").unlink()
        named = {f"{stem}.pt" for stem in kept} | {self._read_json(last)["files"]["resume"]["name"]}
        for path in (self.folder / FOLDER).glob("step_*.pt"):
            if path.name not in named:
                path.unlink()

    def load_resume(self) -> tuple[Checkpoint, dict[str, Any]] | None:
        """Return the last whole checkpoint and what going on from it needs; None where there is none."""
        stems = self.stems()
        if not stems:
            return None
        checkpoint = load_checkpoint(self.folder / FOLDER / f"{stems[-1]}.pt")
        resume: dict[str, Any] = _load_part(checkpoint.path.parent, checkpoint.about["files"]["resume"])
        return checkpoint, resume


def _pack(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def load_checkpoint(path: Path) -> Checkpoint:
    """Load the weights and the JSON of a checkpoint, with ``weights_only=True``.

    Args:
        path: a ``.pt`` file with its ``.json`` beside it, or a run's folder (its best, else its last).

    Raises:
        UsageError: there is none.
        DamageError: the files are not those that were written.
    """
    if path.is_dir():
        found = [path / name for name in ("best.pt", "last.pt") if (path / name).exists()]
        path = found[0] if found else path / "best.pt"
    # Links are followed first, so that both files are of one checkpoint.
    path = path.resolve()
    if not path.is_file():
        raise UsageError(
            f"checkpoint {path}",
            expected="a .pt file, or the folder of a run that has saved one",
            found="no such file",
            next_step="train one: python -m train.run --shards DIR",
        )
    if path.suffix != ".pt":
        raise UsageError(
            f"checkpoint {path}",
            expected="a .pt file, or the folder of a run that has saved one",
            found=f"a {path.suffix} file" if path.suffix else "a file of no suffix",
            next_step="name the run's folder, or its best.pt",
        )
    about = _read_about(path.with_suffix(".json"))
    record = about["files"]["weights"] | {"name": path.name}
    return Checkpoint(path, _load_part(path.parent, record), about)


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"checkpoint {path}",
            expected="the .json that was saved beside the .pt",
            found=str(error),
            next_step="keep both files together",
        ) from None
    if not isinstance(about, dict) or (about.get("format"), about.get("version")) != (FORMAT, VERSION):
        raise UsageError(f"checkpoint {path}", expected=f"{FORMAT}, version {VERSION}", found="another file")
    return about


def _load_part(folder: Path, record: dict[str, str]) -> Any:
    path = folder / record["name"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            str(path), expected="a file its checkpoint names", found=error.strerror or str(error)
        ) from None
    if sha256(data) != record["sha256"]:
        raise DamageError(
            str(path),
            expected="the bytes that were saved",
            found="others",
            next_step="use another checkpoint of the run's checkpoints/ folder",
        )
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
