# SPDX-License-Identifier: Apache-2.0
"""GET /metrics of a conductor: it gets its port when it can."""

from __future__ import annotations

import socket
import threading

import requests

from staffeln.metrics.exporter import MOST_AT_ONCE, Exporter
from staffeln.tests import base

LIMIT = 60


class ExporterTest(base.TestCase):
    def start(self, port: int = 0, host: str = "127.0.0.1") -> Exporter:
        made = Exporter(host, port, lambda: b"all 1\n", pause=0.01)
        made.start()
        self.addCleanup(made.stop)
        return made

    def get(self, port: int, path: str = "/metrics") -> requests.Response:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=LIMIT)

    def test_it_answers_one_path_only(self) -> None:
        made = self.start()
        self.assertTrue(made.listening.wait(LIMIT))
        answer = self.get(made.port)
        self.assertEqual(b"all 1\n", answer.content)
        self.assertIn("text/plain", answer.headers["Content-Type"])
        self.assertEqual(404, self.get(made.port, "/").status_code)

    def test_a_failure_is_logged_and_said(self) -> None:
        made = Exporter("127.0.0.1", 0, lambda: bytes(str(1 // 0), "ascii"))
        made.start()
        self.addCleanup(made.stop)
        self.assertTrue(made.listening.wait(LIMIT))
        self.assertEqual(500, self.get(made.port).status_code)
        self.assertIn("Metrics cannot be told", self.log.output)

    def test_a_port_that_is_taken_is_waited_for(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            made = self.start(port)
            self.assertFalse(made.listening.wait(0.05))
        self.assertTrue(made.listening.wait(LIMIT))
        self.assertEqual(b"all 1\n", self.get(port).content)
        self.assertIn(
            f"[metrics] host, port: cannot listen on 127.0.0.1:{port}",
            self.log.output,
        )

    def test_the_next_process_has_the_port_at_once(self) -> None:
        first = self.start()
        self.assertTrue(first.listening.wait(LIMIT))
        port = first.port
        self.get(port)
        first.stop()
        second = self.start(port)
        self.assertTrue(second.listening.wait(LIMIT))
        self.assertEqual(b"all 1\n", self.get(port).content)
        self.assertNotIn("cannot listen", self.log.output)

    def test_it_ends_without_ever_having_had_the_port(self) -> None:
        made = self.start(host="192.0.2.1")
        made.stop()
        self.assertFalse(made.listening.is_set())

    def test_clients_that_say_nothing_do_not_pile_up(self) -> None:
        made = self.start()
        self.assertTrue(made.listening.wait(LIMIT))
        silent = [
            socket.create_connection(("127.0.0.1", made.port))
            for _ in range(MOST_AT_ONCE)
        ]
        for each in silent:
            self.addCleanup(each.close)
        with socket.create_connection(("127.0.0.1", made.port)) as surplus:
            surplus.settimeout(LIMIT)
            self.assertEqual(b"", surplus.recv(1))

    def test_clients_that_drip_keep_no_place(self) -> None:
        made = Exporter("127.0.0.1", 0, lambda: b"all 1\n", longest=0.1)
        made.start()
        self.addCleanup(made.stop)
        self.assertTrue(made.listening.wait(LIMIT))
        slow = [
            socket.create_connection(("127.0.0.1", made.port))
            for _ in range(MOST_AT_ONCE)
        ]
        pause = threading.Event()
        for each in slow:
            self.addCleanup(each.close)
            with self.assertRaises(OSError):
                for _ in range(2000):
                    each.sendall(b"G")
                    pause.wait(0.01)
        self.assertEqual(b"all 1\n", self.answered(made.port))

    def answered(self, port: int) -> bytes:
        """What it says once a place is given back."""
        pause = threading.Event()
        for _ in range(1000):
            try:
                return self.get(port).content
            except requests.ConnectionError:
                pause.wait(0.01)
        raise AssertionError("no place is given back")
