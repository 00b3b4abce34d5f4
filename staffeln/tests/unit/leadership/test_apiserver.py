# SPDX-License-Identifier: Apache-2.0
"""Answers that no API server gives, but what stands before one does."""

import http.server
import json
import threading
from typing import Any

import yaml

from staffeln.domain import errors
from staffeln.leadership.lease import Lease
from staffeln.leadership.settings import Settings
from staffeln.tests import base

TOKEN = "geheimnis"
PAGE = b"<html><body>\n<h1>Not here</h1>\n</body></html>"
LEASE = {
    "kind": "Lease",
    "metadata": {"name": "x", "uid": "1", "resourceVersion": "1"},
}


class _Server(http.server.ThreadingHTTPServer):
    """Answers everything alike."""

    daemon_threads = True
    status = 200
    body = b""
    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[str] = []
        self.released = threading.Event()
        self.hangs = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who did not wait for the answer is gone."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def _answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.hangs:
            self.server.released.wait()
        self.send_response(self.server.status)
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_PUT = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""


class AnswersTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = _Server()
        self.addCleanup(self.server.server_close)
        thread = threading.Thread(
            target=self.server.serve_forever, args=(0.01,)
        )
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.server.released.set)
        self.host = f"127.0.0.1:{self.server.server_port}"
        kubeconfig = self.home / "kubeconfig"
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "c",
                    "contexts": [
                        {"name": "c", "context": {"cluster": "c", "user": "u"}}
                    ],
                    "clusters": [
                        {
                            "name": "c",
                            "cluster": {"server": f"http://{self.host}"},
                        }
                    ],
                    "users": [{"name": "u", "user": {"token": TOKEN}}],
                }
            )
        )
        self.lease = Lease(Settings(kubeconfig=str(kubeconfig)), "me")
        self.addCleanup(self.lease.close)

    def answer(
        self,
        status: int,
        body: bytes | dict[str, Any],
        **headers: str,
    ) -> None:
        self.server.status = status
        self.server.headers = tuple(headers.items())
        self.server.body = (
            body if isinstance(body, bytes) else json.dumps(body).encode()
        )

    def refuse(self, status: int, reason: str, **details: str) -> None:
        self.answer(
            status,
            {
                "kind": "Status",
                "status": "Failure",
                "message": f"because\nof {reason}",
                "reason": reason,
                "details": details,
                "code": status,
            },
        )

    def said(self, kind: type[errors.StaffelnError]) -> str:
        """One line that names what was asked, and no token."""
        text = str(self.assertRaises(kind, self.lease.acquire, 5.0))
        self.assertTrue(
            text.startswith(
                f"Kubernetes at {self.host}, get lease staffeln-scheduler in "
                "namespace default: "
            ),
            text,
        )
        self.assertEqual(1, len(text.splitlines()))
        self.assertNotIn(TOKEN, text)
        return text

    def test_pages_of_others_are_no_answer(self) -> None:
        for status in (200, 401, 403, 404, 409, 429, 500, 502, 503, 504):
            with self.subTest(status):
                self.answer(status, PAGE, **{"Content-Type": "text/html"})
                self.said(errors.CoordinationError)

    def test_other_json_is_no_answer(self) -> None:
        for body in (
            {},
            {"kind": "Pod"},
            {"kind": "Lease"},
            {"kind": "Lease", "metadata": {"uid": "1"}},
            {"kind": "Lease", "metadata": {"uid": 1, "resourceVersion": 2}},
            b"[]",
            b"",
            b"\xff\xfe",
        ):
            with self.subTest(body):
                self.answer(200, body)
                self.said(errors.CoordinationError)

    def test_refusals_that_stay(self) -> None:
        for status, reason in (
            (400, "BadRequest"),
            (401, "Unauthorized"),
            (403, "Forbidden"),
            (405, "MethodNotAllowed"),
            (422, "Invalid"),
        ):
            with self.subTest(status):
                self.refuse(status, reason)
                text = self.said(errors.ConfigurationError)
                self.assertIn(f"HTTP {status}", text)

    def test_refusals_that_may_heal(self) -> None:
        for status, reason in (
            (408, "Timeout"),
            (429, "TooManyRequests"),
            (500, "InternalError"),
            (503, "ServiceUnavailable"),
            (504, "Timeout"),
        ):
            with self.subTest(status):
                self.refuse(status, reason)
                text = self.said(errors.CoordinationError)
                self.assertIn(f"HTTP {status}: because of {reason}", text)

    def test_missing_is_the_lease_or_something_else(self) -> None:
        self.refuse(404, "NotFound", kind="leases")
        self.lease.probe(5.0)
        self.refuse(404, "NotFound", kind="namespaces")
        self.said(errors.ConfigurationError)

    def test_each_call_is_sent_once(self) -> None:
        for status in (429, 503):
            self.server.requests.clear()
            self.answer(status, PAGE, **{"Retry-After": "1"})
            self.said(errors.CoordinationError)
            self.assertEqual(1, len(self.server.requests))

    def test_a_redirection_is_not_followed(self) -> None:
        self.answer(307, b"", Location=f"http://{self.host}/elsewhere")
        self.assertIn("307", self.said(errors.CoordinationError))
        self.assertEqual(1, len(self.server.requests))

    def test_a_server_that_hangs(self) -> None:
        self.server.hangs = True
        error = self.assertRaises(
            errors.CoordinationError, self.lease.probe, 0.1
        )
        self.assertIn("no answer within 0.1 s", str(error))
        self.assertEqual(1, len(self.server.requests))

    def test_no_time_is_still_one_short_call(self) -> None:
        self.server.hangs = True
        self.assertRaises(errors.CoordinationError, self.lease.probe, -3.0)
        self.assertEqual(1, len(self.server.requests))

    def test_a_long_message_is_cut(self) -> None:
        self.answer(500, {"kind": "Status", "message": "x" * 5000})
        self.assertLess(len(self.said(errors.CoordinationError)), 500)

    def test_a_write_that_is_answered_by_another_page(self) -> None:
        self.answer(200, LEASE)
        self.assertTrue(self.lease.acquire(5.0))
        self.answer(200, PAGE)
        self.assertRaises(errors.CoordinationError, self.lease.renew, 5.0)
        self.assertRaises(errors.CoordinationError, self.lease.release, 5.0)

    def test_a_lease_that_always_changes(self) -> None:
        self.answer(200, LEASE)
        self.assertTrue(self.lease.acquire(5.0))
        self.refuse(409, "Conflict")
        self.assertRaises(errors.CoordinationError, self.lease.renew, 5.0)

    def test_rights_that_are_taken_away(self) -> None:
        self.answer(200, LEASE)
        self.assertTrue(self.lease.acquire(5.0))
        self.refuse(403, "Forbidden")
        error = self.assertRaises(
            errors.ConfigurationError, self.lease.renew, 5.0
        )
        self.assertIn("update lease staffeln-scheduler", str(error))
        # Who gives back at the end is not kept by it.
        self.assertRaises(errors.CoordinationError, self.lease.release, 5.0)
        self.lease.release(5.0)
