# SPDX-License-Identifier: Apache-2.0
"""A database that hangs or is away: a no comes within two seconds.

That limit is the promise itself, so here time is measured.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import threading
import time
from collections.abc import Callable

import fixtures
import sqlalchemy as sa

from staffeln.db import check, migration
from staffeln.domain import checking, errors
from staffeln.tests.functional.api import mute
from staffeln.tests.functional.db import databases
from staffeln.tests.servers import process
from staffeln.workflow import requests

LIMIT = 2.0
ID = "11111111-2222-3333-4444-555555555555"


class SilenceCase(databases.DatabaseCase):
    """Each question waits: none is refused because others were in vain."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.fuse.LONGEST_PAUSE", 0)
        )

    def door_to(self, url: str) -> check.SqlLookup:
        door = check.SqlLookup(databases.configuration(url))
        self.addCleanup(door.close)
        return door

    def assert_no_in_time(self, door: check.SqlLookup) -> None:
        began = time.monotonic()
        self.assertRaises(errors.StoreError, door.look, ID, ID)
        self.assertLess(time.monotonic() - began, LIMIT)
        began = time.monotonic()
        answer = requests.DeletionRequests(door, None).may_delete(
            checking.DeletionQuestion(backup_id=ID)
        )
        self.assertLess(time.monotonic() - began, LIMIT)
        self.assertIs(False, answer.allowed)
        self.assertEqual(checking.Doubt.NO_ANSWER, answer.doubt)

    def assert_all_in_time(self, door: check.SqlLookup) -> None:
        """Many threads at once, more than there are connections."""

        def ask() -> float:
            began = time.monotonic()
            with contextlib.suppress(errors.StoreError):
                door.look(ID, None)
                self.fail("it answered")
            return time.monotonic() - began

        self.assertLess(max(self.at_once(32, ask)), LIMIT)

    def at_once(self, count: int, call: Callable[[], float]) -> list[float]:
        with concurrent.futures.ThreadPoolExecutor(count) as threads:
            return [
                each.result()
                for each in [threads.submit(call) for _ in range(count)]
            ]


class NobodyTest(SilenceCase):
    """Servers that are not what they seem."""

    schemes = ("mysql+pymysql", "postgresql+psycopg2")

    def listener(self) -> socket.socket:
        """A port that takes connections and says nothing."""
        found = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(found.close)
        return found

    def url(self, scheme: str, port: int, host: str = "127.0.0.1") -> str:
        return f"{scheme}://u:secret@{host}:{port}/d"

    def test_a_server_that_says_nothing(self) -> None:
        port = self.listener().getsockname()[1]
        for scheme in self.schemes:
            self.assert_no_in_time(self.door_to(self.url(scheme, port)))

    def test_a_crowd_before_a_server_that_says_nothing(self) -> None:
        port = self.listener().getsockname()[1]
        for scheme in self.schemes:
            door = self.door_to(self.url(scheme, port))

            self.assert_all_in_time(door)

    def test_nobody_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        for scheme in self.schemes:
            self.assert_no_in_time(self.door_to(self.url(scheme, port)))

    def test_names_that_nobody_resolves(self) -> None:
        def never(*_: object, **__: object) -> None:
            time.sleep(4)
            raise OSError("no such name")

        self.useFixture(
            fixtures.MonkeyPatch("socket.create_connection", never)
        )
        self.assert_no_in_time(
            self.door_to(self.url("mysql+pymysql", 9, "db.invalid"))
        )

    def test_no_secret_is_told(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        for scheme in self.schemes:
            door = self.door_to(self.url(scheme, port))
            error = self.assertRaises(errors.StoreError, door.look, ID, None)
            self.assertNotIn("secret", str(error))
        self.assertNotIn("secret", self.log.output)


class TricklingServer:
    """Takes connections and sends a byte now and then, for ever.

    What it says is the beginning of a long greeting of MariaDB's: no driver
    finds anything wrong with it.
    """

    def __init__(self) -> None:
        self._open = [socket.create_server(("127.0.0.1", 0), backlog=64)]
        self.port: int = self._open[0].getsockname()[1]
        self._over = threading.Event()
        self._start(self._accept)

    def close(self) -> None:
        self._over.set()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=run, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._open[0].accept()
                self._open.append(client)
                self._start(self._trickle, client)

    def _trickle(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client.sendall(b"\xff\xff\x00\x00\x0a")
            while not self._over.wait(0.2):
                client.sendall(b"1")


class TricklingGreetingTest(SilenceCase):
    def test_no_thread_is_lost_to_it(self) -> None:
        server = TricklingServer()
        self.addCleanup(server.close)
        door = self.door_to(f"mysql+pymysql://u:p@127.0.0.1:{server.port}/d")
        for _ in range(2):
            self.assert_no_in_time(door)
            self.assert_all_in_time(door)
        process.await_true(
            lambda: (
                not [
                    each
                    for each in threading.enumerate()
                    if each.name.endswith("(_run)")
                ]
            ),
            "a thread still waits for a greeting",
        )


class SilentHostCase(SilenceCase):
    """A server that was there, is not heard of any more, and comes back."""

    def new_url(self) -> str:
        raise NotImplementedError

    def prove(self) -> None:
        url = self.new_url()
        database = self.connect(url)
        migration.create_schema(database)
        database.close()
        found = sa.make_url(url)
        assert found.port is not None
        way = mute.Mute(found.port)
        self.addCleanup(way.close)
        door = self.door_to(
            found.set(port=way.port).render_as_string(hide_password=False)
        )
        self.assertIsNone(door.look(ID, ID).backup_state)
        way.silence()
        self.assert_no_in_time(door)
        self.assert_all_in_time(door)
        way.speak()
        self.assertIsNone(door.look(ID, ID).backup_state)
        way.trickle()
        self.assert_no_in_time(door)
        self.assert_all_in_time(door)
        way.speak()
        self.assertIsNone(door.look(ID, ID).backup_state)


class MariaDbSilenceTest(databases.MariaDb, SilentHostCase):
    def test_it(self) -> None:
        self.prove()


class PostgreSqlSilenceTest(databases.PostgreSql, SilentHostCase):
    def test_it(self) -> None:
        self.prove()
