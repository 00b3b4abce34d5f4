# SPDX-License-Identifier: Apache-2.0
"""What must be true, whatever goes wrong.

The observer has its own way to the database and to Cinder, which no fault
stands in. Where one of them is away it looks again later.
"""

from __future__ import annotations

import datetime
import pathlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import pymysql
import requests
from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions as sdk_exceptions

from tools.chaos import settings, world
from tools.chaos.conductor import Conductor
from tools.chaos.database import Database, Lasting, Row, Violation

AWAY = (
    pymysql.Error,
    requests.RequestException,
    keystone_exceptions.ClientException,
    sdk_exceptions.SDKException,
)

_LOST = frozenset({"unwanted", "deleting", "vanished"})
_TASK = "staffeln_task"
_ATTEMPT = "staffeln_attempt"
_LINES_SHOWN = 12
_TIME = len("2026-01-31 00:00:00.000")
_UNEXPECTED = re.compile(
    r"Traceback \(most recent call last\)|unexpected error"
    # A worker process that ended by itself; its parent starts another one.
    r"|Child \d+ (killed by|exited with status [1-9])"
    # At a start without a database, which is tried again, that is right.
    r"|CRITICAL(?!.*The conductor cannot start: the database)"
)

ORPHAN_FOR = 45.0
"""Seconds for which a backup may be in Cinder without a row: its conductor
may stand still between Cinder's answer and its recording."""
ALL_OF_CINDER_EVERY = 3
"""Looks; a list of all backups takes Cinder longer and longer."""


class Observer:
    """Looks at a world again and again."""

    def __init__(self, here: world.World, database: Database) -> None:
        self._here = here
        self._database = database
        self._rows: dict[str, str] = {}
        """States of the rows of backups at the last look, by id."""
        self._logs_read: Counter[pathlib.Path] = Counter()
        """Bytes of each log."""
        self._told: set[Violation] = set()
        self._orphans = Lasting(ORPHAN_FOR)
        self.looks = 0
        self.missed = 0
        """Looks at which something was away."""
        self.most_running = 0
        self.deployment = database.deployment()

    def look(self) -> list[Violation]:
        """Violations that were not there at an earlier look."""
        self.looks += 1
        found = self._processes()
        parts = [
            self._database.live_twice,
            self._database.left_to_the_dead,
            self._database.terms,
            self._cinder,
        ]
        if self.looks % ALL_OF_CINDER_EVERY == 1:
            parts.append(self._all_of_cinder)
        for part in parts:
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
            found += [
                Violation(
                    "a conductor did not end well", f"{each.name}: {how}"
                )
                for how in each.bad_ends
            ]
            found += [
                Violation("an unexpected error", f"{each.name}: {words}")
                for words in self._unexpected(each)
            ]
        return found

    def _unexpected(self, conductor: Conductor) -> Iterator[str]:
        """What the conductor's logs have that they should not, since then."""
        for path in conductor.logs:
            if not path.exists():
                continue
            with path.open("rb") as log:
                log.seek(self._logs_read[path])
                new, end, _rest = log.read().rpartition(b"\n")
            self._logs_read[path] += len(new) + len(end)
            lines = new.decode(errors="replace").splitlines()
            told = ""
            for number, line in enumerate(lines):
                # One error has many lines, all of the same moment.
                moment = line[:_TIME]
                if moment != told and _UNEXPECTED.search(line):
                    told = moment
                    shown = lines[max(0, number - 1) : number + _LINES_SHOWN]
                    yield " ".join(" ".join(shown).split())

    # -- Cinder ------------------------------------------------------------

    def _cinder(self) -> list[Violation]:
        # In this order: whatever Cinder shows was in a row before, or is
        # about to be; whatever has no row any more is looked for afterwards.
        before = self._database.backup_rows()
        found = self._lost_rows(before)
        busy = [
            each
            for each in self._here.sandbox.backups(status="creating")
            if self._is_ours(each)
        ]
        self.most_running = max(self.most_running, len(busy))
        if len(busy) > settings.LIMIT:
            found.append(
                Violation(
                    "more run than the limit",
                    f"{len(busy)} at {datetime.datetime.now(datetime.UTC)}",
                )
            )
        return found

    def _all_of_cinder(self) -> list[Violation]:
        shown = self.ours()
        # A list may be stale by now: both are asked after it.
        unsettled = self._database.unsettled_tasks()
        rows = self._database.backup_rows()
        orphans = {
            each["id"]: each["metadata"][_TASK]
            for each in shown
            if each["id"] not in rows
            and each["metadata"][_TASK] not in unsettled
        }
        return [
            *self._made_twice(shown, rows),
            *(
                Violation(
                    "a backup without a row", f"{each} of task {orphans[each]}"
                )
                for each in self._orphans.too_long(orphans)
            ),
        ]

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

    # -- when all is quiet -------------------------------------------------

    def unsettled(self) -> list[Violation]:
        """What has to be in order once nothing goes wrong any more."""
        shown = self.ours()
        unsettled = self._database.unsettled_tasks()
        rows = self._database.backup_rows()
        found = [
            Violation(
                "a backup without a row",
                f"{each['id']}, {each['status']}, of task "
                f"{each['metadata'][_TASK]}",
            )
            for each in shown
            if each["id"] not in rows
            and each["metadata"][_TASK] not in unsettled
        ]
        found += self._made_twice(shown, rows)
        return found + self._database.held_by_nobody()
