# SPDX-License-Identifier: Apache-2.0
"""The tasks of conductors that died or stopped go on with the living."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable

from staffeln import ports
from staffeln.domain import task
from staffeln.workflow import record

LOG = logging.getLogger(__name__)


class Rescuer:
    """Brings the tasks of silent conductors back to life.

    A conductor is dead when its heartbeat is older than the timeout, on the
    database's clock, or when it has no row any more. Its claimed tasks are
    planned again; started ones get this conductor as their holder, which
    looks for what their attempts made before it does anything else.
    """

    def __init__(
        self,
        store: ports.Store,
        recorder: record.Recorder,
        heartbeat_timeout: datetime.timedelta,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._timeout = heartbeat_timeout
        self._outage = False
        self._patient_until: datetime.datetime | None = None

    def after_outage(self) -> None:
        """The database is back, or about to be: nobody could be heard.

        Called by the heartbeat's thread, before it is heard again itself.
        """
        self._outage = True

    def rescue(self, now: datetime.datetime) -> int:
        """One round; returns how many tasks were rescued."""
        # In this order: who holds a task was registered before it claimed.
        holders = self._store.holders()
        conductors = self._store.conductors()
        self._mind_outage(conductors, now)
        with_row = set()
        for each in conductors:
            if not (self._is_silent(each, now) and self._remove(each)):
                with_row.add(each.id)
        gone = holders - with_row - {self._recorder.conductor_id}
        return sum(
            _rescue_from(self._store, self._recorder, each, now)
            for each in sorted(gone)
        )

    def _mind_outage(
        self, conductors: Iterable[ports.Conductor], now: datetime.datetime
    ) -> None:
        """Wait for the others' signs as long as for anybody's.

        Where this conductor could give none, they could not either, and
        somebody is the first that can again.
        """
        stale = any(
            each.id == self._recorder.conductor_id
            and now - each.heartbeat_at >= self._timeout / 2
            for each in conductors
        )
        if self._outage or stale:
            self._outage = False
            self._patient_until = now + self._timeout

    def _is_silent(
        self, each: ports.Conductor, now: datetime.datetime
    ) -> bool:
        if each.id == self._recorder.conductor_id:
            return False
        if self._patient_until is not None and now < self._patient_until:
            return False
        return now - each.heartbeat_at >= self._timeout

    def _remove(self, each: ports.Conductor) -> bool:
        """Take a silent one off the list; False: it has given a sign."""
        if not self._store.unregister_conductor(each.id, each.heartbeat_at):
            return False
        LOG.warning(
            "Conductor %s on %s is silent since %s: its tasks go to the "
            "others",
            each.id,
            each.host,
            each.heartbeat_at.isoformat(" ", "seconds"),
        )
        return True


def _rescue_from(
    store: ports.Store,
    recorder: record.Recorder,
    conductor_id: str,
    now: datetime.datetime,
) -> int:
    held = store.tasks(states=task.HELD, claimed_by=[conductor_id])
    reason = f"its conductor {conductor_id} is gone"
    back = [
        recorder.move(work, task.State.PLANNED, now, reason)
        for work in held
        if work.state is task.State.CLAIMED
    ]
    taken = store.take_over(
        [work for work in held if work.state is not task.State.CLAIMED],
        recorder.conductor_id,
        now,
        reason,
    )
    for work in taken:
        record.tell(work.state, work)
    return len(taken) + sum(work is not None for work in back)
