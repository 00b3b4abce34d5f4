# SPDX-License-Identifier: Apache-2.0
"""A round of reports: who has news, who gets them, and what became of it.

A report is a row and a fixed set of ended tasks. It is opened (saved, with
its tasks), sent, noted as delivered, and its tasks are purged. Where a
process dies, or no answer came:

* before it was opened: nothing happened;
* before it was noted as delivered: nobody knows whether it was sent. The same
  report is sent again, under the same id, so it may come twice
  (:mod:`staffeln.workflow.resending`);
* later: it is not sent again, and the purge goes on.

So no task is purged that nobody was told of, and none is told of by two
reports of which one was delivered.
"""

from __future__ import annotations

import datetime
import functools
import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence

from staffeln import ports
from staffeln.domain import digest, errors, receivers, report
from staffeln.workflow.press import Press, Printed
from staffeln.workflow.protecting import Concerns
from staffeln.workflow.resending import Resending
from staffeln.workflow.sending import Outcome, Sending, Share
from staffeln.workflow.summing import Summing
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

KEPT = datetime.timedelta(days=30)
"""How long a row tells of a report that is done with."""

MOST_SPENT = 300.0
"""Seconds that a round spends in vain on new reports, and as many on those
that are sent again; the rest of each waits for the next round."""


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
        self.failed: dict[str, float] = {}
        """When projects were last tried in vain: all others come first."""

    def round(self) -> None:
        """Tell whom it is time to tell; what fails is told next time.

        :raises StoreError: the database did not answer again and again.
        :raises OvertakenError: another scheduler took office.
        """
        _Round(self).run()


class _Round:
    """One round, from what is left of earlier ones on."""

    def __init__(self, of: Reporting) -> None:
        self._of = of
        self._sending = Sending(of)
        self._policy = of.press.policy
        self._writer = of.writer
        self._now = self._sending.now
        self._guard = self._sending.guard
        self._for_operators: list[str] = []
        """Projects whose news found no other reader."""
        self._faulty: set[str] = set()
        """Projects whose part of a report could not be made."""

    def run(self) -> None:
        """All steps; each part has a share of the time of its own."""
        left = self._of.store.reports_not_done()
        for each in left:
            if each.delivered_at is not None:
                self._guard(
                    f"Purging report {each.id}",
                    functools.partial(self._purge, each.id),
                )
        due = self._of.store.due_reports(self._now, self._policy.period)
        everybody = receivers.of_all(self._policy)
        if everybody is not None:
            self._tell_all(due, everybody)
        else:
            self._tell_each(due)
        self._tell_again([each for each in left if each.delivered_at is None])
        self._tell_operators()
        self._sending.end()
        if not self._of.stopping():
            self._guard("The operators' summary", self._sum_up)
        self._writer.forget_reports(self._now - KEPT)

    def _purge(self, report_id: str) -> None:
        self._sending.purge(report_id)

    def _sum_up(self) -> None:
        self._of.summing.end(self._now, lambda: self._sending.concerns)

    # -- new reports -------------------------------------------------------

    def _tell_all(
        self, due: Sequence[ports.DueReport], to: receivers.Receivers
    ) -> None:
        if not due or self._of.stopping():
            return
        projects = [each.project_id for each in due]
        outcome = self._guard(
            "The report of all projects",
            lambda: self._new(report.Audience.ALL, projects, to),
        )
        others = [each for each in due if each.project_id not in self._faulty]
        if outcome is Outcome.NOBODY and any(map(self._is_late, others)):
            self._for_operators += [each.project_id for each in others]
        self._for_operators += [
            each.project_id
            for each in due
            if each.project_id in self._faulty and self._is_late(each)
        ]

    def _tell_each(self, due: Sequence[ports.DueReport]) -> None:
        """Those that never failed first, then those tried longest ago."""
        failed = self._of.failed
        share = Share(MOST_SPENT, self._of.clock)
        ordered = sorted(due, key=lambda it: failed.get(it.project_id, -1.0))
        for number, each in enumerate(ordered):
            if self._is_over(share, "new reports", len(ordered) - number):
                return
            if not self._is_late(each) and self._sending.is_mail_put_off():
                continue
            outcome = share.take(functools.partial(self._try_one, each))
            if outcome is Outcome.DELIVERED:
                failed.pop(each.project_id, None)
            else:
                failed[each.project_id] = self._of.clock()

    def _try_one(self, due: ports.DueReport) -> Outcome | None:
        return self._guard(
            f"The report of project {due.project_id}",
            functools.partial(self._tell_one, due),
        )

    def _tell_one(self, due: ports.DueReport) -> Outcome | None:
        project_id = due.project_id
        to = self._sending.readers_of(project_id)
        outcome: Outcome | None = Outcome.NOBODY
        if to.found:
            outcome = self._new(report.Audience.PROJECT, [project_id], to)
        elif self._is_gone(project_id):
            LOG.info(
                "Project %s was deleted: its report goes to the operators",
                project_id,
            )
            self._for_operators.append(project_id)
            return outcome
        else:
            LOG.warning(
                "Nobody reads the report of project %s: %s",
                project_id,
                to.why_nobody,
            )
        if outcome is Outcome.NOBODY and self._is_late(due):
            self._for_operators.append(project_id)
        return outcome

    def _new(
        self,
        audience: report.Audience,
        projects: Collection[str],
        to: receivers.Receivers,
    ) -> Outcome | None:
        """Open a report and send it; None: there was nothing to tell."""
        if self._sending.is_put_off(to):
            return Outcome.NOBODY
        report_id = str(uuid.uuid4())
        if not self._open(report_id, audience, projects):
            return None
        told = self._sending.told(report_id)
        printed = self._sending.print_out(
            report_id, audience, self._now, told, to
        )
        if printed is None:
            self._writer.dissolve_report(report_id)
            rest = self._without_faulty(report_id, audience, told, to)
            return self._new(audience, rest, to) if rest else Outcome.NOBODY
        return self._send(printed, told, to)

    def _open(
        self,
        report_id: str,
        audience: report.Audience,
        projects: Collection[str],
    ) -> bool:
        return bool(
            self._writer.open_report(report_id, audience, projects, self._now)
        )

    def _send(
        self,
        printed: Printed,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
    ) -> Outcome:
        projects = digest.by_project(told)
        try:
            outcome, accepted = self._sending.bring(printed, projects, to)
            if outcome is Outcome.DELIVERED:
                self._sending.done(printed, self._now, told, accepted)
        except errors.StoreError:
            raise
        except Exception:
            # With other news it may be possible; what was delivered stays.
            if self._writer.dissolve_report(printed.id):
                self._sending.failed(printed.id, projects)
            raise
        if outcome is Outcome.NOBODY:
            self._writer.dissolve_report(printed.id)
        return outcome

    def _without_faulty(
        self,
        report_id: str,
        audience: report.Audience,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
    ) -> list[str]:
        """Find out whose part cannot be made; the projects without these.

        Where each can be made alone and all cannot, there is none left.
        """
        parts = digest.by_project(told)
        faulty = [
            project_id
            for project_id, its in parts.items()
            if len(parts) > 1
            and not self._sending.print_out(
                report_id, audience, self._now, its, to
            )
        ]
        faulty = faulty or list(parts)
        if len(faulty) < len(parts):
            LOG.error(
                "Project(s) %s are left out of a report, for their parts "
                "cannot be made; it goes without them",
                ", ".join(faulty),
            )
        self._faulty.update(faulty)
        self._sending.failed(report_id, faulty)
        return [each for each in parts if each not in faulty]

    # -- older ones, and the operators' -------------------------------------

    def _tell_again(self, left: Sequence[ports.ReportRecord]) -> None:
        """Those that were tried longest ago first."""
        resending = Resending(self._sending)
        share = Share(MOST_SPENT, self._of.clock)
        ordered = sorted(
            (each for each in left if not resending.is_early(each)),
            key=lambda each: (each.attempted_at or each.created_at, each.id),
        )
        for number, each in enumerate(ordered):
            if self._is_over(share, "older reports", len(ordered) - number):
                return
            share.take(
                functools.partial(
                    self._guard,
                    f"Report {each.id}",
                    functools.partial(resending.again, each),
                )
            )

    def _tell_operators(self) -> None:
        """What found no other reader, in one message; the rest plainly."""
        to = receivers.operators(self._policy)
        ordinary = sorted(set(self._for_operators) - self._faulty)
        if ordinary and not self._of.stopping():
            self._guard(
                "The report to the operators",
                lambda: self._new(report.Audience.OPERATORS, ordinary, to),
            )
        # Some of these may turn out only now.
        plain = sorted(self._faulty & set(self._for_operators))
        if plain and not self._of.stopping():
            self._guard(
                "The plain report to the operators",
                lambda: self._new_plain(plain, to),
            )

    def _new_plain(
        self, projects: Collection[str], to: receivers.Receivers
    ) -> Outcome | None:
        """Tell of tasks by their ids alone."""
        report_id = str(uuid.uuid4())
        if self._sending.is_put_off(to) or not self._open(
            report_id, report.Audience.OPERATORS, projects
        ):
            return None
        told = self._sending.told(report_id)
        printed = self._of.press.print_plainly(report_id, told)
        return self._send(printed, told, to)

    # -- how far -----------------------------------------------------------

    def _is_late(self, due: ports.DueReport) -> bool:
        return self._sending.is_late(due.due_at)

    def _is_gone(self, project_id: str) -> bool:
        try:
            return self._sending.readers.is_gone(project_id)
        except errors.CloudError as error:
            LOG.debug("Project %s: %s", project_id, error)
            return False

    def _is_over(self, share: Share, what: str, left: int) -> bool:
        """Whether the rest waits for the next round."""
        if share.is_spent:
            LOG.warning(
                "%d s were spent in vain on %s: %d of them wait for the next "
                "round",
                int(MOST_SPENT),
                what,
                left,
            )
        return share.is_spent or self._of.stopping()
