"""What a run's numbers may depend on besides its data."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ, by dotted name, as [before, now]."""
    changed: dict[str, Any] = {}
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            inner = changed_settings(old, new)
            changed |= {f"{name}.{field}": values for field, values in inner.items()}
        elif old != new:
            changed[name] = [old, new]
    return changed


def versions() -> dict[str, str]:
    """Return the versions that a run's numbers may depend on."""
    return {
        "textshards": version("textshards"),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
