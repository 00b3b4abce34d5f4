# SPDX-License-Identifier: Apache-2.0
"""The call after each complete cycle, and what may go wrong with it."""

from __future__ import annotations

import http.server
import queue
import socket
import threading

from staffeln.notify.heartbeat import Heartbeat
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

LIMIT = 60


class Switch(http.server.ThreadingHTTPServer):
    """The other side: it notes calls, and answers as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_address[1]}/geheim"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Switch

    def do_GET(self) -> None:
        self.server.calls.put((self.path, self.headers.get("Authorization")))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class HeartbeatTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.switch = Switch()
        thread = threading.Thread(target=self.switch.serve_forever)
        thread.start()
        self.addCleanup(self.switch.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.switch.shutdown)
        self.counted: queue.Queue[bool] = queue.Queue()

    def start(self, url: str, timeout: float = LIMIT) -> Heartbeat:
        made = Heartbeat(url, self.counted.put, timeout)
        made.start()
        self.addCleanup(made.stop)
        return made

    def test_only_a_complete_cycle_calls(self) -> None:
        made = self.start(self.switch.url)
        made.cycle_ended(samples.cycle(complete=False))
        made.cycle_ended(samples.cycle(complete=True))
        self.assertTrue(self.counted.get(timeout=LIMIT))
        self.assertEqual(("/geheim", None), self.switch.calls.get_nowait())
        self.assertTrue(self.switch.calls.empty())

    def test_a_user_in_the_url_logs_in(self) -> None:
        made = self.start(
            self.switch.url.replace("//", "//Aladdin:open%20sesame@")
        )
        made.cycle_ended(samples.cycle())
        self.assertTrue(self.counted.get(timeout=LIMIT))
        self.assertEqual(
            ("/geheim", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            self.switch.calls.get_nowait(),
        )

    def test_an_answer_that_is_no_yes(self) -> None:
        made = self.start(self.switch.url)
        for status in (302, 404, 500):
            self.switch.status = status
            made.cycle_ended(samples.cycle())
            self.assertFalse(self.counted.get(timeout=LIMIT))
            self.assertIn(f"it answered {status}", self.log.output)
            self.switch.calls.get_nowait()
        self.assertTrue(self.switch.calls.empty())
        self.assertNotIn("geheim", self.log.output)

    def test_nobody_there(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            made = self.start(f"http://u:geheim@127.0.0.1:{port}/geheim")
            made.cycle_ended(samples.cycle())
            self.assertFalse(self.counted.get(timeout=LIMIT))
        self.assertIn(
            f"the call of http://127.0.0.1:{port} after a complete cycle "
            "failed: Connection refused",
            self.log.output,
        )
        self.assertNotIn("geheim", self.log.output)

    def test_somebody_who_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            made = self.start(f"http://127.0.0.1:{port}/geheim", 0.05)
            made.cycle_ended(samples.cycle())
            self.assertFalse(self.counted.get(timeout=LIMIT))
        self.assertIn("timed out", self.log.output)
        self.assertNotIn("geheim", self.log.output)
