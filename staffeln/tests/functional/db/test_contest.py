# SPDX-License-Identifier: Apache-2.0
"""Eight processes claim the same tasks, on every database."""

from __future__ import annotations

from staffeln.db import migration
from staffeln.tests.functional.db import contest, databases

TASKS = 400
PROCESSES = 8
LIMITS = contest.Limits(running=60, per_project=6)
"""Eleven projects: where 60 run, at least one of them has its 6."""


class ContestCase(databases.DatabaseCase):
    """``new_urls`` says which database: more than one are its nodes."""

    def new_urls(self) -> list[str]:
        """URLs of one new empty database."""
        return [self.new_url()]

    def check(self) -> None:
        """Each task is claimed once, and never are there too many."""
        urls = self.new_urls()
        migration.create_schema(self.connect(urls[0]))
        outcome = contest.hold(urls, TASKS, PROCESSES, LIMITS)
        self.assertEqual((), outcome.problems)
        self.assertEqual(
            (TASKS, 0, 0),
            (outcome.claimed, outcome.claimed_twice, outcome.left),
        )
        self.assertGreater(outcome.looks, 0)
        # As many as are allowed: not fewer, and not more.
        self.assertEqual(LIMITS.running, outcome.most_running)
        self.assertEqual(LIMITS.per_project, outcome.most_of_a_project)


class SqliteContestTest(databases.Sqlite, ContestCase):
    def test_each_task_is_claimed_once_within_the_limits(self) -> None:
        self.check()


class MariaDbContestTest(databases.MariaDb, ContestCase):
    def test_each_task_is_claimed_once_within_the_limits(self) -> None:
        self.check()


class PostgreSqlContestTest(databases.PostgreSql, ContestCase):
    def test_each_task_is_claimed_once_within_the_limits(self) -> None:
        self.check()


class GaleraContestTest(databases.GaleraCluster, ContestCase):
    def test_each_task_is_claimed_once_within_the_limits(self) -> None:
        self.check()
