# SPDX-License-Identifier: Apache-2.0
"""What the scheduler's errands write by: its fenced way to the database."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Collection, Iterable

from staffeln import ports
from staffeln.domain import errors, model, report, task
from staffeln.workflow import observing, record

LOG = logging.getLogger(__name__)

_EXAMPLES = 5

MOST_FAILED = 20
"""Tasks that failed at once which a log names for each page of a plan."""


class Writer:
    """The scheduler's door to the database, for one term of office.

    Whoever began in this term writes nothing in a later one: what was read
    for it may be older than what was written meanwhile.
    """

    def __init__(
        self,
        store: ports.Store,
        conductor_id: str,
        term: int,
        in_office: Callable[[int], bool],
        observer: ports.Observer = observing.NOBODY,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """:param in_office: whether this conductor is in office in a term.

        :param stopping: whether this process is to end.
        """
        self._stopping = stopping
        self._store = store
        self._conductor_id = conductor_id
        self._term = term
        self._in_office = in_office
        self._observer = observer
        self.deciding = threading.Lock()
        """Held while it is decided what is deleted, until that is written,
        and while rows come back that others depend on: they come before, and
        are seen, or after, and withdraw what was planned without them."""

    def go_on(self) -> None:
        """Begin nothing more that would be done in vain.

        :raises OvertakenError: the office was lost.
        """
        if not self._in_office(self._term):
            raise errors.OvertakenError(
                f"term {self._term} is over: the office was lost, and nothing "
                "is written"
            )

    def read_on(self) -> None:
        """Read nothing more in vain; what was begun may still be written.

        :raises OvertakenError: the office was lost.
        :raises StoppedError: the process is to end.
        """
        self.go_on()
        if self._stopping():
            raise errors.StoppedError("the conductor stops: it reads no more")

    def write(self, rows: ports.PlanRecord) -> list[task.Task]:
        """Write what was planned, and tell it.

        :raises OvertakenError: another scheduler took office.
        """
        self.go_on()
        written = self._store.write_plan(self._term, rows, self._conductor_id)
        failed = 0
        for work in written:
            cancelled = work.state is task.State.CANCELLED
            before = task.State.PLANNED if cancelled else None
            failed += work.state is task.State.FAILED
            if work.state is not task.State.FAILED or failed <= MOST_FAILED:
                record.tell(before, work)
            self._observer.moved(before, work)
        if failed > MOST_FAILED:
            LOG.warning(
                "%d more tasks failed at once; staffeln task list --state "
                "failed names them",
                failed - MOST_FAILED,
            )
        _tell_left_out(rows.tasks, {work.id for work in written})
        return written

    def trip_breaker(
        self, would: int, total: int, seen: model.Breaker | None
    ) -> None:
        """Note that a round of retention did nothing.

        :param seen: what waited when the round decided so.
        """
        self.go_on()
        self._store.trip_breaker(self._term, would, total, seen)

    def reset_breaker(self) -> None:
        """Note that no round of retention waits."""
        self.go_on()
        self._store.reset_breaker(self._term)

    def forget_vanished(self, missing_before: datetime.datetime) -> int:
        """Remove rows that are vanished for long; how many."""
        self.go_on()
        return self._store.forget_vanished(self._term, missing_before)

    def note_reconciled(self, when: datetime.datetime) -> None:
        """Note that rows and Cinder were held against each other."""
        self.go_on()
        self._store.note_reconciled(self._term, when)

    def note_retention(self, when: datetime.datetime) -> None:
        """Keep when a round of retention ended that nothing held back."""
        self.go_on()
        self._store.note_retention(self._term, when)

    def note_cycle(self, cycle: model.Cycle) -> None:
        """Keep what a cycle came to, if it was complete."""
        self.go_on()
        self._store.note_cycle(self._term, cycle)

    # -- reports -----------------------------------------------------------

    def open_report(
        self,
        report_id: str,
        audience: report.Audience,
        project_ids: Collection[str],
        now: datetime.datetime,
    ) -> int:
        """Make a report, about to be sent; how many tasks it tells of."""
        self.go_on()
        return self._store.open_report(
            self._term, report_id, audience, project_ids, now
        )

    def attempt_report(self, report_id: str, now: datetime.datetime) -> bool:
        """Note that a report is about to be sent again; False: never."""
        self.go_on()
        return self._store.attempt_report(self._term, report_id, now)

    def note_refused(self, report_id: str) -> None:
        """Note that the last attempt at a report surely reached nobody."""
        self.go_on()
        self._store.note_refused(self._term, report_id)

    def dissolve_report(self, report_id: str) -> bool:
        """Let others tell of a report's tasks: nobody got it."""
        self.go_on()
        return self._store.dissolve_report(self._term, report_id)

    def purge_report(self, report_id: str) -> None:
        """Remove the tasks of a report that was delivered."""
        self.go_on()
        self._store.purge_report(self._term, report_id)

    def forget_reports(self, purged_until: datetime.datetime) -> int:
        """Remove rows of reports that are done with for long; how many."""
        self.go_on()
        return self._store.forget_reports(self._term, purged_until)


def _tell_left_out(tasks: Iterable[task.Task], written: set[str]) -> None:
    """What was planned and is not there: something live is in its way."""
    left = [work for work in tasks if work.id not in written]
    if left:
        more = len(left) - _EXAMPLES
        LOG.warning(
            "%d planned task(s) were left out, for another task is in the "
            "way; planned again in the next round: %s%s",
            len(left),
            ", ".join(
                f"{work.kind} of volume {work.volume_id}"
                for work in left[:_EXAMPLES]
            ),
            f" and {more} more" if more > 0 else "",
        )
