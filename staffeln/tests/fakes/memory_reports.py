# SPDX-License-Identifier: Apache-2.0
"""What a store in memory knows of reports, and of how fresh all is."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Iterator
from typing import Any

from staffeln import ports
from staffeln.domain import model, report, task
from staffeln.tests.fakes import memory_retention


class MemoryReports(memory_retention.MemoryRetention):
    """Reports, each with the tasks that it alone tells of."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reports: dict[str, ports.ReportRecord] = {}
        self._told_by: dict[str, str] = {}
        """The report of each task that has one."""
        self._cycle: model.Cycle | None = None
        self._retention_at: datetime.datetime | None = None

    def mark_reported(self, task_id: str) -> None:
        """Say that a task's end was reported."""
        with self._lock:
            self._put_report("told", delivered_at=self.now())
            self._told_by[task_id] = "told"

    def _put_report(self, report_id: str, **changes: Any) -> None:
        known = self._reports.get(report_id) or ports.ReportRecord(
            id=report_id,
            audience=report.Audience.ALL,
            project_id="",
            receiver="",
            created_at=self.now(),
            attempted_at=self.now(),
            attempts=0,
            delivered_at=None,
            purged_at=None,
        )
        self._reports[report_id] = dataclasses.replace(known, **changes)

    def _nobody_was_told_of(self, work: task.Task) -> bool:
        told_by = self._reports.get(self._told_by.get(work.id, ""))
        return told_by is None or told_by.delivered_at is None

    def _unreported(self) -> list[task.Task]:
        return [
            work
            for work in self._tasks.values()
            if work.state in task.ENDED and work.id not in self._told_by
        ]

    def _told_of(self, report_id: str) -> list[task.Task]:
        return sorted(
            (
                self._tasks[task_id]
                for task_id, told_by in self._told_by.items()
                if told_by == report_id
            ),
            key=lambda work: work.id,
        )

    # -- a report's life ---------------------------------------------------

    def due_reports(
        self, now: datetime.datetime, period: datetime.timedelta
    ) -> list[ports.DueReport]:
        old: dict[str, list[task.Task]] = {}
        with self._lock:
            for work in self._unreported():
                if work.created_at <= now - period:
                    old.setdefault(work.project_id, []).append(work)
        due = []
        for project_id, tasks in old.items():
            oldest_at = min(work.created_at for work in tasks)
            ended_at = min(
                (work.finished_at for work in tasks if work.finished_at),
                default=oldest_at,
            )
            due.append(
                ports.DueReport(
                    project_id=project_id,
                    oldest_at=oldest_at,
                    due_at=max(oldest_at + period, ended_at),
                )
            )
        return sorted(due, key=lambda each: (each.oldest_at, each.project_id))

    def open_report(
        self,
        term: int,
        report_id: str,
        audience: report.Audience,
        project_ids: Collection[str],
        now: datetime.datetime,
    ) -> int:
        with self._lock:
            self._fence(term)
            if told := self._told_of(report_id):
                return len(told)
            told = [
                work
                for work in self._unreported()
                if work.project_id in project_ids
            ]
            for work in told:
                self._told_by[work.id] = report_id
            if told:
                (project_id, *others) = project_ids
                self._put_report(
                    report_id,
                    audience=audience,
                    project_id="" if others else project_id,
                    created_at=now,
                    attempted_at=now,
                    attempts=1,
                )
            return len(told)

    def reports_not_done(self) -> list[ports.ReportRecord]:
        with self._lock:
            return sorted(
                (
                    each
                    for each in self._reports.values()
                    if each.purged_at is None
                ),
                key=lambda each: (each.created_at, each.id),
            )

    def attempt_report(
        self, term: int, report_id: str, now: datetime.datetime
    ) -> bool:
        with self._lock:
            self._fence(term)
            if not self._is_undelivered(report_id):
                return False
            known = self._reports[report_id]
            self._put_report(
                report_id, attempted_at=now, attempts=known.attempts + 1
            )
            return True

    def note_refused(self, term: int, report_id: str) -> None:
        with self._lock:
            self._fence(term)
            known = self._reports.get(report_id)
            if known and known.delivered_at is None and known.attempts:
                self._put_report(report_id, attempts=known.attempts - 1)

    def _is_undelivered(self, report_id: str) -> bool:
        known = self._reports.get(report_id)
        return known is not None and known.delivered_at is None

    def finished(self, report_id: str) -> Iterator[report.Finished]:
        with self._lock:
            told = self._told_of(report_id)
            backups = dict(self._backups)
        for work in told:
            row = backups.get(work.backup_id or "")
            yield report.Finished(
                work=work,
                incremental=row.incremental if row else None,
                made_at=row.created_at if row else None,
            )

    def dissolve_report(self, term: int, report_id: str) -> bool:
        with self._lock:
            self._fence(term)
            if not self._is_undelivered(report_id):
                return False
            del self._reports[report_id]
            for work in self._told_of(report_id):
                del self._told_by[work.id]
            return True

    def note_delivered(self, report_id: str, receiver: str) -> bool:
        with self._lock:
            if not self._is_undelivered(report_id):
                return False
            self._put_report(
                report_id, receiver=receiver, delivered_at=self.now()
            )
            return True

    def purge_report(self, term: int, report_id: str) -> None:
        with self._lock:
            self._fence(term)
            known = self._reports.get(report_id)
            if known is None or known.delivered_at is None:
                return
            gone = {
                work.id
                for work in self._told_of(report_id)
                if work.id not in self._seats
            }
            for task_id in gone:
                del self._tasks[task_id], self._told_by[task_id]
            self._events = [
                each for each in self._events if each.task_id not in gone
            ]
            if not self._told_of(report_id):
                self._put_report(report_id, purged_at=self.now())

    def forget_reports(
        self, term: int, purged_until: datetime.datetime
    ) -> int:
        with self._lock:
            self._fence(term)
            old = [
                each.id
                for each in self._reports.values()
                if each.purged_at is not None
                and each.purged_at <= purged_until
            ]
            for report_id in old:
                del self._reports[report_id]
            return len(old)

    # -- how fresh all is --------------------------------------------------

    def note_cycle(self, term: int, cycle: model.Cycle) -> None:
        if not cycle.complete:
            return
        with self._lock:
            self._fence(term)
            self._cycle = cycle

    def note_retention(self, term: int, when: datetime.datetime) -> None:
        with self._lock:
            self._fence(term)
            self._retention_at = when

    def freshness(self) -> model.Freshness:
        with self._lock:
            blank = model.Freshness(
                now=self.now(),
                cycle_at=None,
                retention_at=self._retention_at,
                selected=None,
                dropped=0,
                never_protected=0,
                stale=0,
                oldest_protection_at=None,
            )
            if self._cycle is None:
                return blank
            return dataclasses.replace(
                blank,
                cycle_at=self._cycle.ended_at,
                selected=self._cycle.selected,
                dropped=self._cycle.dropped,
                never_protected=self._cycle.never_protected,
                stale=self._cycle.stale,
                oldest_protection_at=self._cycle.oldest_protection_at,
            )
