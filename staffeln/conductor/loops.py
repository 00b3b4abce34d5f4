# SPDX-License-Identifier: Apache-2.0
"""The loops of a conductor: lead, work, and show that it lives.

Each loop runs one turn after the other in a thread of its own. A turn that
fails is logged once, here, and never ends its loop.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from staffeln import leadership, ports
from staffeln.conductor.rounds import Rhythm, Scheduling, Working
from staffeln.domain import errors
from staffeln.ports import occasion

LOG = logging.getLogger(__name__)

_HOLDING, _WORKING = "what the office takes", "planning"
"""What may fail in office, in words."""

RETRY_PERIOD = 60.0
"""Seconds after which a cycle that failed is tried again, at most."""


class Loop:
    """Turns until it is told to stop, and waits between two turns."""

    def __init__(
        self,
        name: str,
        turn: Callable[[], float],
        pause_after_failure: float,
        longest_end: float | None = None,
    ) -> None:
        """:param turn: one turn; returns seconds until the next.

        :param longest_end: seconds that its end is waited for; None: as long
            as it takes.
        """
        self._name = name
        self._longest_end = longest_end
        self._turn = turn
        self._pause_after_failure = pause_after_failure
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(
            target=self.run, name=name, daemon=True
        )

    def start(self) -> None:
        """Begin to turn, in a thread of its own."""
        self._thread.start()

    def wake(self) -> None:
        """Begin the next turn now, or again when this one ends."""
        self._wake.set()

    def stop(self) -> None:
        """Let the turn under way be the last; does not wait for it."""
        self._stop.set()
        self._wake.set()

    @property
    def alive(self) -> bool:
        """Whether its thread turns."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait until the last turn has ended, or for as long as is allowed."""
        self._thread.join(self._longest_end)
        if self.alive:
            LOG.warning("%s: the last turn is not waited for", self._name)

    def run(self) -> None:
        """Turn until told to stop."""
        while not self._stop.is_set():
            # Cleared before the turn: what wakes during it is not lost.
            self._wake.clear()
            if self._stop.is_set():
                break
            self._wake.wait(self._one_turn())

    def _one_turn(self) -> float:
        with occasion.about(request=occasion.new_request()):
            return self._one_turn_told()

    def _one_turn_told(self) -> float:
        try:
            return self._turn()
        except errors.StoppedError as error:
            LOG.debug("%s: %s", self._name, error)
        except errors.StaffelnError as error:
            LOG.error("%s: %s", self._name, error)
            LOG.debug("%s failed", self._name, exc_info=True)
        except Exception:  # the loop's border
            LOG.exception("%s: an unexpected error", self._name)
        return self._pause_after_failure


class Office:
    """The scheduler's loop: in office it leads, otherwise it applies."""

    def __init__(
        self,
        me: ports.Conductor,
        store: ports.Store,
        backend: ports.Leadership,
        scheduler: Scheduling,
        rhythm: Rhythm,
        *,
        on_planned: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param on_planned: called when there is new work."""
        self._me = me
        self._store = store
        self._backend = backend
        self._scheduler = scheduler
        self._rhythm = rhythm
        self._on_planned = on_planned
        self._clock = clock
        self._in_office = False
        self._failing: dict[str, float] = {}
        """Since when there is no success, by what fails."""
        self._rests_until = -math.inf
        self._told = ""
        self._tell_at = 0.0
        self._lead_at = self._look_at = clock()
        backend.watch(self._lost)

    def turn(self) -> float:
        """Apply for the office, and do what is due; seconds to the next.

        :raises StaffelnError: what failed; it is due again soon.
        """
        if self._clock() < self._rests_until:
            return self._rhythm.office_period
        try:
            if not self._hold_office():
                return self._rhythm.office_period
            self._failing.pop(_HOLDING, None)
        except Exception:
            self._failed(_HOLDING)
            raise
        try:
            self._do_what_is_due()
        except errors.OvertakenError:
            self.overtaken()
            raise
        except Exception:
            self._failed(_WORKING)
            raise
        waits = self._lead_at - self._clock()
        return max(0.0, min(waits, self._rhythm.office_period))

    @property
    def held(self) -> bool:
        """Whether this conductor is the scheduler, as far as it knows."""
        return self._in_office

    def overtaken(self) -> None:
        """Another scheduler took office; this one applies again."""
        self._in_office = False

    def _failed(self, what: str) -> None:
        """Do not keep others from an office that is of no use here.

        The backend's answer says nothing of the way to the database and to
        the cloud: another conductor may have one.
        """
        now = self._clock()
        since = self._failing.setdefault(what, now)
        patience = self._rhythm.heartbeat_timeout.total_seconds()
        if now - since < patience:
            return
        LOG.warning(
            "This conductor gives the office back: %s has failed for %d s",
            what,
            int(now - since),
        )
        self._backend.release()
        self._in_office = False
        self._failing.clear()
        self._rests_until = now + patience

    def _lost(self, why: str) -> None:
        """Told by the leadership, in a thread of its own."""
        if self._in_office:
            LOG.warning(
                "This conductor is not the scheduler any more: %s", why
            )
        self._in_office = False

    def _hold_office(self) -> bool:
        try:
            acquired = self._backend.acquire()
        except (errors.CoordinationError, errors.ConfigurationError) as error:
            self._tell(logging.ERROR, f"Nobody is asked to schedule: {error}")
            return False
        if not acquired:
            self._in_office = False
            self._told = ""
            return False
        if self._in_office:
            self._mind_rivals()
            return True
        rival = self._rival()
        if rival:
            self._backend.release()
            self._tell(
                logging.ERROR, f"This conductor does not schedule: {rival}"
            )
            return False
        self._told = ""
        self._scheduler.take_office()
        # It may have been lost meanwhile, unheard.
        self._in_office = self._backend.held()
        return self._in_office

    def _rival(self) -> str | None:
        return leadership.rival(
            self._me,
            self._store.conductors(),
            self._store.now(),
            self._rhythm.heartbeat_timeout,
            local=self._backend.local,
        )

    def _mind_rivals(self) -> None:
        """In office it stays: those who came later refuse, and say so.

        Were it to step down for them, nobody would schedule.
        """
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + self._rhythm.heartbeat_period
        rival = self._rival()
        if rival:
            self._tell(
                logging.WARNING, f"This conductor stays the scheduler: {rival}"
            )
        else:
            self._told = ""

    def _tell(self, level: int, line: str) -> None:
        """Say it once, and again in each cycle's time while it lasts."""
        now = self._clock()
        if line != self._told or now >= self._tell_at:
            LOG.log(level, "%s", line)
            self._tell_at = now + self._rhythm.backup_service_period
        self._told = line

    def _do_what_is_due(self) -> None:
        now = self._clock()
        if now >= self._lead_at:
            period = self._rhythm.backup_service_period
            # A cycle that fails is not put off for a whole long period.
            self._lead_at = now + min(period, RETRY_PERIOD)
            planned = self._scheduler.lead()
            self._failing.pop(_WORKING, None)
            self._lead_at = now + period
            if planned:
                self._on_planned()


class Errand:
    """What the scheduler does besides its cycles, in a loop of its own.

    So a long list holds no backup up, and a long cycle no retention.
    """

    def __init__(
        self,
        office: Office,
        errand: Callable[[], int],
        period: float,
        rhythm: Rhythm,
        *,
        on_planned: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param errand: returns how many tasks it planned.

        :param period: seconds from the start of one to the next.
        """
        self._office = office
        self._errand = errand
        self._period = period
        self._rhythm = rhythm
        self._on_planned = on_planned
        self._clock = clock
        self._due_at = clock()

    def turn(self) -> float:
        """Do it if it is due and this is the scheduler; seconds to the next.

        :raises StaffelnError: what failed; it is due again soon.
        """
        now = self._clock()
        if self._office.held and now >= self._due_at:
            self._due_at = now + min(self._period, RETRY_PERIOD)
            self._run()
            self._due_at = now + self._period
        if not self._office.held:
            return self._rhythm.office_period
        waits = self._due_at - self._clock()
        return max(0.0, min(waits, self._rhythm.office_period))

    def _run(self) -> None:
        try:
            planned = self._errand()
        except errors.OvertakenError:
            self._office.overtaken()
            raise
        if planned:
            self._on_planned()


class Bench:
    """The worker's loop: at once again while there is something to do."""

    def __init__(self, worker: Working) -> None:
        self._worker = worker

    def turn(self) -> float:
        """One round of work; seconds to the next."""
        if self._worker.work():
            return 0.0
        return self._worker.rest.total_seconds()


class Heart:
    """The heartbeat's loop."""

    def __init__(
        self,
        me: ports.Conductor,
        store: ports.Store,
        rhythm: Rhythm,
        on_outage: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param on_outage: called before the first sign of life after a
        time in which some were missed.
        """
        self._me = me
        self._store = store
        self._rhythm = rhythm
        self._on_outage = on_outage
        self._clock = clock
        self._heard_at = clock()

    def turn(self) -> float:
        """One sign of life; seconds to the next."""
        silence = self._clock() - self._heard_at
        if silence >= self._rhythm.heartbeat_timeout.total_seconds() / 2:
            self._on_outage()
        if not self._store.heartbeat(self._me.id):
            LOG.warning(
                "This conductor was taken for dead; it registers again, and "
                "its tasks have gone to the others"
            )
            register(self._store, self._me)
        self._heard_at = self._clock()
        return self._rhythm.heartbeat_period


def register(store: ports.Store, me: ports.Conductor) -> None:
    """Write a conductor's row."""
    store.register_conductor(me.id, me.host, me.pid, me.backend)
