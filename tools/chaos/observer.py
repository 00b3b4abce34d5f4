# SPDX-License-Identifier: Apache-2.0
"""What must be true, whatever goes wrong.

The observer has its own way to the database and to Cinder, which no fault
stands in. Where one of them is away it looks again later.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pymysql
import requests
from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions as sdk_exceptions

from staffeln.tests.servers.mariadb import MariaDB
from tools.chaos import world

Row = dict[str, Any]

AWAY = (
    pymysql.Error,
    requests.RequestException,
    keystone_exceptions.ClientException,
    sdk_exceptions.SDKException,
)

_LIVE = "('planned', 'claimed', 'starting', 'running')"
_HELD = "('claimed', 'starting', 'running')"
_LOST = frozenset({"unwanted", "deleting", "vanished"})
_TASK = "staffeln_task"
_ATTEMPT = "staffeln_attempt"
_LINES_SHOWN = 12
_UNEXPECTED = re.compile(
    r"Traceback \(most recent call last\)|unexpected error"
    # At a start without a database, which is tried again, that is right.
    r"|CRITICAL(?!.*The conductor cannot start: the database)"
)


@dataclasses.dataclass(frozen=True)
class Violation:
    """Something that must not be."""

    sort: str
    words: str


class Observer:
    """Looks at a world again and again."""

    def __init__(self, here: world.World) -> None:
        self._here = here
        self._rows: dict[str, str] = {}
        """States of the rows of backups at the last look, by id."""
        self._logs_read: dict[str, int] = {}
        self._told: set[Violation] = set()
        self.looks = 0
        self.missed = 0
        """Looks at which something was away."""
        self.most_running = 0
        found = self._query("SELECT uuid FROM deployment")
        self.deployment = str(found[0]["uuid"])

    def look(self) -> list[Violation]:
        """Violations that were not there at an earlier look."""
        self.looks += 1
        found = self._processes()
        for part in (self._tasks, self._terms, self._cinder):
            try:
                found += part()
            except AWAY:
                self.missed += 1
        new = [each for each in found if each not in self._told]
        self._told.update(new)
        return new

    # -- processes ---------------------------------------------------------

    def _processes(self) -> list[Violation]:
        found = []
        for each in self._here.conductors:
            if each.died:
                found.append(Violation("a conductor ended", each.name))
            log = each.log()
            new = log[self._logs_read.get(each.name, 0) :]
            self._logs_read[each.name] = len(log)
            for match in _UNEXPECTED.finditer(new):
                lines = new[max(0, match.start() - 200) :].splitlines()[1:]
                words = " ".join(" ".join(lines[:_LINES_SHOWN]).split())
                found.append(
                    Violation("an unexpected error", f"{each.name}: {words}")
                )
        return found

    # -- the database ------------------------------------------------------

    def _tasks(self) -> list[Violation]:
        found = self._query(
            "SELECT volume_id, COUNT(*) AS number FROM tasks "
            f"WHERE kind = 'backup' AND state IN {_LIVE} "
            "GROUP BY volume_id HAVING COUNT(*) > 1"
        )
        return [
            Violation("two live tasks for a volume", row["volume_id"])
            for row in found
        ]

    def _terms(self) -> list[Violation]:
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

    # -- Cinder ------------------------------------------------------------

    def _cinder(self) -> list[Violation]:
        # In this order: whatever Cinder shows was in a row before, or is
        # about to be; whatever has no row any more is looked for afterwards.
        before = self._backup_rows()
        found = self._lost_rows(before)
        busy = [
            each
            for each in self._here.sandbox.backups(status="creating")
            if self._is_ours(each)
        ]
        self.most_running = max(self.most_running, len(busy))
        if len(busy) > world.LIMIT:
            found.append(
                Violation(
                    "more run than the limit",
                    f"{len(busy)} at {datetime.datetime.now(datetime.UTC)}",
                )
            )
        shown = self.ours()
        return found + self._made_twice(shown, self._backup_rows())

    def _made_twice(
        self, shown: Sequence[Row], rows: dict[str, str]
    ) -> list[Violation]:
        attempts: Counter[tuple[str, str]] = Counter()
        good: Counter[str] = Counter()
        for each in shown:
            task = each["metadata"][_TASK]
            attempts[task, each["metadata"][_ATTEMPT]] += 1
            if (
                each["status"] in ("creating", "available", "restoring")
                and rows.get(each["id"]) not in _LOST
            ):
                good[task] += 1
        return [
            *(
                Violation(
                    "two backups for an attempt", f"task {task}, attempt {n}"
                )
                for (task, n), count in attempts.items()
                if count > 1
            ),
            *(
                Violation("two backups for a task", f"task {task}")
                for task, count in good.items()
                if count > 1
            ),
        ]

    def _lost_rows(self, now: dict[str, str]) -> list[Violation]:
        """Rows that went, or vanished, while Cinder has the backup."""
        gone = [
            backup_id
            for backup_id, state in self._rows.items()
            if state != "vanished"
            and now.get(backup_id, "vanished") == "vanished"
        ]
        found = []
        for backup_id in gone:
            answer = self._here.sandbox.admin.block_storage.get(
                f"/backups/{backup_id}", microversion="3.64"
            )
            if answer.status_code == 200:
                status = answer.json()["backup"]["status"]
                if status != "deleting":
                    found.append(
                        Violation(
                            "a row was lost",
                            f"backup {backup_id} is {status} in Cinder, and "
                            f"{now.get(backup_id, 'no row')} here",
                        )
                    )
        self._rows = now
        return found

    def ours(self) -> list[Row]:
        """Backups in Cinder that this deployment made."""
        return [
            each
            for each in self._here.sandbox.backups()
            if self._is_ours(each)
        ]

    def _is_ours(self, backup: Row) -> bool:
        metadata = backup.get("metadata") or {}
        return metadata.get("staffeln_deployment") == self.deployment

    def _backup_rows(self) -> dict[str, str]:
        return {
            row["id"]: row["state"]
            for row in self._query("SELECT id, state FROM backups")
        }

    # -- when all is quiet -------------------------------------------------

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

    def unsettled(self) -> list[Violation]:
        """What has to be in order once nothing goes wrong any more."""
        rows = self._backup_rows()
        unsettled = {
            row["id"]
            for row in self._query(
                f"SELECT id FROM tasks WHERE unsettled AND state IN {_HELD}"
            )
        }
        found = [
            Violation(
                "a backup without a row",
                f"{each['id']}, {each['status']}, of task "
                f"{each['metadata'][_TASK]}",
            )
            for each in self.ours()
            if each["id"] not in rows
            and each["metadata"][_TASK] not in unsettled
        ]
        # A row that came in between is one all the same.
        rows = self._backup_rows()
        found = [each for each in found if each.words[:36] not in rows]
        found += [
            Violation(
                "a task of the dead",
                f"task {row['id']} is {row['state']}, held by "
                f"{row['claimed_by']}",
            )
            for row in self._query(
                "SELECT tasks.id, state, claimed_by FROM tasks LEFT JOIN "
                "conductors ON conductors.id = claimed_by "
                f"WHERE state IN {_HELD} AND conductors.id IS NULL"
            )
        ]
        return found

    def counts(self, query: str) -> dict[str, int]:
        """A name and a number of each row."""
        return {
            str(row["name"]): int(row["number"]) for row in self._query(query)
        }

    def _query(self, text: str, *values: object) -> list[Row]:
        return query(self._here.mariadb, text, *values)


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
