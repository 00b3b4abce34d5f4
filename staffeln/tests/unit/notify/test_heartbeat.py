# SPDX-License-Identifier: Apache-2.0
"""The call after each complete cycle, and what may go wrong with it."""

from __future__ import annotations

import queue
import socket

from staffeln.notify.heartbeat import Heartbeat
from staffeln.tests import base
from staffeln.tests.servers.switch import Switch
from staffeln.tests.unit.domain import samples

LIMIT = 60


class HeartbeatTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.switch = self.useFixture(Switch())
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
