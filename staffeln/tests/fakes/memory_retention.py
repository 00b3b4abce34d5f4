# SPDX-License-Identifier: Apache-2.0
"""What retention and reconciliation read and write, in memory."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from staffeln.domain import model, task
from staffeln.tests.fakes import memory_state

_GOVERNED = (
    "retention",
    "retention_known",
    "retention_valid",
    "kept_for",
    "grace",
    "expires_at",
)
"""What governs a backup: of a row that is there only a plan writes it."""


class MemoryRetention(memory_state.MemoryState):
    """The part of the store that retention is about."""

    # -- what governs ------------------------------------------------------

    def governances(self, after: str, limit: int) -> list[model.Governance]:
        with self._lock:
            kinds = {row.governance for row in self._backups.values()}
        volumes = sorted(
            {each.volume_id for each in kinds if each.volume_id > after}
        )[:limit]
        return sorted(
            (each for each in kinds if each.volume_id in volumes),
            key=lambda each: each.volume_id,
        )

    def shortened(
        self, after: tuple[str, str], limit: int
    ) -> list[tuple[str, str]]:
        with self._lock:
            pairs = {
                (row.grace, row.volume_id)
                for row in self._backups.values()
                if row.grace
            }
        return sorted(each for each in pairs if each > after)[:limit]

    def backups_of_volumes(
        self, volume_ids: Collection[str]
    ) -> dict[str, list[model.Backup]]:
        found: dict[str, list[model.Backup]] = {}
        for row in self._rows():
            if row.volume_id in volume_ids:
                found.setdefault(row.volume_id, []).append(row)
        return found

    def _govern(self, backups: Iterable[model.Backup]) -> None:
        for backup in backups:
            row = self._backups.get(backup.id)
            if row is not None:
                self._backups[row.id] = dataclasses.replace(
                    row, updated_at=self.now(), **_governing(backup)
                )

    # -- what is due -------------------------------------------------------

    def expired_volumes(
        self, now: datetime.datetime, at_once: int
    ) -> Iterator[list[str]]:
        due = sorted(
            (row.expires_at, row.id, row.volume_id)
            for row in self._rows(model.BackupState.AVAILABLE)
            if row.expires_at is not None and row.expires_at <= now
        )
        for start in range(0, len(due), at_once):
            page = due[start : start + at_once]
            yield list({volume_id for *_, volume_id in page})

    def count_expired(self, now: datetime.datetime) -> int:
        return sum(
            row.expires_at is not None and row.expires_at <= now
            for row in self._rows(model.BackupState.AVAILABLE)
        )

    def undated(
        self, created_before: datetime.datetime, after: str, limit: int
    ) -> list[model.Backup]:
        found = [
            row
            for row in self._rows(model.BackupState.AVAILABLE)
            if row.expires_at is None
            and not row.retention_known
            and row.created_at <= created_before
            and row.id > after
        ]
        return sorted(found, key=lambda row: row.id)[:limit]

    def missing(self, since_before: datetime.datetime) -> list[model.Backup]:
        return [
            row
            for row in self._rows(model.BackupState.AVAILABLE)
            if row.missing_since is not None
            and row.missing_since <= since_before
        ]

    def broken(
        self, after: model.Backup | None, limit: int
    ) -> list[model.Backup]:
        found = sorted(
            (row.broken_since, row.id, row)
            for row in self._rows(model.BackupState.AVAILABLE)
            if row.broken_since is not None
        )
        if after is not None and after.broken_since is not None:
            last = (after.broken_since, after.id)
            found = [each for each in found if each[:2] > last]
        return [row for _, _, row in found[:limit]]

    def count_managed(self) -> int:
        return sum(
            row.state is not model.BackupState.VANISHED for row in self._rows()
        )

    def live_tasks(self, slots: Collection[str]) -> list[task.Task]:
        with self._lock:
            return [
                work
                for work in self._tasks.values()
                if work.state in task.LIVE and work.slot in slots
            ]

    # -- what waits for what -----------------------------------------------

    def _release(self, gone: str) -> int:
        """Let deletes go on that waited for a backup; how many."""
        waiting = [
            work for work in self._tasks.values() if work.waits_for == gone
        ]
        for work in waiting:
            self._tasks[work.id] = dataclasses.replace(work, waits_for=None)
        return len(waiting)

    def expiring_volumes(self, limit: int | None = None) -> list[str]:
        found = {
            work.volume_id
            for work in self._planned_deletes()
            if work.cause is task.Cause.EXPIRED
        }
        return sorted(found)[:limit]

    def refused_deletes(self, limit: int) -> list[task.Task]:
        found = [work for work in self._planned_deletes() if work.attempt]
        found.sort(key=lambda work: (work.created_at, work.id))
        return found[:limit]

    def _planned_deletes(self) -> list[task.Task]:
        return [
            work
            for work in self._tasks.values()
            if work.kind is task.Kind.DELETE
            and work.state is task.State.PLANNED
        ]

    def release_waiting(self) -> int:
        with self._lock:
            there = {
                row.id
                for row in self._rows()
                if row.state is not model.BackupState.VANISHED
            }
            waited_for = {work.waits_for for work in self._tasks.values()}
            return sum(
                self._release(each)
                for each in waited_for
                if each is not None and each not in there
            )

    # -- rows that come and go ---------------------------------------------

    def _note_vanished(self, backups: Sequence[model.Backup]) -> None:
        for backup in backups:
            row = self._backups.get(backup.id)
            if row is None or (row.state, row.missing_since) != (
                backup.state,
                backup.missing_since,
            ):
                continue
            self._backups[row.id] = dataclasses.replace(
                row,
                state=model.BackupState.VANISHED,
                reason="Cinder does not know it any more",
                updated_at=self.now(),
            )
            self._release(row.id)

    def _note_returned(self, backups: Sequence[model.Backup]) -> None:
        for backup in backups:
            row = self._backups.get(backup.id)
            if row is None or row.state is not model.BackupState.VANISHED:
                continue
            self._backups[row.id] = dataclasses.replace(
                row,
                state=model.BackupState.AVAILABLE,
                missing_since=None,
                broken_since=None,
                reason=model.RETURNED,
                updated_at=self.now(),
            )

    def forget_vanished(
        self, term: int, missing_before: datetime.datetime
    ) -> int:
        with self._lock:
            self._fence(term)
            old = [
                row.id
                for row in self._rows(model.BackupState.VANISHED)
                if row.missing_since is not None
                and row.missing_since <= missing_before
            ]
            for backup_id in old:
                del self._backups[backup_id]
            return len(old)

    def made_between(
        self,
        first: datetime.datetime,
        last: datetime.datetime,
        after: model.Backup | None,
        limit: int,
    ) -> list[model.Backup]:
        found = [
            row
            for row in self._rows()
            if first < row.created_at <= last
            and (after is None or _place(row) < _place(after))
        ]
        found.sort(key=_place, reverse=True)
        return found[:limit]

    def reconciled_at(self) -> datetime.datetime | None:
        return self._reconciled_at

    def note_reconciled(self, term: int, when: datetime.datetime) -> None:
        with self._lock:
            self._fence(term)
            self._reconciled_at = when

    def _put(self, backup: model.Backup, now: datetime.datetime) -> None:
        """Insert a row, or bring all of it up to date but what governs it."""
        row = self._backups.get(backup.id)
        kept = {} if row is None else _governing(row)
        self._backups[backup.id] = dataclasses.replace(
            backup, **{**kept, "updated_at": now}
        )

    # -- the breaker -------------------------------------------------------

    def breaker(self) -> model.Breaker | None:
        return self._breaker

    def trip_breaker(
        self, term: int, would: int, total: int, seen: model.Breaker | None
    ) -> None:
        with self._lock:
            self._fence(term)
            before = self._breaker
            if before and before.confirmed_at != (seen and seen.confirmed_at):
                return
            self._breaker = model.Breaker(
                tripped_at=before.tripped_at if before else self.now(),
                would=would,
                total=total,
            )

    def reset_breaker(self, term: int) -> None:
        with self._lock:
            self._fence(term)
            self._breaker = None

    def confirm_breaker(self) -> model.Breaker | None:
        with self._lock:
            if self._breaker is not None:
                self._breaker = dataclasses.replace(
                    self._breaker, confirmed_at=self.now()
                )
            return self._breaker

    def _rows(
        self, state: model.BackupState | None = None
    ) -> list[model.Backup]:
        with self._lock:
            return [
                row
                for row in self._backups.values()
                if state in (None, row.state)
            ]


def _governing(backup: model.Backup) -> dict[str, Any]:
    return {name: getattr(backup, name) for name in _GOVERNED}


def _place(row: model.Backup) -> tuple[datetime.datetime, str]:
    """In the order of when backups were made."""
    return row.created_at, row.id
