# SPDX-License-Identifier: Apache-2.0
"""The part of the store on SQL that reports and freshness are about."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from functools import partial

from staffeln import ports
from staffeln.db import reports
from staffeln.db.connected import Connected
from staffeln.domain import model, report

REPORTED_AT_ONCE = 25_000
"""Tasks of a report that are read by one statement."""

PURGED_AT_ONCE = 25_000
"""Tasks that one transaction removes: nobody waits long for it."""


class ReportStore(Connected):
    """Reports, each with the tasks that it alone tells of."""

    def due_reports(
        self, now: datetime.datetime, period: datetime.timedelta
    ) -> list[ports.DueReport]:
        """Projects whose oldest unreported task is that old."""
        return self._read(partial(reports.due, now=now, period=period))

    def open_report(
        self,
        term: int,
        report_id: str,
        audience: report.Audience,
        project_ids: Collection[str],
        now: datetime.datetime,
    ) -> int:
        """Make a report, fenced, of all that ended and has none."""
        return self._fenced(
            term,
            partial(
                reports.open_report,
                report_id=report_id,
                audience=audience,
                project_ids=project_ids,
                now=now,
            ),
        )

    def reports_not_done(self) -> list[ports.ReportRecord]:
        """Reports not delivered, or with tasks left."""
        return self._read(reports.not_done)

    def attempt_report(
        self, term: int, report_id: str, now: datetime.datetime
    ) -> bool:
        """Note, fenced, that a report is about to be sent again."""
        return self._fenced(
            term, partial(reports.attempt, report_id=report_id, now=now)
        )

    def note_refused(self, term: int, report_id: str) -> None:
        """Note, fenced, that the last attempt surely reached nobody."""
        self._fenced(term, partial(reports.note_refused, report_id=report_id))

    def finished(self, report_id: str) -> Iterator[report.Finished]:
        """The tasks that a report tells of, a transaction per page."""
        after = ""
        while True:
            page = self._read(
                partial(
                    reports.finished,
                    report_id=report_id,
                    after=after,
                    limit=REPORTED_AT_ONCE,
                )
            )
            yield from page
            if len(page) < REPORTED_AT_ONCE:
                return
            after = page[-1].work.id

    def dissolve_report(self, term: int, report_id: str) -> bool:
        """Let others tell, fenced, of its tasks."""
        return self._fenced(
            term, partial(reports.dissolve, report_id=report_id)
        )

    def note_delivered(self, report_id: str, receiver: str) -> bool:
        """Note who got a report."""
        return self._write(
            partial(
                reports.note_delivered, report_id=report_id, receiver=receiver
            )
        )

    def purge_report(self, term: int, report_id: str) -> None:
        """Remove, fenced, the tasks of a delivered report."""
        after: str | None = ""
        while after is not None:
            after = self._fenced(
                term,
                partial(
                    reports.purge,
                    report_id=report_id,
                    after=after,
                    limit=PURGED_AT_ONCE,
                ),
            )

    def forget_reports(
        self, term: int, purged_until: datetime.datetime
    ) -> int:
        """Remove, fenced, rows of reports that are done with for long."""
        return self._fenced(
            term, partial(reports.forget, purged_until=purged_until)
        )

    # -- how fresh all is --------------------------------------------------

    def note_cycle(self, term: int, cycle: model.Cycle) -> None:
        """Keep, fenced, what a complete cycle came to."""
        if cycle.complete:
            self._fenced(term, partial(reports.note_cycle, cycle=cycle))

    def note_retention(self, term: int, when: datetime.datetime) -> None:
        """Keep, fenced, when a whole round of retention ended."""
        self._fenced(term, partial(reports.note_retention, when=when))

    def freshness(self) -> model.Freshness:
        """What the last complete rounds left."""
        return self._read(reports.freshness)
