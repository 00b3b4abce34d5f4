# SPDX-License-Identifier: Apache-2.0
"""A server behind the database's address that speaks something else."""

from __future__ import annotations

import contextlib
import socket
import threading

import fixtures

from staffeln.db import check
from staffeln.domain import checking, errors
from staffeln.tests.functional.db import databases
from staffeln.workflow import requests

ID = "11111111-2222-3333-4444-555555555555"

GREETING = (
    b"\x4a\0\0\0\x0a8.0.1\0\1\0\0\0abcdefgh\0\xff\xf7\x08\2\0\x0f\x80\x15"
    b"\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0"
)
"""As a server of MySQL begins."""

GARBAGE = (
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\1\0\0\0\xff",
    b"\1\0\0\0\x0a",
    b"\5\0\0\0\x0a\xff\0\1\2",
    b"\0\0\0\0",
    GREETING,
    GREETING + b"\1\0\0\2\xff",
    GREETING + b"\1\0\0\2\xfe",
    GREETING + b"\1\0\0\2\xfb",
    GREETING + b"\7\0\0\2\0\0\0\2\0\0\0" + b"\2\0\0\1\xfc\1" * 4,
    GREETING + b"\7\0\0\2\0\0\0\2\0\0\0" + b"\xff" * 300,
    b"N",
    b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\5I" + b"T\0\0\0\6\xff\xff",
    b"E\0\0\0\5\0",
    b"S" + b"\xff" * 300,
)


class GarbageTest(databases.DatabaseCase):
    def setUp(self) -> None:
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.fuse.LONGEST_PAUSE", 0)
        )
        self.said = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.addCleanup(self.listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self.speak, daemon=True).start()

    def speak(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with contextlib.suppress(OSError), client:
                    client.sendall(self.said)
                    client.shutdown(socket.SHUT_WR)
                    client.settimeout(0.2)
                    while client.recv(4096):
                        pass

    def test_it_is_no_answer(self) -> None:
        port = self.listener.getsockname()[1]
        for scheme in ("mysql", "postgresql"):
            url = f"{scheme}://u:s3cret@127.0.0.1:{port}/d"
            door = check.SqlLookup(databases.configuration(url))
            self.addCleanup(door.close)
            for self.said in GARBAGE:
                self.assertRaises(errors.StoreError, door.look, ID, None)
                self.assertEqual(
                    [str(checking.Doubt.NO_ANSWER)],
                    requests.Readiness(door, None).ready(),
                )
        self.assertNotIn("Traceback", self.log.output)
