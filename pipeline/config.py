"""A build's configuration: what a YAML file and ``key=value`` words say, validated and frozen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from formats.manifest import SetSettings
from formats.settings import load_settings
from formats.spec import EncodingSpec, GeometrySpec, LayoutSpec, Section, TargetsSpec, Unit, VariantsSpec
from pipeline.render import RENDERER_VERSION
from pipeline.sources.settings import SourceSettings


class RuntimeSettings(Section):
    """How a build runs. Nothing here can change a stored byte; nothing here is in a fingerprint."""

    workers: int = Field(
        0, ge=0, le=1024, description="worker processes; 0: as many as the machine has cores"
    )
    engine: Literal["local", "dask"] = Field(
        "local", description="local: processes of this machine; dask: a Dask cluster"
    )
    scheduler: str | None = Field(
        None, description="with dask: the scheduler's address; null: a cluster made on this machine"
    )
    without_workers_s: float = Field(
        300.0,
        gt=0,
        allow_inf_nan=False,
        description="with dask: seconds without any worker after which the build ends",
    )
    max_quarantined: Unit = Field(
        0.01, description="share of samples that may be unusable; more fails the build"
    )

    def bears(self, unusable: int, samples: int) -> bool:
        """Tell whether a build goes on with so many unusable samples among so many."""
        return unusable <= self.max_quarantined * samples


class BuildConfig(Section):
    """All sections of a build configuration."""

    source: SourceSettings
    geometry: GeometrySpec = GeometrySpec()
    targets: TargetsSpec = TargetsSpec()
    encoding: EncodingSpec = EncodingSpec()
    layout: LayoutSpec = LayoutSpec()
    variants: VariantsSpec = VariantsSpec()
    runtime: RuntimeSettings = RuntimeSettings()

    @property
    def set_settings(self) -> SetSettings:
        """What of the configuration is recorded in the set and fingerprinted."""
        return SetSettings(
            geometry=self.geometry,
            targets=self.targets,
            encoding=self.encoding,
            layout=self.layout,
            variants=self.variants if self.variants.count else VariantsSpec(),
            renderer=RENDERER_VERSION,
        )


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> BuildConfig:
    """Read a configuration; see `formats.settings.load_settings`."""
    return load_settings(BuildConfig, path, overrides)
