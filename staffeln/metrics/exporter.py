# SPDX-License-Identifier: Apache-2.0
"""Answers GET /metrics, and nothing else."""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any

import prometheus_client

LOG = logging.getLogger(__name__)

PATH = "/metrics"
MOST_AT_ONCE = 8
"""Requests that are answered at once; others are turned away."""
_SILENCE = 10.0
"""Seconds for which a client may keep silent."""
LONGEST = 15.0
"""Seconds that a client may take in all: one that drips keeps no place."""
_PAUSE = 2.0
"""Seconds between two tries to get the port."""
_LAST_WAIT = 5.0
_TELL_EVERY = 30
"""Tries that fail between two lines that say so."""


class Exporter:
    """A small HTTP server in a thread; it gets its port when it can.

    The process that had it before may still be ending, as on SIGHUP.
    """

    def __init__(
        self,
        host: str,
        port: int,
        render: Callable[[], bytes],
        pause: float = _PAUSE,
        longest: float = LONGEST,
    ) -> None:
        """Nothing happens yet.

        :param pause: seconds between two tries to get the port.
        :param longest: seconds that a client may take in all.
        """
        self._host = host
        self._port = port
        self._render = render
        self._pause = pause
        self._longest = longest
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread = threading.Thread(
            target=self._run, name="metrics", daemon=True
        )
        self.listening = threading.Event()
        """Set once it answers."""

    def start(self) -> None:
        """Begin; does not wait for the port."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of the port; requests under way are left to themselves."""
        self._stop.set()
        with self._lock:
            server = self._server
        if server is not None:
            server.shutdown()
        # A name that is being looked up may take its time.
        self._thread.join(_LAST_WAIT)

    @property
    def port(self) -> int:
        """The port that it got; 0: none yet."""
        server = self._server
        return 0 if server is None else int(server.server_address[1])

    def _run(self) -> None:
        server = self._bind()
        if server is None:
            return
        with server:
            with self._lock:
                self._server = server
                if self._stop.is_set():
                    return
            self.listening.set()
            LOG.info("Metrics: http://%s%s", self._shown(), PATH)
            server.serve_forever(poll_interval=0.1)

    def _bind(self) -> _Server | None:
        """The server on its port; None: told to stop before it had it."""
        tries = 0
        while not self._stop.is_set():
            try:
                return _Server(
                    self._host, self._port, self._render, self._longest
                )
            except OSError as error:
                # Not the first: a process that ends may have it still.
                if tries % _TELL_EVERY == 1:
                    LOG.error(
                        "[metrics] host, port: cannot listen on %s: %s; "
                        "tried again every %g s",
                        self._shown(),
                        error,
                        self._pause,
                    )
                tries += 1
            self._stop.wait(self._pause)
        return None

    def _shown(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        host: str,
        port: int,
        render: Callable[[], bytes],
        longest: float,
    ) -> None:
        self.render = render
        self._longest = longest
        self._since: dict[socket.socket, float] = {}
        """When each request that is not answered yet came."""
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        super().__init__((str(address[0]), port), _Handler)

    def server_bind(self) -> None:
        """Bind, without asking for the host's name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def service_actions(self) -> None:
        """Cut off, now and then, who takes too long."""
        now = time.monotonic()
        with self._lock:
            for request, since in self._since.items():
                if now - since > self._longest:
                    with contextlib.suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: object) -> None:
        """Answer in a thread, if there are not too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        with self._lock:
            self._since[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: Any, client_address: object
    ) -> None:
        """Answer, and make room for another one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._since.pop(request, None)
            self._free.release()

    def handle_error(self, _request: object, client_address: object) -> None:
        """A client that goes away is no news."""
        LOG.debug("Metrics: %s failed", client_address, exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE
    server_version = "staffeln"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path.partition("?")[0] != PATH:
            self.send_error(404)
            return
        try:
            body = self.server.render()
        except Exception:  # the thread's border
            LOG.exception("Metrics cannot be told")
            self.send_error(500)
            return
        self.send_response(200)
        self.send_header("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Each request, at DEBUG."""
        LOG.debug("Metrics: %s: %s", self.client_address[0], format % args)
