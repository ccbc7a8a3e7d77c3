"""A proxy before a real server that counts, delays and spoils what passes."""

from __future__ import annotations

import http.client
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Rule = Callable[[str, str, int], str | None]
"""Method, path and running number of a request to the fault it meets, None for none.

Faults: "503", "500", "cut", "stall", "trickle", "flip", "refuse".
"""


@dataclass
class Passed:
    """A request that passed.

    Attributes:
        method, path: as asked.
        begin, end: on the monotonic clock, seconds.
        bytes: of the answer's body.
        fault: what it met.
    """

    method: str
    path: str
    begin: float
    end: float = math.inf
    bytes: int = 0
    fault: str | None = None


class FaultProxy:
    """Forwards to a server on the loopback; keeps the signed Host header.

    Args:
        upstream: the server's port.

    Attributes:
        latency_s: seconds added to each request.
        rule: which request meets which fault.
        passed: what passed, in the order it began.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream, self.latency_s = upstream, 0.0
        self.rule: Rule = lambda method, path, number: None
        self.passed: list[Passed] = []
        self._lock = threading.Lock()
        self._gate = threading.Condition(self._lock)
        self._open_until: float = math.inf
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def begin(self, method: str, path: str) -> Passed:
        """Note a request."""
        with self._lock:
            request = Passed(method, path, time.monotonic())
            request.fault = self.rule(method, path, len(self.passed))
            self.passed.append(request)
            number = len(self.passed)
            self._gate.notify_all()
            self._gate.wait_for(lambda: number <= self._open_until)
        time.sleep(self.latency_s)
        return request

    def hold(self) -> None:
        """From now on requests wait for `let`."""
        with self._gate:
            self._open_until = len(self.passed)

    def let(self, count: int) -> None:
        """Let so many waiting requests go, all at once: one round trip, however slowly a busy machine asks.

        Raises:
            AssertionError: not so many came: they wait for an answer, or are not asked for.
        """
        with self._gate:
            until = self._open_until + count
            came = self._gate.wait_for(lambda: len(self.passed) >= until, timeout=30)
            assert came, f"{len(self.passed)} requests came; {until} were to: {self.passed}"
            self._open_until = until
            self._gate.notify_all()

    def release(self) -> None:
        """Let all requests go."""
        with self._gate:
            self._open_until = math.inf
            self._gate.notify_all()

    def clear(self) -> None:
        """Forget what passed; nothing may be held."""
        with self._lock:
            assert self._open_until == math.inf
            self.passed = []

    def close(self) -> None:
        """End it."""
        self.release()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that leave in mid-answer are what is tested


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultProxy
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _forward(self) -> None:
        request = self.owner.begin(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if request.fault == "refuse":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            elif request.fault == "stall":
                time.sleep(3)
                self.close_connection = True
            elif request.fault in ("503", "500"):
                self._answer(int(request.fault), [], _FAULTS[request.fault], request)
            else:
                self._answer(*self._ask(body), request)
        finally:
            request.end = time.monotonic()

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, answer.getheaders(), data
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, request: Passed) -> None:
        request.bytes = len(data)
        self.send_response_only(status)
        named = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if "content-length" not in named:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if request.fault == "flip" and data:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 0x20]) + data[middle + 1 :]
        if request.fault == "cut":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif request.fault == "trickle":
            for start in range(0, len(data), 64):
                self.wfile.write(data[start : start + 64])
                self.wfile.flush()
                time.sleep(0.05)
        elif self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward


_XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"
_FAULTS = {
    "503": _XML.format("SlowDown", "Please reduce your request rate.").encode(),
    "500": _XML.format("InternalError", "We encountered an internal error.").encode(),
}


@contextmanager
def before(port: int) -> Iterator[FaultProxy]:
    """Run a proxy before a server's port."""
    proxy = FaultProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
