# SPDX-License-Identifier: Apache-2.0
"""The database is away for a while, and comes back, under load.

What an operator does in an upgrade of it, and a host that stands still. The
limit of an answer's time is the promise itself, so here it is measured.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import http.client
import threading
import time
import uuid
from collections.abc import Callable, Iterator

from staffeln.tests import base
from staffeln.tests.functional.api import live
from staffeln.tests.servers import mariadb, postgresql

AWAY = 3.0
"""Seconds for which it is away."""
CLIENTS = 24
"""More than the threads that answer them."""
PAUSE = 0.02
"""Seconds between two questions of a client."""
LIMIT = 2.0
SLACK = 1.0
"""Seconds, for a busy machine with all of these clients on it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What a client was told, when, and after how long."""

    at: float
    took: float
    words: str
    """The kind of backup and the answer."""


class Crowd:
    """Clients that keep their connections, and note every answer."""

    def __init__(self, api: live.Api, managed: str) -> None:
        self._api = api
        self._managed = managed
        self._over = threading.Event()
        self.told: list[Told] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Ask for as long as the block lasts."""
        threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(live.LIMIT)

    def since(self, begin: float, words: str) -> list[Told]:
        """What was told to questions that were asked after a moment."""
        return [
            each
            for each in list(self.told)
            if each.words == words and each.at >= begin
        ]

    def _ask(self) -> None:
        connection = self._api.connection()
        while not self._over.wait(PAUSE):
            is_managed = bool(uuid.uuid4().int % 2)
            asked = self._managed if is_managed else str(uuid.uuid4())
            at = time.monotonic()
            try:
                answer = live.check_on(connection, asked)
            except (OSError, http.client.HTTPException) as error:
                answer = f"lost: {error!r}"
                connection.close()
            kind = "managed" if is_managed else "other"
            took = time.monotonic() - at
            self.told.append(Told(at, took, f"{kind} {answer}"))
        connection.close()


class OutageCase(base.TestCase):
    server: mariadb.MariaDB | postgresql.PostgreSQL

    def prove(self) -> None:
        """Both kinds of outage, one after the other."""
        self.addCleanup(self.server.stop)
        self.api = live.Api(self.home, self.server.create("outage"))
        self.addCleanup(self.api.kill)
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        workers = set(self.api.workers())
        self.crowd = Crowd(self.api, managed)
        with self.crowd.running():
            self.wait_for_both()
            self.interrupt("stopped", self.server.end, self.server.start)
            self.interrupt("frozen", self.server.freeze, self.server.thaw)
        self.assertEqual(workers, set(self.api.workers()))
        answers = collections.Counter(each.words for each in self.crowd.told)
        self.assertEqual(
            {"managed False", "other False", "other True"}, set(answers)
        )
        slowest = max(each.took for each in self.crowd.told)
        self.assertLess(slowest, LIMIT + SLACK)

    def interrupt(
        self,
        how: str,
        leave: Callable[[], None],
        come_back: Callable[[], None],
    ) -> None:
        """Let it be away for a while, and wait until all is right again."""
        leave()
        try:
            gone = time.monotonic()
            threading.Event().wait(AWAY)
            self.assertEqual([], self.crowd.since(gone, "other True"), how)
            self.assertNotEqual([], self.crowd.since(gone, "other False"), how)
        finally:
            come_back()
        self.report(how, gone, self.wait_for_both())

    def wait_for_both(self) -> float:
        """Return seconds until managed and other ones are told apart."""
        began = time.monotonic()
        self.api.wait_until(
            lambda: (
                self.crowd.since(began, "other True")
                and self.crowd.since(began, "managed False")
            ),
            "right answers",
        )
        return time.monotonic() - began

    def report(self, how: str, gone: float, healed: float) -> None:
        """Figures of one outage, for whoever measures."""


class MariaDbOutageTest(OutageCase):
    def test_it(self) -> None:
        self.server = mariadb.MariaDB()
        self.prove()


class PostgreSqlOutageTest(OutageCase):
    def test_it(self) -> None:
        self.server = postgresql.PostgreSQL()
        self.prove()
