# SPDX-License-Identifier: Apache-2.0
"""The operators' summary: what the reports of a period came to.

It goes into the log, and to operators' addresses where there are any. What
is not in a summary yet is forgotten with the term of office: the reports
themselves were delivered, and the next scheduler sums up its own.
"""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import errors, report, summary
from staffeln.workflow.protecting import Concerns

LOG = logging.getLogger(__name__)


class Summing:
    """Sums up what one scheduler's reports told, once in a period."""

    def __init__(
        self,
        renderer: ports.Renderer,
        mailer: ports.Mailer | None,
        operators: tuple[str, ...],
        period: datetime.timedelta,
    ) -> None:
        """:param mailer: None: all goes into the log alone.

        :param period: no two summaries come sooner after each other.
        """
        self._renderer = renderer
        self._mailer = mailer
        self._operators = operators
        self._period = period
        self._tally = summary.Tally()
        self._failures = 0
        self._told_at: datetime.datetime | None = None
        self._looked_at: datetime.datetime | None = None
        """When there was a summary, or nothing to be told."""

    def delivered(self, told: report.Report) -> None:
        """Count a report that was delivered."""
        self._tally.add(told)

    def failed(self) -> None:
        """Count a report that was not delivered, as far as is known."""
        self._failures += 1

    def end(
        self, now: datetime.datetime, concerns: Callable[[], Concerns]
    ) -> None:
        """Tell operators, at the end of a round, if it is time.

        :param concerns: what there is to say besides tasks.
        """
        if not self._is_due(now):
            return
        found = concerns()
        hands = list(found.for_operators)
        if self._failures:
            hands.append(
                f"reports were not delivered {self._failures} time(s); each "
                "is tried again in the next round"
            )
        self._looked_at = now
        cycle = found.cycle
        unprotected = cycle and cycle.never_protected + cycle.stale
        if self._tally.is_empty and not hands and not unprotected:
            return
        self._told_at = now
        what = self._tally.sum_up(
            str(uuid.uuid4()),
            now,
            cycle=cycle,
            topics=found.topics,
            hands=hands,
        )
        self._tally, self._failures = summary.Tally(), 0
        self._tell(what)

    def _is_due(self, now: datetime.datetime) -> bool:
        """After a whole period; but the first one with the first report.

        Where nothing is reported at all, that is news after a while.
        """
        if self._looked_at is None:
            self._looked_at = now
        if self._tally.is_empty:
            return now - self._looked_at >= self._period
        return self._told_at is None or now - self._told_at >= self._period

    def _tell(self, what: summary.Summary) -> None:
        rendered = self._renderer.render_summary(what)
        for line in (rendered.subject, *rendered.text.splitlines()):
            if line:
                LOG.info("%s", line)
        if self._mailer is None or not self._operators:
            return
        try:
            sent = self._mailer.send(what.id, self._operators, rendered)
        except errors.MailError as error:
            stopped = isinstance(error, errors.MailStoppedError)
            LOG.log(
                logging.INFO if stopped else logging.ERROR,
                "The operators' summary was not sent, and is in the log: %s",
                error,
            )
        else:
            LOG.info(
                "The operators' summary was sent to %s",
                ", ".join(sent.accepted),
            )
