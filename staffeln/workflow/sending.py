# SPDX-License-Identifier: Apache-2.0
"""One report of a round: made, brought to its readers, noted, purged."""

from __future__ import annotations

import datetime
import enum
import functools
import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from staffeln import ports
from staffeln.domain import digest, errors, receivers, report
from staffeln.workflow import compiling, undelivered
from staffeln.workflow.press import INTO_LOG, Printed
from staffeln.workflow.protecting import Concerns
from staffeln.workflow.readers import Readers

if TYPE_CHECKING:
    from staffeln.workflow.reporting import Reporting

LOG = logging.getLogger(__name__)

MOST_STORE_FAILURES = 3
"""Reports in a row that the database keeps from being made, until the round
ends: it is not about one of them."""


class Outcome(enum.Enum):
    """What became of one report in one round."""

    DELIVERED = enum.auto()
    NOBODY = enum.auto()
    """It surely reached nobody."""
    UNKNOWN = enum.auto()


class Share:
    """Seconds that one part of a round may spend on what is in vain."""

    def __init__(self, most: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._spent = 0.0

    @property
    def is_spent(self) -> bool:
        """Whether the rest of this part waits for the next round."""
        return self._spent >= self._most

    def take(self, step: Callable[[], Outcome | None]) -> Outcome | None:
        """Take a step; its time counts unless something was delivered."""
        began = self._clock()
        outcome = step()
        if outcome is not Outcome.DELIVERED:
            self._spent += self._clock() - began
        return outcome


class Sending:
    """What all reports of one round share; what it asks is asked once."""

    def __init__(self, of: Reporting) -> None:
        self._of = of
        self.store = of.store
        self.press = of.press
        self.policy = of.press.policy
        self.writer = of.writer
        self.readers = Readers(of.cloud, self.policy)
        self.now = of.store.now()
        self._undelivered = undelivered.Undelivered()
        self._away: errors.MailAwayError | None = None
        self._store_failures = 0

    @functools.cached_property
    def concerns(self) -> Concerns:
        """What there is to say besides tasks."""
        return self._of.concerns()

    def end(self) -> None:
        """Say what was not tried."""
        self._undelivered.end()

    # -- making it ---------------------------------------------------------

    def told(self, report_id: str) -> list[report.Finished]:
        """The tasks that a report tells of."""
        return list(self.store.finished(report_id))

    def print_out(
        self,
        report_id: str,
        audience: report.Audience,
        created_at: datetime.datetime,
        told: Sequence[report.Finished],
        to: receivers.Receivers,
    ) -> Printed | None:
        """Make a report ready; None: it cannot be made, the log says why.

        :raises StoreError: it is the database's fault.
        """
        try:
            what = compiling.compile_report(
                report_id,
                created_at,
                told,
                self.readers,
                self.concerns,
                detailed=audience is not report.Audience.PROJECT,
            )
            return self.press.print_out(what, to)
        except errors.StoreError:
            raise
        except Exception:  # whatever its tasks are called
            LOG.exception(
                "Report %s (%s) cannot be made",
                report_id,
                undelivered.in_words(list(digest.by_project(told))),
            )
            return None

    # -- sending it --------------------------------------------------------

    def is_put_off(self, to: receivers.Receivers) -> bool:
        """Whether the mail server is away: then nothing is made for it."""
        return self.press.mails(to) and self.is_mail_put_off()

    def is_mail_put_off(self) -> bool:
        """The same of a report that goes by mail if it goes at all."""
        if self._away is None:
            return False
        self._undelivered.untried(self._away)
        self._of.summing.failed()
        return True

    def bring(
        self,
        printed: Printed,
        projects: Collection[str],
        to: receivers.Receivers,
    ) -> tuple[Outcome, tuple[str, ...]]:
        """Send a report; what became of it, and who got it.

        :returns: without receivers where it went into the log.
        """
        names = tuple(sorted(projects))
        try:
            accepted = self.press.bring(to, printed)
        except errors.MailError as error:
            if isinstance(error, errors.MailAwayError):
                self._away = error
            self._undelivered.tell(printed.id, names, error)
            self.failed(printed.id, names)
            unknown = isinstance(error, errors.MailUncertainError)
            return (Outcome.UNKNOWN if unknown else Outcome.NOBODY), ()
        return Outcome.DELIVERED, accepted

    def failed(self, report_id: str, projects: Collection[str]) -> None:
        """Tell of a report that was not delivered, as far as is known."""
        self._of.summing.failed()
        self._of.observer.report_failed(report_id, tuple(sorted(projects)))

    def done(
        self,
        printed: Printed,
        created_at: datetime.datetime,
        told: Sequence[report.Finished],
        accepted: tuple[str, ...],
        *,
        perhaps: str = "",
    ) -> None:
        """Note that a report was delivered, and purge its tasks.

        :param perhaps: who may have got it besides, in words.
        """
        receiver = ", ".join(accepted) or INTO_LOG
        if perhaps:
            receiver = f"perhaps {perhaps}; {receiver}"
        names = tuple(sorted(digest.by_project(told)))
        self.store.note_delivered(printed.id, receiver)
        LOG.info(
            "Report %s of %d task(s) (%s) was delivered to %s",
            printed.id,
            len(told),
            undelivered.in_words(names),
            receiver,
        )
        shelf: ports.Shelf | None = self.press.shelf
        if shelf is not None:
            shelf.keep(printed.id, created_at, printed.rendered)
        if printed.what is not None:
            self._of.summing.delivered(printed.what)
        self._of.observer.report_sent(printed.id, names, accepted)
        self.purge(printed.id)

    def purge(self, report_id: str) -> None:
        """Remove the tasks of a report that was delivered."""
        self.writer.purge_report(report_id)

    # -- who, and how far --------------------------------------------------

    def readers_of(self, project_id: str) -> receivers.Receivers:
        """Who reads about a project, or why nobody does."""
        try:
            return self.readers.of(project_id)
        except errors.CloudError as error:
            return receivers.Receivers(why_nobody=str(error))

    def is_late(self, due_at: datetime.datetime) -> bool:
        """Whether what was due then goes to the operators."""
        return receivers.is_undeliverable(self.policy, due_at, self.now)

    def guard(
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
