"""What a build records of itself beside the manifest: it decides nothing, and lets a set be checked later."""

from __future__ import annotations

import json
import platform
import socket
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from formats.errors import UsageError
from formats.places import Place
from formats.provenance import read_provenance
from formats.redaction import redacted
from formats.revision import revision_of_code
from formats.settings import validate_settings
from pipeline.config import BuildConfig
from pipeline.workers import cores

LIBRARIES = ("numpy", "numba", "opencv-python", "simplejpeg", "numcodecs", "zarr", "shapely", "pyclipper")


@dataclass(frozen=True)
class Work:
    """What a build did: samples rendered, and seconds it took."""

    samples: int
    seconds: float


def provenance(config: BuildConfig, command: list[str], work: Work, folder: Place) -> bytes:
    """Return what to write into `provenance.json`; a build that rendered nothing keeps the recorded pace."""
    before = read_provenance(folder) or {}
    kept = before.get("build") if not work.samples else None
    record = {
        "build": kept or _pace(config, work),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}},
        "command": [redacted(word) for word in command],
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "config": _resolved(config),
        **({"git": revision} if (revision := revision_of_code()) else {}),
    }
    return json.dumps(record, indent=1).encode() + b"\n"


def _version(name: str) -> str | None:
    """Return a distribution's version; None where its module comes from another (a headless OpenCV, say)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _pace(config: BuildConfig, work: Work) -> dict[str, Any]:
    rate = work.samples / work.seconds if work.samples else 0.0
    pace = {
        "samples": work.samples,
        "seconds": round(work.seconds, 3),
        "samples_per_second": round(rate, 3),
    }
    # Workers of a cluster that others run come and go: their number is not this build's to tell.
    elsewhere = config.runtime.engine == "dask" and config.runtime.scheduler is not None
    return pace if elsewhere else pace | {"workers": config.runtime.workers or cores()}


def _resolved(config: BuildConfig) -> dict[str, Any]:
    """Return the configuration with an absolute source root: a check may run in another folder."""
    values = config.model_dump(mode="json")
    values["source"]["root"] = str(config.source.root.absolute())
    return values


def records(config: BuildConfig, folder: Place) -> bool:
    """Tell whether a set's provenance has this configuration, however the build was run."""
    found = (read_provenance(folder) or {}).get("config")
    wanted = _resolved(config)
    return isinstance(found, dict) and {**found, "runtime": None} == {**wanted, "runtime": None}


def recorded_config(folder: Place) -> BuildConfig | None:
    """Return the configuration a set was built with; None where none is recorded.

    Raises:
        UsageError: it is recorded, but is none that this version reads.
    """
    found = (read_provenance(folder) or {}).get("config")
    if not isinstance(found, dict):
        return None
    try:
        return validate_settings(BuildConfig, found, f"the configuration recorded in {folder}")
    except UsageError as error:
        raise UsageError(error.thing, next_step="build the set again with its configuration file") from None
