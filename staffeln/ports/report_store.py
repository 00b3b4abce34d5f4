# SPDX-License-Identifier: Apache-2.0
"""The database, as reports and those who ask how fresh all is need it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from typing import Protocol

from staffeln.domain import model, report
from staffeln.ports.records import DueReport, ReportRecord


class ReportStore(Protocol):
    """The part of the store that reports and freshness are about."""

    def due_reports(
        self, now: datetime.datetime, period: datetime.timedelta
    ) -> list[DueReport]:
        """Projects whose oldest unreported task was created so long ago.

        Only tasks that have ended count. The oldest first.
        """

    def open_report(
        self,
        term: int,
        report_id: str,
        audience: report.Audience,
        project_ids: Collection[str],
        now: datetime.datetime,
    ) -> int:
        """Make a report of all tasks of these that ended and have none.

        From now on it alone tells of them. It is about to be sent.

        :param project_ids: of one project, or of several.
        :returns: how many tasks; 0: there is none, and no report.
        :raises OvertakenError: the term is over.
        """

    def reports_not_done(self) -> list[ReportRecord]:
        """Reports not delivered, or with tasks left; the oldest first."""

    def attempt_report(
        self, term: int, report_id: str, now: datetime.datetime
    ) -> bool:
        """Note that a report is about to be sent again: one attempt more.

        :returns: False: it was delivered, or is gone: it must not be.
        :raises OvertakenError: the term is over.
        """

    def note_refused(self, term: int, report_id: str) -> None:
        """Note that the last attempt surely reached nobody: it is not counted.

        :raises OvertakenError: the term is over.
        """

    def finished(self, report_id: str) -> Iterator[report.Finished]:
        """The tasks that a report tells of, with what is known of each
        backup; by task id.
        """

    def dissolve_report(self, term: int, report_id: str) -> bool:
        """Let other reports tell of its tasks: nobody got this one.

        :returns: False: it was delivered, or is gone.
        :raises OvertakenError: the term is over.
        """

    def note_delivered(self, report_id: str, receiver: str) -> bool:
        """Note who got a report, in words.

        Not fenced: it is true, whoever is the scheduler by now, and what
        is noted is not sent again.

        :returns: False: it is gone, or was delivered before.
        """

    def purge_report(self, term: int, report_id: str) -> None:
        """Remove the tasks of a delivered report, with their stories.

        Some at a time. A task that still holds a seat stays until a later
        call: Cinder goes on with what it began.

        :raises OvertakenError: the term is over.
        """

    def forget_reports(
        self, term: int, purged_until: datetime.datetime
    ) -> int:
        """Remove rows of reports that are done with for long; how many.

        :raises OvertakenError: the term is over.
        """

    # how fresh all is

    def note_cycle(self, term: int, cycle: model.Cycle) -> None:
        """Keep what a cycle came to; one that is not complete says nothing.

        :raises OvertakenError: the term is over.
        """

    def note_retention(self, term: int, when: datetime.datetime) -> None:
        """Keep when a round of retention ended that nothing held back.

        :raises OvertakenError: the term is over.
        """

    def freshness(self) -> model.Freshness:
        """What the last complete rounds left."""
