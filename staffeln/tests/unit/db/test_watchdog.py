# SPDX-License-Identifier: Apache-2.0
"""What takes too long is ended, and nothing else."""

from __future__ import annotations

import concurrent.futures
import os
import socket
import ssl

import fixtures

from staffeln.db import watchdog
from staffeln.tests import base, certificates

LIMIT = 60
"""Seconds for what another thread does, on a busy machine."""


class WatchdogTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = 0.0
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)
        self.ours.settimeout(LIMIT)

    def test_a_read_ends(self) -> None:
        dog = watchdog.Watchdog()
        with dog.limit(0.0, lambda: self.ours):
            self.assertEqual(b"", self.ours.recv(1))

    def test_one_that_has_no_socket_yet_is_looked_at_again(self) -> None:
        dog = watchdog.Watchdog()
        found = [None, None, self.ours]
        with dog.limit(
            0.0, lambda: found.pop(0) if len(found) > 1 else found[0]
        ):
            self.assertEqual(b"", self.ours.recv(1))

    def test_the_thread_is_woken(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.watchdog._IDLE_TICKS", 0)
        )
        self.useFixture(fixtures.MonkeyPatch("staffeln.db.watchdog.TICK", 0))
        dog = watchdog.Watchdog()
        for _ in range(3):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.settimeout(LIMIT)
                with dog.limit(0.0, lambda ours=ours: ours):  # type: ignore[misc]
                    self.assertEqual(b"", ours.recv(1))

    def test_nothing_is_ended_before_its_time_or_after_it(self) -> None:
        dog = watchdog.Watchdog(lambda: self.clock)
        with dog.limit(1.0, lambda: self.ours):
            self.clock = 0.9
            dog.look()
        self.clock = 2.0
        dog.look()
        self.theirs.sendall(b"x")
        self.assertEqual(b"x", self.ours.recv(1))

    def test_a_connection_without_a_socket(self) -> None:
        self.assertIsNone(watchdog.socket_of(object()))
        self.assertIsNone(watchdog.socket_of(None))

    def test_a_socket_that_is_closed_already(self) -> None:
        dog = watchdog.Watchdog(lambda: self.clock)
        self.ours.close()
        with dog.limit(0.0, lambda: self.ours):
            dog.look()

    def test_a_child_has_a_thread_of_its_own(self) -> None:
        dog = watchdog.Watchdog()
        with dog.limit(0.0, lambda: self.ours):
            self.assertEqual(b"", self.ours.recv(1))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ours, _theirs = socket.socketpair()
                ours.settimeout(LIMIT)
                with dog.limit(0.0, lambda: ours):
                    status = len(ours.recv(1))
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        self.assertEqual(0, status)

    def test_tls(self) -> None:
        authority = certificates.Authority(self.home, "ca")
        certificate, key = authority.sign("server")
        there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        there.load_cert_chain(certificate, key)
        here = ssl.create_default_context(cafile=str(authority.file))
        self.theirs.settimeout(LIMIT)
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            server = threads.submit(
                there.wrap_socket, self.theirs, server_side=True
            )
            ours = here.wrap_socket(self.ours, server_hostname="127.0.0.1")
            self.addCleanup(server.result().close)
        with ours, watchdog.Watchdog().limit(0.0, lambda: ours):
            self.assertEqual(b"", self.read_on(ours))

    def read_on(self, ours: ssl.SSLSocket) -> bytes:
        """As a driver reads; an end without a farewell is one as well."""
        try:
            return ours.recv(1)
        except ssl.SSLEOFError:
            return b""
