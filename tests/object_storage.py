"""A real object store for tests: SeaweedFS, with access keys, speaking S3 at an address of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

KEY, SECRET = "made-for-tests", "secret-made-for-tests"
BUCKET = "pages"
PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
)
S3_PORTS = ("s3.port", "s3.port.grpc")


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        port: where it speaks S3.
        address: of the interface it listens at.
    """

    port: int
    address: str = "127.0.0.1"

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://{self.address}:{self.port}"

    def environment(self, port: int | None = None) -> dict[str, str]:
        """Return the variables that lead a client to it, or to a proxy before it."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.address}:{port or self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def available() -> bool:
    """Tell whether the server is installed, and a client."""
    try:
        import s3fs  # noqa: F401
    except ImportError:
        return False
    return shutil.which("weed") is not None


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running(folder: Path, address: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server that keeps its data in a folder, with the bucket made, at an address of this machine."""
    (folder / "data").mkdir(parents=True)
    keys = {"identities": [{"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}]}
    keys["identities"][0]["actions"] = ["Admin", "Read", "Write", "List", "Tagging"]  # type: ignore[assignment]
    (folder / "keys.json").write_text(json.dumps(keys))
    names = [*PORTS, *S3_PORTS]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    words = ["weed", "-logtostderr=true", "server", f"-dir={folder / 'data'}", f"-ip={address}", "-s3"]
    words += [f"-ip.bind={address}", f"-s3.config={folder / 'keys.json'}", "-volume.max=20"]
    words += ["-master.volumeSizeLimitMB=256", "-master.telemetry=false"]
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        server = Server(ports["s3.port"], address)
        _wait_for(server, process, folder / "log")
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urlopen(server.endpoint, timeout=2).close()
        except HTTPError as error:
            error.close()
            if error.code in (403, 400) and _made_bucket(server):
                return
        except (URLError, OSError):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"SeaweedFS does not answer: {log.read_text(errors='replace')[-2000:]}")


def _made_bucket(server: Server) -> bool:
    import s3fs

    store = s3fs.S3FileSystem(
        key=KEY,
        secret=SECRET,
        endpoint_url=server.endpoint,
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    try:
        if not store.exists(f"{BUCKET}/ready"):
            store.mkdir(BUCKET)
            store.pipe_file(f"{BUCKET}/ready", b"ready")
        return bool(store.cat_file(f"{BUCKET}/ready") == b"ready")
    except OSError:
        return False
