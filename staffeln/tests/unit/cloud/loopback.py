# SPDX-License-Identifier: Apache-2.0
"""A Keystone, a Cinder and a Nova on loopback that answer as they are told.

Real sockets, so that what breaks on a real wire breaks here.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import http.server
import json
import socket
import struct
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

import fixtures

from staffeln.cloud import openstack, settings

SERVICE_PROJECT = "5e" * 16
USER = "0f" * 16
PASSWORD = "correct horse"


@dataclasses.dataclass
class Reply:
    """What is answered: JSON, or text as it stands."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    reset: bool = False
    """No answer: the connection is reset once the request was read."""
    undated: bool = False
    """Without a Date header."""
    silent: bool = False
    """No answer: the connection stays open and nothing comes."""


@dataclasses.dataclass
class Request:
    """A request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


Answer = Reply | Callable[[Request], Reply]


def fault(name: str, status: int, words: str, **headers: str) -> Reply:
    """A fault in the form of Cinder and Nova."""
    return Reply(
        status,
        {name: {"message": words, "code": status}},
        {"x-openstack-request-id": "req-1", **headers},
    )


class LoopbackCloud(fixtures.Fixture):
    """Starts and stops the services.

    ``replies`` maps ``(method, path)`` (Cinder's and Keystone's below /v3,
    Nova's below /v2.1) to answers, given one after the other; the last one
    stays. ``identity`` is the path of Keystone in the catalogue, None leaves
    it out.
    """

    def _setUp(self) -> None:
        self.requests: list[Request] = []
        self.replies: dict[tuple[str, str], list[Answer]] = {}
        self.password = PASSWORD
        self.projects: set[str] = {SERVICE_PROJECT}
        self.token_lifetime = datetime.timedelta(hours=1)
        self.tokens: collections.Counter[str] = collections.Counter()
        self.token_replies: list[Reply] = []
        self.regions = ["RegionOne"]
        self.in_project = False
        self.identity: str | None = "/v3"
        self.extra: dict[str, Any] = {}
        self.versions = {"cinder": "3.71", "nova": "2.96"}
        self.release = threading.Event()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"cloud": self})
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), handler
        )
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.release.set)

    def credentials(self, **changes: Any) -> settings.Credentials:
        """Those of the service user."""
        auth = {
            "auth_url": f"{self.url}/v3",
            "username": "staffeln",
            "password": PASSWORD,
            "user_domain_name": "Default",
            "project_name": "service",
            "project_domain_name": "Default",
        }
        values = {"auth_type": "password", "auth": auth, "source": "a test"}
        return settings.Credentials(**{**values, **changes})

    def settings(self, **changes: Any) -> settings.CloudSettings:
        """Settings that repeat nothing unless told to."""
        values = {
            "credentials": self.credentials(),
            "retry_timeout": 0,
            "page_size": 2,
            "connect_timeout": 5,
            "read_timeout": 5,
        }
        return settings.CloudSettings(**{**values, **changes})

    def cloud(
        self, clock: Any = None, **changes: Any
    ) -> openstack.OpenStackCloud:
        """The adapter under test."""
        more = {"clock": clock, "wait": clock.wait} if clock else {}
        return openstack.OpenStackCloud(self.settings(**changes), **more)

    def reply(self, method: str, path: str, *answers: Answer) -> None:
        """Say what to answer."""
        self.replies[method, path] = list(answers)

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests of that kind."""
        return [
            request
            for request in self.requests
            if request.method == method and request.path.endswith(path)
        ]

    # -- answering ---------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """Find the answer to a request."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/v3/auth/tokens":
                return self._token(request)
            if request.path == "/v3":
                return self._keystone_version()
            if request.path == "/volume/v3/":
                return self._version("v3.0", self.versions["cinder"])
            if request.path == "/compute/v2.1/":
                return self._version("v2.1", self.versions["nova"])
            for base in ("/volume/v3", "/compute/v2.1", "/v3"):
                if request.path.startswith(base):
                    below = request.path[len(base) :]
                    return self._scripted(request, below)
            return Reply(404, "nothing here")

    def _scripted(self, request: Request, below: str) -> Reply:
        if self.in_project and below.startswith("/"):
            project, _, rest = below[1:].partition("/")
            if project in self.projects:
                below = f"/{rest}"
        answers = self.replies.get((request.method, below))
        if not answers:
            return Reply(404, "no such page", {"Content-Type": "text/plain"})
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return found(request) if callable(found) else found

    def _keystone_version(self) -> Reply:
        return Reply(
            body={
                "version": {
                    "id": "v3.14",
                    "status": "stable",
                    "links": [{"rel": "self", "href": f"{self.url}/v3/"}],
                }
            }
        )

    def _version(self, name: str, newest: str) -> Reply:
        return Reply(
            body={"versions": [{"id": name, "version": newest}]},
        )

    def _token(self, request: Request) -> Reply:
        auth = request.body["auth"]
        scope = auth.get("scope", {}).get("project", {})
        project = scope.get("id") or SERVICE_PROJECT
        self.tokens[project] += 1
        if self.token_replies:
            return self.token_replies.pop(0)
        user = auth["identity"]["password"]["user"]
        if user["password"] != self.password or project not in self.projects:
            words = "The request you have made requires authentication."
            return Reply(401, {"error": {"message": words, "code": 401}})
        now = datetime.datetime.now(datetime.UTC)
        return Reply(
            201,
            {
                "token": {
                    "methods": ["password"],
                    "user": {"id": USER, "name": "staffeln", "domain": {}},
                    "project": {"id": project, "name": "p", "domain": {}},
                    "expires_at": (now + self.token_lifetime).isoformat(),
                    "issued_at": now.isoformat(),
                    "catalog": self._catalogue(project),
                    **self.extra,
                }
            },
            {"X-Subject-Token": f"token-{project}-{self.tokens[project]}"},
        )

    def _catalogue(self, project: str) -> list[dict[str, Any]]:
        tail = f"/{project}" if self.in_project else ""
        urls = {
            "volumev3": f"{self.url}/volume/v3{tail}",
            "compute": f"{self.url}/compute/v2.1",
        }
        if self.identity is not None:
            urls["identity"] = self.url + self.identity
        return [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [
                    {
                        "id": f"{kind}-{region}",
                        "interface": "public",
                        "region": region,
                        "region_id": region,
                        "url": url,
                    }
                    for region in self.regions
                ],
            }
            for kind, url in urls.items()
        ]


class _Handler(http.server.BaseHTTPRequestHandler):
    cloud: LoopbackCloud
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        parts = urllib.parse.urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(urllib.parse.parse_qsl(parts.query)),
            headers={k.lower(): v for k, v in self.headers.items()},
            body=json.loads(content) if content else None,
        )
        reply = self.cloud.answer(request)
        if reply.reset or reply.silent:
            self._do_not_answer(reply)
            return
        body = reply.body
        kind = "application/json"
        if isinstance(body, str):
            kind = "text/html"
            content = body.encode()
        else:
            content = json.dumps(body).encode() if body is not None else b""
        self.send_response_only(reply.status)
        headers = {"Content-Type": kind, **reply.headers}
        if not reply.undated:
            headers.setdefault("Date", self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _do_not_answer(self, reply: Reply) -> None:
        if reply.silent:
            self.cloud.release.wait(30)
        self.close_connection = True
        # Linger for zero seconds: the peer sees a reset.
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )

    do_GET = do_POST = do_DELETE = _serve


class SteppedClock:
    """A monotonic clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.stopping = False

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        """Let the time pass at once."""
        self.waits.append(seconds)
        self.now += seconds
        return self.stopping
