# SPDX-License-Identifier: Apache-2.0
"""What the kernel does with a socket that takes nobody any more."""

from __future__ import annotations

import socket

from staffeln.api import sockets
from staffeln.tests import base
from staffeln.tests.servers import process


class LastMomentsTest(base.TestCase):
    """Who has connected is served; who begins to is dropped, not reset."""

    def setUp(self) -> None:
        super().setUp()
        port = process.free_port()
        self.listener = sockets.Listener(
            sockets.Address("127.0.0.1", port, "host, port", secure=False)
        )
        self.listener.patience = 5.0
        self.addCleanup(self.listener.close)
        self.where = ("127.0.0.1", port)

    def test_who_came_before_is_served(self) -> None:
        with socket.create_connection(self.where, timeout=5) as client:
            self.listener.take_no_newcomers()
            client.sendall(b"asked")
            taken, _ = self.listener.accept()
            with taken:
                taken.settimeout(5)
                self.assertEqual(b"asked", taken.recv(5))
                taken.sendall(b"told")
            self.assertEqual(b"told", client.recv(4))

    def test_nobody_else_gets_a_connection(self) -> None:
        self.listener.take_no_newcomers()
        with self.assertRaises(TimeoutError):
            socket.create_connection(self.where, timeout=0.3)
        with self.assertRaises(BlockingIOError):
            self.listener.accept()
