# SPDX-License-Identifier: Apache-2.0
"""Transactions on a Galera cluster: conflicts of nodes, and nodes lost."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Callable
from typing import Any

import fixtures
import sqlalchemy as sa

from staffeln.db import rows, session, urls
from staffeln.domain import errors
from staffeln.tests.functional.db import (
    counting,
    databases,
    transaction_suite,
)
from staffeln.tests.servers import galera

TIMES = 30
SILENCE = 5
"""Seconds; more than the cluster takes to go on without a node."""


class GaleraTransactionTest(
    databases.GaleraCluster, transaction_suite.TransactionCase
):
    def setUp(self) -> None:
        super().setUp()
        self.cluster = galera.shared()

    def new_url(self) -> str:
        self.urls = self.new_urls()
        return self.urls[0]

    def balanced(self, **query: str) -> session.Database:
        """Connected to the second node; new connections go to the first.

        As a load balancer does that sees that the second one is lost.
        """
        url = urls.normalised(self.urls[1]).update_query_dict(query)
        database = self.connect(url.render_as_string(hide_password=False))
        port = urls.normalised(self.urls[0]).port

        @sa.event.listens_for(database.engine, "do_connect")
        def _connect(*arguments: Any) -> None:
            arguments[3]["port"] = port

        return database

    def disturbed(
        self, disturb: Callable[[], object]
    ) -> tuple[Callable[[sa.Connection], None], list[str]]:
        """Counting that is disturbed once, in the middle of a transaction."""
        runs: list[str] = []

        def work(connection: sa.Connection) -> None:
            runs.append("")
            counting.count_one(connection)
            if len(runs) == 1:
                disturb()
            counting.count_one(connection)

        return work, runs

    # -- conflicts -----------------------------------------------------------

    def test_a_transaction_that_another_node_overtook_is_run_again(
        self,
    ) -> None:
        """The commit is what fails: until then nobody tells."""
        other = self.connect(self.urls[1])
        runs: list[str] = []

        def work(connection: sa.Connection) -> None:
            runs.append("")
            counting.count_one(connection)
            if len(runs) == 1:
                other.write(counting.count_one)

        self.database.write(work)
        self.assertEqual((2, 2), (len(runs), self.count()))

    def test_counts_on_all_nodes_at_once_are_all_there(self) -> None:
        nodes = [self.connect(url) for url in self.urls * 2]

        def add_one(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(rows.TERM).values(seq=rows.TERM.c.seq + 1)
            )

        def run(node: session.Database) -> int:
            done = 0
            while done < TIMES:
                # Whoever always comes too late has written nothing.
                with contextlib.suppress(session.OutrunError):
                    node.write(add_one)
                    done += 1
            return done

        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as threads:
            done = sum(threads.map(run, nodes))
        self.assertEqual(done, self.count())

    def test_losing_every_time_is_told_apart(self) -> None:
        other = self.connect(self.urls[1])

        def work(connection: sa.Connection) -> None:
            counting.count_one(connection)
            other.write(counting.count_one)

        error = self.assertRaises(
            session.OutrunError, self.database.write, work
        )
        self.assertEqual(1, len(str(error).splitlines()))
        self.assertEqual(session.MOST_TRIES, self.count())

    # -- nodes that are not there --------------------------------------------

    def test_a_node_that_is_not_ready_is_tried_again(self) -> None:
        first = self.cluster.nodes[0]
        self.addCleanup(first.refuse, refuses=False)
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            if not seconds:
                return  # oslo.db's, at the end of each connection
            pauses.append(seconds)
            if len(pauses) == 3:
                first.refuse(refuses=False)

        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.session.time.sleep", pause)
        )
        first.refuse()
        self.database.write(counting.count_one)
        self.assertEqual((3, 1), (len(pauses), self.count()))
        first.refuse()
        error = self.assertRaises(
            errors.StoreError, self.database.write, counting.count_one
        )
        self.assertIn("1047", str(error))
        self.assertEqual(1, len(str(error).splitlines()))

    def test_a_node_that_is_not_ready_is_left_for_another(self) -> None:
        second = self.cluster.nodes[1]
        self.addCleanup(second.refuse, refuses=False)
        database = self.balanced()
        work, runs = self.disturbed(second.refuse)
        database.write(work)
        self.assertEqual((2, 2), (len(runs), self.count()))

    def test_a_node_that_dies_in_a_transaction_is_no_loss(self) -> None:
        self.addCleanup(self.cluster.mend)
        database = self.balanced()
        work, runs = self.disturbed(self.cluster.nodes[1].kill)
        database.write(work)
        self.assertEqual((2, 2), (len(runs), self.count()))

    def test_a_node_that_stands_still_is_no_loss(self) -> None:
        self.addCleanup(self.cluster.mend)
        database = self.balanced(read_timeout=str(SILENCE))
        work, runs = self.disturbed(self.cluster.nodes[1].freeze)
        database.write(work)
        self.assertEqual((2, 2), (len(runs), self.count()))

    def test_a_commit_without_the_other_nodes_is_told(self) -> None:
        """They may have got it: it is not run again."""
        self.addCleanup(self.cluster.mend)
        runs: list[str] = []

        def work(connection: sa.Connection) -> None:
            runs.append("")
            counting.count_one(connection)
            for node in self.cluster.nodes[1:]:
                node.freeze()

        error = self.assertRaises(errors.StoreError, self.database.write, work)
        self.assertIn("went away during a commit", str(error))
        self.assertEqual(1, len(runs))
        self.cluster.mend()
        self.assertIn(self.count(), (0, 1))

    # -- the fence -----------------------------------------------------------

    def test_a_scheduler_overtaken_on_another_node_writes_nothing(
        self,
    ) -> None:
        """Its node may not know yet that another term has begun."""
        other = self.connect(self.urls[1])
        runs: list[str] = []

        def work(connection: sa.Connection) -> int:
            runs.append("")
            found = connection.execute(
                sa.update(rows.TERM)
                .where(rows.TERM.c.term == 0)
                .values(seq=rows.TERM.c.seq + 1)
            ).rowcount
            if len(runs) == 1:
                self.assertEqual(1, found)
                other.write(
                    lambda there: there.execute(
                        sa.update(rows.TERM).values(term=1)
                    )
                )
            return found

        self.assertEqual(0, self.database.write(work))
        self.assertEqual(0, self.count())
