# SPDX-License-Identifier: Apache-2.0
"""The part of the store on SQL that retention is about."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from functools import partial

from staffeln.db import breaker, governing, retention
from staffeln.db.connected import Connected
from staffeln.domain import model, task


class RetentionStore(Connected):
    """What retention and reconciliation ask and note."""

    def governances(self, after: str, limit: int) -> list[model.Governance]:
        """What governs the backups of the next volumes."""
        return self._read(
            partial(governing.governances, after=after, limit=limit)
        )

    def shortened(
        self, after: tuple[str, str], limit: int
    ) -> list[tuple[str, str]]:
        """Graces, and volumes with a backup that waits for one."""
        return self._read(
            partial(governing.shortened, after=after, limit=limit)
        )

    def backups_of_volumes(
        self, volume_ids: Collection[str]
    ) -> dict[str, list[model.Backup]]:
        """All rows of these volumes."""
        return self._read(partial(retention.of_volumes, volume_ids=volume_ids))

    def expired_volumes(
        self, now: datetime.datetime, at_once: int
    ) -> Iterator[list[str]]:
        """Volumes with expired backups, a transaction per page."""
        last: retention.Place | None = None
        while True:
            found, last = self._read(
                partial(
                    retention.expired_volumes,
                    now=now,
                    after=last,
                    at_once=at_once,
                )
            )
            if found:
                yield found
            if last is None:
                return

    def count_expired(self, now: datetime.datetime) -> int:
        """How many available backups' expiry has come."""
        return self._read(partial(retention.count_expired, now=now))

    def undated(
        self, created_before: datetime.datetime, after: str, limit: int
    ) -> list[model.Backup]:
        """Available backups of servers that were never read, a page."""
        return self._read(
            partial(
                retention.undated,
                created_before=created_before,
                after=after,
                limit=limit,
            )
        )

    def missing(self, since_before: datetime.datetime) -> list[model.Backup]:
        """Available rows for which Cinder answered 404 before that."""
        return self._read(
            partial(retention.missing, since_before=since_before)
        )

    def broken(
        self, after: model.Backup | None, limit: int
    ) -> list[model.Backup]:
        """Available backups that Cinder shows broken."""
        return self._read(partial(retention.broken, after=after, limit=limit))

    def count_managed(self) -> int:
        """How many managed backups there are."""
        return self._read(retention.count_managed)

    def live_tasks(self, slots: Collection[str]) -> list[task.Task]:
        """The live tasks that hold these slots."""
        return self._read(partial(retention.live_tasks, slots=slots))

    def expiring_volumes(self, limit: int | None = None) -> list[str]:
        """Volumes with a planned delete of a backup that expired."""
        return self._read(partial(retention.expiring_volumes, limit=limit))

    def refused_deletes(self, limit: int) -> list[task.Task]:
        """Planned deletes that were tried in vain."""
        return self._read(partial(retention.refused_deletes, limit=limit))

    def release_waiting(self) -> int:
        """Let deletes go on whose dependents are gone."""
        if not self._read(retention.waits_in_vain):
            return 0
        return self._write(retention.release_waiting)

    def forget_vanished(
        self, term: int, missing_before: datetime.datetime
    ) -> int:
        """Remove, fenced, rows that are vanished for long."""
        return self._fenced(
            term,
            partial(retention.forget_vanished, missing_before=missing_before),
        )

    def breaker(self) -> model.Breaker | None:
        """The round of retention that waits for a yes."""
        return self._read(breaker.waiting)

    def trip_breaker(
        self, term: int, would: int, total: int, seen: model.Breaker | None
    ) -> None:
        """Note, fenced, that a round did nothing."""
        self._fenced(
            term,
            partial(breaker.trip, would=would, total=total, seen=seen),
        )

    def reset_breaker(self, term: int) -> None:
        """Note, fenced, that no round waits."""
        self._fenced(term, breaker.reset)

    def confirm_breaker(self) -> model.Breaker | None:
        """Agree to the round that waits."""
        return self._write(breaker.confirm)

    def made_between(
        self,
        first: datetime.datetime,
        last: datetime.datetime,
        after: model.Backup | None,
        limit: int,
    ) -> list[model.Backup]:
        """Rows of backups that were made then, newest first."""
        return self._read(
            partial(
                retention.made_between,
                first=first,
                last=last,
                after=after,
                limit=limit,
            )
        )

    def reconciled_at(self) -> datetime.datetime | None:
        """When rows and Cinder were last held against each other."""
        return self._read(retention.reconciled_at)

    def note_reconciled(self, term: int, when: datetime.datetime) -> None:
        """Note, fenced, that they were."""
        self._fenced(term, partial(retention.note_reconciled, when=when))
