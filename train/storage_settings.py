"""How a set in object storage is read, and what reading it took."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from formats.places import local_path, user_cache
from formats.spec import Section
from train.shard_cache import ShardCache


class StorageSettings(Section):
    """How a set in object storage is read; sets on a disk are not touched by it."""

    cache_folder: str | None = Field(
        None, description="folder for whole files, shared by all processes; null: the user's cache folder"
    )
    cache_mb: int = Field(10_240, ge=0, description="MiB of files kept there, at most; 0: none")
    requests: int = Field(32, ge=1, le=256, description="range requests at once, of each process")
    ahead: int = Field(64, ge=1, le=65536, description="samples asked for before they are decoded")
    downloads: int = Field(2, ge=1, le=32, description="whole files fetched at once, of each process")

    def open_cache(self) -> ShardCache | None:
        """Return the cache, None where there is to be none."""
        folder = local_path(self.cache_folder) if self.cache_folder else user_cache() / "shards"
        return ShardCache(folder, self.cache_mb << 20) if self.cache_mb else None


@dataclass
class Traffic:
    """What reading from storage took, since the reader was made.

    Attributes:
        local: reads of members from files on the local disk.
        ahead: reads that had been asked for by range before.
        late: reads that were asked for only when they were needed.
        file_bytes: bytes of whole files that travelled.
        range_bytes: bytes of ranges that travelled.
        wait_s: seconds that decoding threads waited for ranges, added up.
        again: downloads that came damaged and were fetched a second time.
        not_kept: whole files that the local disk could not take, or that did not come; counted in each epoch.
    """

    local: int = 0
    ahead: int = 0
    late: int = 0
    file_bytes: int = 0
    range_bytes: int = 0
    wait_s: float = 0.0
    again: int = 0
    not_kept: int = 0

    @property
    def hit_rate(self) -> float:
        """Share of the reads that the local disk served."""
        return self.local / max(self.local + self.ahead + self.late, 1)

    def values(self) -> dict[str, float]:
        """Return it as a record's numbers."""
        return {
            "hit_rate": self.hit_rate,
            "file_mb": self.file_bytes / 1e6,
            "range_mb": self.range_bytes / 1e6,
            "range_wait_s": self.wait_s,
            "late_reads": self.late,
            "fetched_again": self.again,
            "files_not_kept": self.not_kept,
        }
