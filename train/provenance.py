"""What a run's numbers may depend on besides its data."""

from __future__ import annotations

import platform
import shlex
import socket
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from formats.revision import revision_of_code


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


def origin(device: torch.device) -> dict[str, Any]:
    """Return where a run's numbers come from: revision of the code, command line, host, device, versions.

    "git" is the revision of the code, "-dirty" behind it where files of it were changed; None where it is in
    no repository. A run's own record: no fingerprint and no expectation knows of it.
    """
    return {
        "git": revision_of_code(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "host": socket.gethostname(),
        "device": device_name(device),
        "versions": versions(),
    }


def device_name(device: torch.device) -> str:
    """Return what the network runs on, as its maker calls it."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
