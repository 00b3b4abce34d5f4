# SPDX-License-Identifier: Apache-2.0
"""Reports of which nobody knows whether they were sent: sent again.

Each is sent again under the same id, at growing intervals. A server that
takes a message and whose answer is lost each time would bring the same one
without end: after some of these tries a report counts as delivered, perhaps,
and the operators get it once.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Collection, Sequence

from staffeln import ports
from staffeln.domain import digest, receivers, report, schedule
from staffeln.workflow.press import Printed
from staffeln.workflow.sending import Outcome, Sending

LOG = logging.getLogger(__name__)

MOST_TRIES = 5
"""Tries of one report whose outcome nobody knows."""

FIRST_WAIT = datetime.timedelta(minutes=30)
"""Between the second try and the third; then twice as long each time. The
second one comes at once: most often a process died."""


class Resending:
    """What is left open by earlier rounds, in one round."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._policy = sending.policy
        self._writer = sending.writer

    def is_early(self, known: ports.ReportRecord) -> bool:
        """Whether a report waits for a later round."""
        last, now = known.attempted_at, self._sending.now
        if last is None or known.attempts < 2 or last > now:
            return False
        return now < last + schedule.backoff(
            known.attempts - 1, FIRST_WAIT, self._policy.period
        )

    def again(self, known: ports.ReportRecord) -> Outcome | None:
        """Send the same report again, to whom it is for."""
        told = self._sending.told(known.id)
        due_at = digest.due_at(told, self._policy.period)
        to = self._meant(known.audience, digest.by_project(told))
        if to is None or due_at is None:
            LOG.warning(
                "Report %s is for nobody any more; its tasks go into others",
                known.id,
            )
            self._writer.dissolve_report(known.id)
            return None
        if known.attempts >= MOST_TRIES:
            return self._give_up(known, told, to)
        outcome: Outcome | None = Outcome.NOBODY
        if to.found:
            outcome = self._resend(known, told, to)
        else:
            LOG.warning(
                "Nobody reads report %s, which may have been sent before: %s",
                known.id,
                to.why_nobody,
            )
        if outcome is Outcome.NOBODY and self._sending.is_late(due_at):
            return self._to_operators(known, told)
        return outcome

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
        return self._sending.readers_of(project_id)

    def _resend(
        self,
        known: ports.ReportRecord,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
    ) -> Outcome | None:
        if self._sending.is_put_off(to):
            return Outcome.NOBODY
        printed = self._sending.print_out(
            known.id, known.audience, known.created_at, told, to
        )
        if printed is None:
            return Outcome.NOBODY
        return self._attempt(known, told, to, printed)

    def _to_operators(
        self, known: ports.ReportRecord, told: Sequence[report.Finished]
    ) -> Outcome | None:
        to = receivers.operators(self._policy)
        if self._sending.is_put_off(to):
            return Outcome.NOBODY
        return self._attempt(known, told, to, self._detailed(known, told, to))

    def _attempt(
        self,
        known: ports.ReportRecord,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
        printed: Printed,
    ) -> Outcome | None:
        """Send it, unless it was delivered meanwhile."""
        if not self._writer.attempt_report(known.id, self._sending.now):
            return None
        LOG.info("Report %s may have been sent before; sent again", known.id)
        outcome, accepted = self._sending.bring(
            printed, digest.by_project(told), to
        )
        if outcome is Outcome.DELIVERED:
            self._sending.done(printed, known.created_at, told, accepted)
        elif outcome is Outcome.NOBODY:
            self._writer.note_refused(known.id)
        return outcome

    # -- an end ------------------------------------------------------------

    def _give_up(
        self,
        known: ports.ReportRecord,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
    ) -> Outcome | None:
        """Let it count as delivered, once the operators have it as well.

        Where they are those of whom no answer comes, the log gets it.
        """
        last = receivers.operators(self._policy)
        if set(last.addresses) <= set(to.addresses):
            last = receivers.THE_LOG
        if self._sending.is_put_off(last):
            return Outcome.NOBODY
        self._writer.go_on()
        perhaps = ", ".join(to.addresses) or "its readers"
        LOG.warning(
            "Report %s was sent %d times and no answer came: it counts as "
            "delivered, perhaps, to %s, and goes to the operators once",
            known.id,
            known.attempts,
            perhaps,
        )
        printed = self._detailed(known, told, last)
        projects = digest.by_project(told)
        outcome, accepted = self._sending.bring(printed, projects, last)
        if outcome is Outcome.NOBODY:
            return outcome
        if outcome is Outcome.UNKNOWN:
            # Nobody may have it by now: the log surely does.
            printed = self._detailed(known, told, receivers.THE_LOG)
            self._sending.bring(printed, projects, receivers.THE_LOG)
        self._sending.done(
            printed, known.created_at, told, accepted, perhaps=perhaps
        )
        return Outcome.DELIVERED

    # -- making it ready ---------------------------------------------------

    def _detailed(
        self,
        known: ports.ReportRecord,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
    ) -> Printed:
        """As operators get it; if that cannot be made, plainly."""
        audience = report.Audience.OPERATORS
        return self._sending.print_out(
            known.id, audience, known.created_at, told, to
        ) or self._sending.press.print_plainly(known.id, told)
