# SPDX-License-Identifier: Apache-2.0
"""A forward proxy between Staffeln and the cloud that counts and harms.

Set ``http_proxy`` of a process to :attr:`Proxy.url`. Every request is
recorded; a rule may answer in the cloud's stead, hold a request, carry it
out and drop its answer, or carry it out when nobody waits for it any more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import http.client
import http.server
import re
import socketserver
import sys
import threading
import urllib.parse
from types import TracebackType


class Harm(enum.Enum):
    """What happens to a request that a rule fits."""

    DROP_ANSWER = "carried out, the connection closed without an answer"
    DROP_REQUEST = "the connection closed, nothing carried out"
    HANG = "held until the rule is over, nothing carried out"
    LATE = "the connection closed, and carried out later"
    ANSWER = "answered by the proxy, nothing carried out"


@dataclasses.dataclass(frozen=True)
class Call:
    """One request that came through."""

    method: str
    port: int
    path: str
    query: str
    status: int
    """0 where no answer was passed on."""


@dataclasses.dataclass
class Rule:
    """Harm for the next requests that fit."""

    method: str
    path: re.Pattern[str]
    harm: Harm
    times: int
    status: int = 503
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    """Seconds until a late request is carried out."""
    port: int | None = None
    """The service's; None: whichever."""
    used: int = 0
    over: threading.Event = dataclasses.field(default_factory=threading.Event)

    def takes(self, method: str, port: int, path: str) -> bool:
        """Whether this request is harmed; counts it."""
        fits = (
            self.method in ("", method)
            and self.port in (None, port)
            and self.path.search(path) is not None
        )
        if not fits or self.used >= self.times or self.over.is_set():
            return False
        self.used += 1
        return True


class Proxy:
    """The proxy as a context manager; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._calls: list[Call] = []
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, daemon=True
        )

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            for rule in self._rules:
                rule.over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What ``http_proxy`` is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def harm(
        self,
        method: str,
        path: str,
        harm: Harm,
        *,
        times: int = 1,
        status: int = 503,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        delay: float = 0.0,
        port: int | None = None,
    ) -> Rule:
        """Harm the next requests whose path the expression finds.

        :param method: empty: whichever.
        :param delay: seconds until a late request is carried out.
        :param port: that of a service; None: whichever.
        """
        rule = Rule(
            method,
            re.compile(path),
            harm,
            times,
            status,
            headers or {},
            body,
            delay,
            port,
        )
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self, rule: Rule) -> None:
        """End a rule; what it holds is let go without an answer."""
        rule.over.set()
        with self._lock:
            if rule in self._rules:
                self._rules.remove(rule)

    def calls(self, method: str = "", path: str = "") -> list[Call]:
        """The recorded calls of a method whose path the expression finds."""
        with self._lock:
            return [
                call
                for call in self._calls
                if method in ("", call.method) and re.search(path, call.path)
            ]

    def forget(self) -> None:
        """Forget the calls recorded so far."""
        with self._lock:
            self._calls.clear()

    def rule_for(self, method: str, port: int, path: str) -> Rule | None:
        """The first rule that takes a request."""
        with self._lock:
            for rule in self._rules:
                if rule.takes(method, port, path):
                    return rule
        return None

    def note(self, call: Call) -> None:
        """Record a call."""
        with self._lock:
            self._calls.append(call)


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no error of the proxy's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *arguments: object) -> None:
        """The test asks for the calls; nothing is printed."""

    def _handle(self) -> None:
        proxy = self.server.proxy
        url = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        rule = proxy.rule_for(self.command, url.port or 80, url.path)
        status, answered = 0, True
        try:
            if rule is None:
                status = self._pass_on(url, sent)
            elif rule.harm is Harm.ANSWER:
                status = rule.status
                self._answer(status, list(rule.headers.items()), rule.body)
            else:
                answered = False
                if rule.harm is Harm.DROP_ANSWER:
                    self._ask(url, sent)
                elif rule.harm is Harm.HANG:
                    rule.over.wait()
                elif rule.harm is Harm.LATE:
                    threading.Timer(
                        rule.delay, self._carry_out, (url, sent)
                    ).start()
        finally:
            proxy.note(
                Call(self.command, url.port or 80, url.path, url.query, status)
            )
        if not answered:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _handle

    def _ask(
        self, url: urllib.parse.SplitResult, sent: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(
            url.hostname or "", url.port, timeout=120
        )
        target = url.path + (f"?{url.query}" if url.query else "")
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("proxy-connection", "connection")
        }
        try:
            connection.request(self.command, target, sent or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _carry_out(self, url: urllib.parse.SplitResult, sent: bytes) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._ask(url, sent)

    def _pass_on(self, url: urllib.parse.SplitResult, sent: bytes) -> int:
        try:
            status, headers, body = self._ask(url, sent)
        except OSError:
            # As a proxy would: the client sees a lost connection.
            self.close_connection = True
            return 0
        self._answer(status, headers, body)
        return status

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in (
                "transfer-encoding",
                "connection",
                "content-length",
            ):
                self.send_header(name, value)
        if status != http.HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
