# SPDX-License-Identifier: Apache-2.0
"""What must be true of the database, whatever goes wrong.

Asked on a way of its own, which no fault stands in.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Collection, Sequence
from typing import Any

import pymysql

from staffeln.tests.servers.mariadb import MariaDB
from tools.chaos import settings, world

Row = dict[str, Any]

LIVE = "('planned', 'claimed', 'starting', 'running')"
HELD = "('claimed', 'starting', 'running')"
HELD_BY_THE_DEAD_FOR = 60.0
"""Seconds for which the living may leave tasks with the dead: a round of
theirs may hang in a call."""


@dataclasses.dataclass(frozen=True)
class Violation:
    """Something that must not be."""

    sort: str
    words: str


class Lasting:
    """What may be for a while, and must not last."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since: dict[str, float] = {}

    def too_long(self, now_seen: Collection[str]) -> list[str]:
        """Those that were seen at every look for longer than the limit."""
        now = time.monotonic()
        self._since = {each: self._since.get(each, now) for each in now_seen}
        return [
            each
            for each, since in self._since.items()
            if now - since > self._limit
        ]


class Database:
    """The run's database."""

    def __init__(self, server: MariaDB) -> None:
        self._server = server
        self._left_behind = Lasting(HELD_BY_THE_DEAD_FOR)

    def deployment(self) -> str:
        """The deployment's uuid."""
        (row,) = self._query("SELECT uuid FROM deployment")
        return str(row["uuid"])

    # -- what must not be --------------------------------------------------

    def live_twice(self) -> list[Violation]:
        """Volumes that two tasks would back up."""
        found = self._query(
            "SELECT volume_id, COUNT(*) AS number FROM tasks "
            f"WHERE kind = 'backup' AND state IN {LIVE} "
            "GROUP BY volume_id HAVING COUNT(*) > 1"
        )
        return [
            Violation("two live tasks for a volume", row["volume_id"])
            for row in found
        ]

    def left_to_the_dead(self) -> list[Violation]:
        """Tasks of silent conductors that no living one takes over."""
        heard = {
            row["id"]: row["silence"] < settings.SILENCE
            for row in self._query(
                "SELECT id, TIMESTAMPDIFF(SECOND, heartbeat_at, "
                "UTC_TIMESTAMP(6)) AS silence FROM conductors"
            )
        }
        left = {
            row["id"]: row["claimed_by"]
            for row in self._query(
                f"SELECT id, claimed_by FROM tasks WHERE state IN {HELD}"
            )
            if not heard.get(row["claimed_by"]) and any(heard.values())
        }
        return [
            Violation(
                "a task of the dead",
                f"task {each} is held by {left[each]}, which is silent",
            )
            for each in self._left_behind.too_long(left)
        ]

    def held_by_nobody(self) -> list[Violation]:
        """Tasks whose conductor is gone; in the end there is none."""
        return [
            Violation(
                "a task of the dead",
                f"task {row['id']} is {row['state']}, held by "
                f"{row['claimed_by']}",
            )
            for row in self._query(
                "SELECT tasks.id, state, claimed_by FROM tasks LEFT JOIN "
                "conductors ON conductors.id = claimed_by "
                f"WHERE state IN {HELD} AND conductors.id IS NULL"
            )
        ]

    def terms(self) -> list[Violation]:
        """Events of schedulers, in the order in which they were written.

        A transaction of a term holds the fence from its first statement, so
        the numbers of its events come before those of any later term.
        """
        holders = {
            row["term"]: row["conductor_id"]
            for row in self._query(
                "SELECT term, conductor_id FROM scheduler_terms"
            )
        }
        found = []
        last = 0
        for row in self._query(
            "SELECT id, task_id, term, conductor_id FROM task_events "
            "WHERE term IS NOT NULL ORDER BY id"
        ):
            if row["term"] < last:
                found.append(
                    Violation(
                        "two terms write at once",
                        f"event {row['id']} of task {row['task_id']}: term "
                        f"{row['term']} wrote after term {last} had",
                    )
                )
            last = max(last, row["term"])
            if holders.get(row["term"]) != row["conductor_id"]:
                found.append(
                    Violation(
                        "a scheduler writes in a term of another",
                        f"event {row['id']} of conductor "
                        f"{row['conductor_id']}, term {row['term']}",
                    )
                )
        return found

    # -- what is there -----------------------------------------------------

    def backup_rows(self) -> dict[str, str]:
        """States of all rows of backups, by id."""
        return {
            row["id"]: row["state"]
            for row in self._query("SELECT id, state FROM backups")
        }

    def now(self) -> datetime.datetime:
        """The database's clock."""
        (row,) = self._query("SELECT UTC_TIMESTAMP(6) AS now")
        found: datetime.datetime = row["now"]
        return found

    def unprotected(
        self, volumes: Sequence[str], since: datetime.datetime
    ) -> list[str]:
        """Volumes without a good backup made since then."""
        good = {
            row["volume_id"]
            for row in self._query(
                "SELECT DISTINCT volume_id FROM backups "
                "WHERE state = 'available' AND created_at >= %s",
                since,
            )
        }
        return [each for each in volumes if each not in good]

    def unsettled_tasks(self) -> set[str]:
        """Tasks of which an attempt is still being looked for."""
        return {
            row["id"]
            for row in self._query(
                f"SELECT id FROM tasks WHERE unsettled AND state IN {HELD}"
            )
        }

    def counts(self, query: str) -> dict[str, int]:
        """A name and a number of each row."""
        return {
            str(row["name"]): int(row["number"]) for row in self._query(query)
        }

    def _query(self, text: str, *values: object) -> list[Row]:
        return query(self._server, text, *values)


def query(server: MariaDB, text: str, *values: object) -> list[Row]:
    """Ask the run's database."""
    connection = pymysql.connect(
        host="127.0.0.1",
        port=server.port,
        user="root",
        database=world.DATABASE,
        connect_timeout=5,
        read_timeout=20,
        cursorclass=pymysql.cursors.DictCursor,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(text, values or None)
            return list(cursor.fetchall())
    finally:
        connection.close()
