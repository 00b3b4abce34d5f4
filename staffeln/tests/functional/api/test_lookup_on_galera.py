# SPDX-License-Identifier: Apache-2.0
"""A node of a Galera cluster that is late says yes to nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa

from staffeln.db import check, migration, remembered, rows, seen
from staffeln.db.store import SqlStore
from staffeln.domain import checking
from staffeln.tests.functional.api import live
from staffeln.tests.functional.db import databases
from staffeln.tests.servers import galera, mariadb, process
from staffeln.workflow import requests

ID = "11111111-2222-3333-4444-555555555555"


class LateNodeTest(databases.GaleraCluster):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = galera.shared()
        self.urls = self.new_urls()
        self.database = self.connect(self.urls[0])
        migration.create_schema(self.database)
        self.store = SqlStore(self.database)
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.update(rows.DEPLOYMENT).values(
                    auth_url="http://k", user_id=live.USER
                )
            )
        self.store.take_office("c1")
        self.cluster.catch_up()
        # As two connections by a load balancer, that have one memory.
        memory = remembered.Remembered(seen.SeenFile(self.home / seen.FILE))
        self.first, self.second = (
            requests.DeletionRequests(self.door(url), memory)
            for url in self.urls[:2]
        )

    def door(self, url: str) -> check.SqlLookup:
        found = check.SqlLookup(databases.configuration(url))
        self.addCleanup(found.close)
        return found

    @contextlib.contextmanager
    def late(self, node: int) -> Iterator[None]:
        """A node takes nothing of what the others write, and is read."""
        with mariadb.connect(self.cluster.nodes[node].port, None) as link:
            link.cursor().execute("FLUSH TABLES WITH READ LOCK")
            try:
                yield
            finally:
                link.cursor().execute("UNLOCK TABLES")

    def ask(
        self, requests_: requests.DeletionRequests
    ) -> tuple[bool, checking.Doubt | None]:
        answer = requests_.may_delete(checking.DeletionQuestion(backup_id=ID))
        return answer.allowed, answer.doubt

    def test_it_is_believed_again_when_it_has_caught_up(self) -> None:
        self.assertEqual((True, None), self.ask(self.first))
        self.assertEqual((True, None), self.ask(self.second))
        with self.late(1):
            self.store.take_office("c2")
            self.assertEqual((True, None), self.ask(self.first))
            self.assertEqual(
                (False, checking.Doubt.EXCHANGED), self.ask(self.second)
            )
            self.assertEqual((True, None), self.ask(self.first))
        self.cluster.catch_up()
        self.assertEqual((True, None), self.ask(self.second))
        self.assertEqual((True, None), self.ask(self.first))

    def test_one_that_has_to_wait_for_the_others_does_not_for_long(
        self,
    ) -> None:
        """With ``mysql_wsrep_sync_wait`` a late node does not answer."""
        waiting = check.SqlLookup(
            databases.configuration(
                self.urls[1], mysql_wsrep_sync_wait=databases.SYNC_WAIT
            )
        )
        self.addCleanup(waiting.close)
        door = requests.DeletionRequests(waiting, None)

        def await_yes() -> None:
            """All nodes say how far they are, which takes its time."""
            process.await_true(
                lambda: self.ask(door) == (True, None), "no yes any more"
            )

        await_yes()
        with self.late(1):
            self.store.take_office("c2")
            self.assertEqual((False, checking.Doubt.NO_ANSWER), self.ask(door))
        await_yes()
