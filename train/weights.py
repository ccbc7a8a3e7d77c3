"""Published torchvision weights into the trunk, from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from formats.errors import UsageError
from train.model import Detector


def load_backbone(detector: Detector, path: str | Path) -> None:
    """Load a torchvision ResNet state dict into the detector's trunk, in place.

    The classification head (`fc.*`) is dropped; `num_batches_tracked` may be absent, as it is in the oldest
    published files. Nothing is unpickled but tensors.

    Raises:
        UsageError: the file is absent, is not a state dict, or does not fit this trunk; names the keys.
    """
    weights = {name: value for name, value in _read(Path(path)).items() if not name.startswith("fc.")}
    own = detector.backbone.state_dict()
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in weights if name not in own]
    misshapen = [name for name in own if name in weights and own[name].shape != weights[name].shape]
    for problem, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen)):
        if names:
            raise UsageError(
                f"weights {path} do not fit {_trunk(detector)}",
                expected=f"{len(own)} tensors with torchvision's names, e.g. {_shaped(names[0], own)}",
                found=f"{len(names)} {problem}: {_shaped(names[0], weights)}{_others(names)}",
                next_step="choose the model.backbone the file was trained as, at model.width=64",
            )
    detector.backbone.load_state_dict(weights, strict=False)


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(
            f"weights {path}", found=str(error), next_step="give the path of a .pth file"
        ) from error
    except Exception as error:  # an unpickler that is fed no pickle ends in whatever its stack lacks
        told = f"what torch.load(weights_only=True) refuses ({type(error).__name__})"
        raise _not_a_state_dict(path, told) from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise _not_a_state_dict(path, f"a {type(weights).__name__}")
    return weights


def _not_a_state_dict(path: Path, found: str) -> UsageError:
    return UsageError(
        f"weights {path}",
        expected="a torch file that holds a state dict: names and tensors, nothing else",
        found=found,
        next_step="save it with torch.save(model.state_dict(), path)",
    )


def _trunk(detector: Detector) -> str:
    return f"{detector.settings.backbone} of width {detector.settings.width}"


def _shaped(name: str, weights: Mapping[str, Tensor]) -> str:
    return f"{name} {list(weights[name].shape)}" if name in weights else name


def _others(names: list[str]) -> str:
    return "" if len(names) == 1 else f", {', '.join(names[1:4])}" + (", ..." if len(names) > 4 else "")
