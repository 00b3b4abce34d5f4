# SPDX-License-Identifier: Apache-2.0
"""A round of reports: who has news, who gets them, and what became of it.

A report is a row and a fixed set of ended tasks. It is opened (saved, with
its tasks), sent, noted as delivered, and its tasks are purged. Where a
process dies, or no answer came:

* before it was opened: nothing happened;
* before it was noted as delivered: nobody knows whether it was sent. The same
  report is sent again, under the same id, so it may come twice;
* later: it is not sent again, and the purge goes on.

So no task is purged that nobody was told of, and none is told of by two
reports of which one was delivered.
"""

from __future__ import annotations

import datetime
import enum
import functools
import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence

from staffeln import ports
from staffeln.domain import digest, errors, receivers, report
from staffeln.workflow import compiling, undelivered
from staffeln.workflow.press import INTO_LOG, Press
from staffeln.workflow.protecting import Concerns
from staffeln.workflow.readers import Readers
from staffeln.workflow.summing import Summing
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

KEPT = datetime.timedelta(days=30)
"""How long a row tells of a report that is done with."""

MOST_STORE_FAILURES = 3
"""Reports in a row that the database keeps from being made, until the round
ends: it is not about one of them."""

MOST_SPENT = 600.0
"""Seconds that a round spends on messages that fail; the rest waits for the
next one, which begins with those."""


class Outcome(enum.Enum):
    """What became of one report in one round."""

    DELIVERED = enum.auto()
    NOBODY = enum.auto()
    """It surely reached nobody."""
    UNKNOWN = enum.auto()


class Reporting:
    """Tells people, in one term of office; a round after each cycle."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        press: Press,
        writer: Writer,
        concerns: Callable[[], Concerns],
        observer: ports.Observer,
        *,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param concerns: what there is to say besides tasks.

        :param stopping: whether this process is to end.
        :param clock: monotonic, in seconds.
        """
        self.store = store
        self.cloud = cloud
        self.press = press
        self.writer = writer
        self.concerns = concerns
        self.observer = observer
        self.stopping = stopping
        self.clock = clock
        self.summing = Summing(
            press.renderer,
            press.mailer,
            press.policy.operators,
            press.policy.period,
        )
        self.failed: set[str] = set()
        """Projects whose reports failed last: the others come first."""

    def round(self) -> None:
        """Tell whom it is time to tell; what fails is told next time.

        :raises StoreError: the database did not answer again and again.
        :raises OvertakenError: another scheduler took office.
        """
        _Round(self).run()


class _Round:
    """One round: what it asks is asked once, and only if needed."""

    def __init__(self, of: Reporting) -> None:
        self._of = of
        self._store = of.store
        self._press = of.press
        self._policy = of.press.policy
        self._writer = of.writer
        self._readers = Readers(of.cloud, self._policy)
        self._now = of.store.now()
        self._for_operators: list[str] = []
        """Projects whose news found no other reader."""
        self._undelivered = undelivered.Undelivered()
        self._store_failures = 0
        self._spent = 0.0

    @functools.cached_property
    def _concerns(self) -> Concerns:
        return self._of.concerns()

    def run(self) -> None:
        """All steps, from what is left of earlier rounds on."""
        left = self._store.reports_not_done()
        for each in left:
            if each.delivered_at is not None:
                self._guard(
                    f"Purging report {each.id}",
                    functools.partial(self._purge, each.id),
                )
        due = self._store.due_reports(self._now, self._policy.period)
        everybody = receivers.of_all(self._policy)
        if everybody is not None:
            self._tell_all(due, everybody)
        else:
            self._tell_each(due)
        for each in left:
            if each.delivered_at is None and self._goes_on():
                self._guard(
                    f"Report {each.id}", functools.partial(self._again, each)
                )
        self._tell_operators()
        self._undelivered.end()
        if self._spent >= MOST_SPENT:
            LOG.warning(
                "%d s were spent on messages that failed: all others wait "
                "for the next round",
                int(self._spent),
            )
        if not self._of.stopping():
            self._guard("The operators' summary", self._sum_up)
        self._writer.forget_reports(self._now - KEPT)

    def _sum_up(self) -> None:
        self._of.summing.end(self._now, lambda: self._concerns)

    # -- new reports -------------------------------------------------------

    def _tell_all(
        self, due: Sequence[ports.DueReport], to: receivers.Receivers
    ) -> None:
        if not due:
            return
        projects = [each.project_id for each in due]
        outcome = self._guard(
            "The report of all projects",
            lambda: self._new(report.Audience.ALL, projects, to),
        )
        if outcome is Outcome.NOBODY and self._is_late(due[0].oldest_at):
            self._for_operators += projects

    def _tell_each(self, due: Sequence[ports.DueReport]) -> None:
        failed_before, self._of.failed = self._of.failed, set()
        for each in sorted(due, key=lambda it: it.project_id in failed_before):
            if not self._goes_on():
                return
            self._guard(
                f"The report of project {each.project_id}",
                functools.partial(self._tell_one, each),
            )

    def _tell_one(self, due: ports.DueReport) -> None:
        project_id = due.project_id
        to = self._readers_of(project_id)
        if to.found:
            outcome = self._new(report.Audience.PROJECT, [project_id], to)
            if outcome is not Outcome.NOBODY:
                return
        elif self._is_gone(project_id):
            LOG.info(
                "Project %s was deleted: its report goes to the operators",
                project_id,
            )
            self._for_operators.append(project_id)
            return
        else:
            LOG.warning(
                "Nobody reads the report of project %s: %s",
                project_id,
                to.why_nobody,
            )
        if self._is_late(due.oldest_at):
            self._for_operators.append(project_id)

    def _tell_operators(self) -> None:
        """What found no other reader, in one message."""
        projects = self._for_operators
        if projects and self._goes_on():
            self._guard(
                "The report to the operators",
                lambda: self._new(
                    report.Audience.OPERATORS,
                    projects,
                    receivers.operators(self._policy),
                ),
            )

    def _new(
        self,
        audience: report.Audience,
        projects: Collection[str],
        to: receivers.Receivers,
    ) -> Outcome | None:
        """Open a report and send it; None: there was nothing to tell."""
        report_id = str(uuid.uuid4())
        if not self._writer.open_report(
            report_id, audience, projects, self._now
        ):
            return None
        told = self._told(report_id)
        try:
            outcome = self._send(report_id, audience, self._now, told, to)
        except errors.StoreError:
            raise
        except Exception:
            # With other news it may be possible; what was delivered stays.
            if self._writer.dissolve_report(report_id):
                self._of.observer.report_failed(
                    report_id, tuple(sorted(digest.by_project(told)))
                )
            raise
        if outcome is Outcome.NOBODY:
            self._writer.dissolve_report(report_id)
        return outcome

    # -- reports of which nobody knows whether they were sent --------------

    def _again(self, known: ports.ReportRecord) -> None:
        """Send the same report again, to whom it is for."""
        told = self._told(known.id)
        oldest = digest.oldest(told)
        to = self._meant(known.audience, digest.by_project(told))
        if to is None or oldest is None:
            LOG.warning(
                "Report %s is for nobody any more; its tasks go into others",
                known.id,
            )
            self._writer.dissolve_report(known.id)
            return
        outcome: Outcome | None = Outcome.NOBODY
        if to.found:
            outcome = self._attempt(known, told, to)
        if outcome in (Outcome.NOBODY, Outcome.UNKNOWN) and self._is_late(
            oldest
        ):
            operators = receivers.operators(self._policy)
            self._attempt(known, told, operators, detailed=True)

    def _attempt(
        self,
        known: ports.ReportRecord,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
        *,
        detailed: bool = False,
    ) -> Outcome | None:
        if not self._writer.attempt_report(known.id):
            return None
        LOG.info("Report %s may have been sent before; sent again", known.id)
        audience = report.Audience.OPERATORS if detailed else known.audience
        return self._send(known.id, audience, known.created_at, told, to)

    def _meant(
        self, audience: report.Audience, projects: Collection[str]
    ) -> receivers.Receivers | None:
        """Who gets a report by the options of now; None: no such report."""
        if audience is report.Audience.OPERATORS:
            return receivers.operators(self._policy)
        everybody = receivers.of_all(self._policy)
        if everybody is not None:
            return everybody
        if audience is report.Audience.ALL or len(projects) != 1:
            return None
        (project_id,) = projects
        return self._readers_of(project_id)

    # -- one report --------------------------------------------------------

    def _told(self, report_id: str) -> list[report.Finished]:
        return list(self._store.finished(report_id))

    def _send(
        self,
        report_id: str,
        audience: report.Audience,
        created_at: datetime.datetime,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
    ) -> Outcome:
        """Send a report, note that it was delivered, and purge its tasks."""
        projects = digest.by_project(told)
        names = tuple(sorted(projects))
        what = compiling.compile_report(
            report_id,
            created_at,
            told,
            self._readers,
            self._concerns,
            detailed=audience is not report.Audience.PROJECT,
        )
        rendered = self._press.renderer.render(what)
        began = self._of.clock()
        try:
            accepted = self._press.bring(to, what, rendered)
        except errors.MailError as error:
            self._spent += self._of.clock() - began
            self._of.failed.update(names)
            self._undelivered.tell(report_id, names, error)
            self._of.summing.failed()
            self._of.observer.report_failed(report_id, names)
            unknown = isinstance(error, errors.MailUncertainError)
            return Outcome.UNKNOWN if unknown else Outcome.NOBODY
        receiver = ", ".join(accepted) or INTO_LOG
        self._store.note_delivered(report_id, receiver)
        LOG.info(
            "Report %s of %d task(s) (%s) was delivered to %s",
            report_id,
            len(told),
            undelivered.in_words(names),
            receiver,
        )
        if self._press.shelf is not None:
            self._press.shelf.keep(report_id, created_at, rendered)
        self._of.summing.delivered(what)
        self._of.observer.report_sent(report_id, names, accepted)
        self._purge(report_id)
        return Outcome.DELIVERED

    def _purge(self, report_id: str) -> None:
        self._writer.purge_report(report_id)

    # -- who, and how far --------------------------------------------------

    def _readers_of(self, project_id: str) -> receivers.Receivers:
        try:
            return self._readers.of(project_id)
        except errors.CloudError as error:
            return receivers.Receivers(why_nobody=str(error))

    def _is_gone(self, project_id: str) -> bool:
        try:
            return self._readers.is_gone(project_id)
        except errors.CloudError as error:
            LOG.debug("Project %s: %s", project_id, error)
            return False

    def _is_late(self, oldest: datetime.datetime) -> bool:
        return receivers.is_undeliverable(self._policy, oldest, self._now)

    def _goes_on(self) -> bool:
        """Whether there is still time for another report."""
        if self._of.stopping():
            return False
        return self._spent < MOST_SPENT

    def _guard(
        self, what: str, step: Callable[[], Outcome | None]
    ) -> Outcome | None:
        """Take a step; what it fails with holds no other report up.

        :raises StoreError: the database failed again and again.
        :raises OvertakenError: another scheduler took office.
        """
        try:
            outcome = step()
        except errors.OvertakenError:
            raise
        except errors.StoreError as error:
            self._store_failures += 1
            if self._store_failures >= MOST_STORE_FAILURES:
                raise
            LOG.error("%s: %s", what, error)
        except errors.StaffelnError as error:
            LOG.error("%s: %s", what, error)
        except Exception:  # the border of one report
            LOG.exception("%s: an unexpected error", what)
        else:
            self._store_failures = 0
            return outcome
        return None
