"""Several "hosts" on one machine: network namespaces with addresses of their own, or the loopback."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

INTERFACE = "eth0"


@dataclass(frozen=True)
class Host:
    """Where a process can run.

    Attributes:
        address: what other hosts reach it by.
        interface: the network interface that bears it.
        enter: words before a command that is to run there.
    """

    address: str
    interface: str = "lo"
    enter: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """Hosts that reach each other, and this machine.

    Attributes:
        address: this machine's, as the hosts reach it.
        hosts: them.
    """

    address: str
    hosts: tuple[Host, ...]


class NoNamespacesError(Exception):
    """This machine, or this user, makes no network namespaces."""


def on_loopback(count: int) -> Network:
    """Return hosts that are but processes of this machine."""
    return Network("127.0.0.1", (Host("127.0.0.1"),) * count)


@contextmanager
def in_namespaces(count: int) -> Iterator[Network]:
    """Make hosts in network namespaces, which a bridge joins to each other and to this machine.

    Their addresses are of 198.18.0.0/15, which RFC 2544 keeps for tests.

    Raises:
        NoNamespacesError: they cannot be made.
    """
    if shutil.which("ip") is None or os.geteuid() != 0:
        raise NoNamespacesError("they take root and iproute2")
    number = random.SystemRandom().randrange(256)
    bridge, net = f"tsbr{number}", f"198.18.{number}"
    with ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        _ip("addr", "add", f"{net}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        hosts = tuple(_add_host(stack, bridge, f"{net}.{10 + rank}") for rank in range(count))
        yield Network(f"{net}.1", hosts)


def _add_host(stack: ExitStack, bridge: str, address: str) -> Host:
    name, here = f"{bridge}_{address.rpartition('.')[2]}", f"{bridge}v{address.rpartition('.')[2]}"
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "del", name)
    _ip("link", "add", here, "type", "veth", "peer", "name", INTERFACE, "netns", name)
    _ip("link", "set", here, "master", bridge, "up")
    _ip("-n", name, "addr", "add", f"{address}/24", "dev", INTERFACE)
    for interface in (INTERFACE, "lo"):
        _ip("-n", name, "link", "set", interface, "up")
    return Host(address, INTERFACE, ("ip", "netns", "exec", name))


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNamespacesError(f"ip {' '.join(words)}: {done.stderr.strip()}")
