"""A checkpoint as something to use: the detector, and the settings it was trained under."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from formats.errors import UsageError
from formats.manifest import SetSettings
from formats.runs.diff import within
from train.checkpoint import load_checkpoint
from train.config import TrainConfig, changed_config
from train.detect import TextFinder
from train.model import Detector, DetectorSettings, build_detector
from train.precision import Precision
from train.provenance import changed_settings

USED = ("data.eval_size", "boxes", "trainer.precision", "trainer.device", "trainer.threads")
"""Settings, or sections of them, that a trained detector is used under; all others were of its training."""


@dataclass(frozen=True)
class Trained:
    """A detector from a checkpoint.

    Attributes:
        path: the checkpoint's file.
        detector: in evaluation mode, on `device`.
        config: the run's configuration, with the overrides of the moment.
        set_settings: how the set it learnt from was made.
        shrink_ratio: of the targets it learnt last.
        about: the JSON beside the weights.
        device: where it is.
    """

    path: Path
    detector: Detector
    config: TrainConfig
    set_settings: SetSettings
    shrink_ratio: float
    about: dict[str, Any]
    device: torch.device

    def finder(self, canvas: tuple[int, int] | None = None) -> TextFinder:
        """Return what finds texts on canvases of a size (default: that of the set it learnt from)."""
        return TextFinder(
            self.detector,
            Precision(self.config.trainer.precision, self.device),
            canvas or self.set_settings.geometry.canvas,
            self.config.data.eval_size,
            self.config.boxes,
            self.shrink_ratio,
        )


def load_trained(path: Path, overrides: Sequence[str] = (), used: Sequence[str] = USED) -> Trained:
    """Load a checkpoint, or the best one of a run's folder.

    Args:
        path: of a ``.pt`` file with its ``.json`` beside it, or of a run's folder.
        overrides: ``section.field=value`` words on the run's configuration, e.g. boxes.threshold=0.4.
        used: settings, or sections of them, that mean something to whoever loads it.

    Raises:
        UsageError: no checkpoint, or settings that do not fit, or that would do nothing.
        DamageError: files that are not those that were saved.
    """
    checkpoint = load_checkpoint(path)
    about = checkpoint.about
    config = changed_config(about["config"], overrides)
    _check_used(changed_config(about["config"], ()), config, used)
    if "trainer.threads" in named(overrides) and config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    device = device_of(config.trainer.device)
    detector = build_detector(config.model)
    with same_network(config.model, f"checkpoint {path}"):
        detector.load_state_dict(checkpoint.weights)
    return Trained(
        path=checkpoint.path,
        detector=detector.to(device).eval(),
        config=config,
        set_settings=SetSettings.model_validate(about["set"]["settings"]),
        shrink_ratio=float(about["shrink_ratio"]),
        about=about,
        device=device,
    )


def named(overrides: Sequence[str]) -> set[str]:
    """Return the names of the settings that ``section.field=value`` words set."""
    return {word.partition("=")[0] for word in overrides}


def _check_used(own: TrainConfig, config: TrainConfig, used: Sequence[str]) -> None:
    changed = changed_settings(own.model_dump(mode="json"), config.model_dump(mode="json"))
    if idle := [name for name in changed if not within(name, used)]:
        raise UsageError(
            ", ".join(idle),
            expected="a setting that is used here",
            found=f"{'one' if len(idle) == 1 else 'some'} of training alone: the detector is trained",
            next_step=f"leave it out; what can be set: {', '.join(used)}",
        )


@contextmanager
def same_network(settings: DetectorSettings, thing: str) -> Iterator[None]:
    """Turn what torch says while weights are taken up into an error that names the network.

    Raises:
        UsageError: they are another network's.
    """
    try:
        yield
    except RuntimeError as error:
        raise UsageError(
            thing,
            expected=f"weights of a {settings.backbone} of width {settings.width}",
            found=str(error).splitlines()[-1].strip(),
            next_step="leave model.* as it was trained",
        ) from None


def device_of(name: str) -> torch.device:
    """Return a device by the name a configuration gives it.

    Raises:
        UsageError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"trainer.device={name}",
            expected="a CUDA device",
            found="none that this torch can use",
            next_step="set trainer.device=cpu, or install torch for CUDA",
        )
    return torch.device(name)
