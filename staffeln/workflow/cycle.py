# SPDX-License-Identifier: Apache-2.0
"""The life of a cycle, top-down: what leads and what works.

One conductor is the scheduler: it leads cycles (harvest, plan, write).
Every conductor, that one included, works: it rescues, claims, starts,
settles, polls and cleans up. A unique key in the database, not this code,
makes a second live task for a volume impossible.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import threading
import time
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import errors, model, task
from staffeln.ports import occasion
from staffeln.workflow import clocks, observing, planning, record, rescue
from staffeln.workflow.capacity import Capacity
from staffeln.workflow.claiming import Claiming
from staffeln.workflow.follow import Follower
from staffeln.workflow.outcome import Outcomes
from staffeln.workflow.press import Press
from staffeln.workflow.protecting import Protecting
from staffeln.workflow.reconcile import Reconciliation, Retries
from staffeln.workflow.remove import Remover
from staffeln.workflow.reporting import Reporting
from staffeln.workflow.retain import Harvested, Retention
from staffeln.workflow.settings import Settings
from staffeln.workflow.start import Starter
from staffeln.workflow.tally import Tally
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

DELETE_POLL = datetime.timedelta(seconds=2)
"""Between two looks at deletes that Cinder is at work on, at most."""


class Scheduler:
    """The leader's work, one term of office after the other."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        conductor_id: str,
        *,
        held: Callable[[], bool],
        host_time: Callable[[], datetime.datetime] = clocks.host_time,
        observer: ports.Observer = observing.NOBODY,
        press: Press | None = None,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        tally: Tally | None = None,
    ) -> None:
        """:param held: whether this conductor still has the office.

        :param host_time: this host's clock, UTC.
        :param press: brings reports to people; None: there are none.
        :param stopping: whether this process is to end.
        :param clock: monotonic, in seconds.
        :param tally: what this conductor's worker counts; None: nobody does.
        """
        self._tally = tally or Tally()
        self._store = store
        self._cloud = cloud
        self._clock = clock
        self._settings = settings
        self._conductor_id = conductor_id
        self._held = held
        self._observer = observer
        self._press = press
        self._stopping = stopping
        self._term = 0
        self._clocks = clocks.Clocks(
            store, cloud.time, settings.clock_tolerance, host_time
        )
        self._reconciling = Retries()
        self._drawing = threading.RLock()
        """Held by a cycle while it harvests and decides."""
        self._known_gone: set[str] = set()
        """Servers that were proved gone: nobody asks for them again."""
        self._begin_term(0)

    def take_office(self) -> None:
        """Begin a term: what an earlier scheduler still writes is refused."""
        self._begin_term(self._store.take_office(self._conductor_id))
        LOG.info("This conductor is the scheduler now, term %d", self._term)

    def _begin_term(self, term: int) -> None:
        """Nothing that was read in an earlier term counts in this one."""
        self._term = term
        self._last_harvest: Harvested | None = None
        self._writer = Writer(
            self._store,
            self._conductor_id,
            term,
            self._in_office,
            self._observer,
            self._stopping,
        )
        self._retention = Retention(
            self._store,
            self._cloud,
            self._settings,
            self._writer,
            self._clocks,
            self._known_gone,
            self._clock,
        )
        self._protecting = Protecting(
            self._store, self._cloud, self._settings, self._writer
        )
        self._cycles = self._reported = 0
        self._reported_at: datetime.datetime | None = None
        """When the last round of reports began; at first, when the first
        could have."""
        self._reporting = (
            None
            if self._press is None
            else Reporting(
                self._store,
                self._cloud,
                self._press,
                self._writer,
                self._protecting.concerns,
                self._observer,
                stopping=self._stopping,
            )
        )

    def _in_office(self, term: int) -> bool:
        return self._held() and term == self._term

    def lead(self) -> int:
        """One cycle: harvest, plan, write; how many tasks were planned.

        :raises CloudError: the cloud could not be asked at all.
        :raises WrongCloudError: the database belongs to another cloud.
        :raises OvertakenError: another scheduler took office.
        """
        began = self._clock()
        writer, protecting, term = self._writer, self._protecting, self._term
        number = self._cycles + 1
        LOG.info("Cycle %d of term %d begins", number, term)
        with self._drawing:
            drawn = planning.draw(
                self._store,
                self._cloud,
                self._settings,
                ahead=self._settings.backup_service_period,
                go_on=writer.read_on,
                known_gone=self._known_gone,
                clock=self._clock,
            )
            if writer is self._writer:
                self._last_harvest = Harvested(
                    drawn.inventory.slim(), began, drawn.harvested_at
                )
        planning.tell(drawn, self._clock() - began)
        planned = 0
        for page in planning.pages(drawn):
            written = writer.write(page)
            planned += sum(w.state is task.State.PLANNED for w in written)
        cycle = dataclasses.replace(
            protecting.look(drawn, term),
            ended_at=self._store.now(),
            seconds=self._clock() - began,
        )
        writer.note_cycle(cycle)
        self._observer.cycle_ended(cycle)
        if writer is self._writer:
            self._cycles += 1
        self._tell_end(number, cycle, planned)
        return planned

    def _tell_end(self, number: int, cycle: model.Cycle, planned: int) -> None:
        """The last line of a cycle, with its figures."""
        LOG.info(
            "Cycle %d of term %d ended after %.1f s: %d backup(s) planned, "
            "%d of %d volumes without a recent one; this conductor since the "
            "last cycle: %s",
            number,
            cycle.term,
            cycle.seconds,
            planned,
            cycle.never_protected + cycle.stale,
            cycle.selected,
            self._tally.take(),
        )

    def retain(self) -> int:
        """One round of retention; how many delete tasks were planned.

        :raises CloudError: the cloud could not be asked at all.
        :raises WrongCloudError: the database belongs to another cloud.
        :raises OvertakenError: another scheduler took office.
        """
        began = self._clock()
        with self._drawing:
            # What a cycle is just harvesting is not harvested twice.
            writer, retention = self._writer, self._retention
            last = self._last_harvest
        planned = retention.round(last)
        if retention.complete:
            writer.note_retention(self._store.now())
        self._observer.retention_ended(
            self._clock() - began, complete=retention.complete
        )
        return planned

    def report(self) -> int:
        """Tell people what ended, once after each cycle.

        While none ends, for Keystone is away for instance, it goes on at
        their pace: mail may work, and people wait for it.

        :returns: 0: nothing is planned by it.
        :raises StoreError: the database did not answer; it is done again.
        :raises OvertakenError: another scheduler took office.
        """
        reporting, cycles = self._reporting, self._cycles
        if reporting is None:
            return 0
        now = self._store.now()
        if self._reported_at is None or now < self._reported_at:
            self._reported_at = now
        waited = now - self._reported_at
        if (
            cycles == self._reported
            and waited < self._settings.backup_service_period
        ):
            return 0
        reporting.round()
        if reporting is self._reporting:
            self._reported, self._reported_at = cycles, now
        return 0

    def reconcile(self) -> int:
        """Hold rows and Cinder's backups against each other, if it is time.

        :returns: 0: nothing is planned by it.
        :raises CloudError: the list could not be read to its end.
        :raises WrongCloudError: the database belongs to another cloud.
        :raises OvertakenError: another scheduler took office.
        """
        now = self._store.now()
        last = self._store.reconciled_at()
        period = self._settings.reconciliation_period
        if last is not None and last <= now < last + period:
            return 0
        if self._reconciling.is_early(now):
            return 0
        writer = self._writer
        reconciliation = Reconciliation(
            self._store, self._cloud, self._settings, writer, self._clocks
        )
        with self._reconciling.attempt():
            if reconciliation.run() is not None:
                writer.note_reconciled(now)
        return 0


class Worker:
    """What every conductor does, a round at a time.

    Calls that start or delete something run in threads of their own, so
    that a slow one holds nothing else up; one round never waits for them.
    """

    def __init__(
        self,
        store: ports.Store,
        engine: ports.Engine,
        settings: Settings,
        deployment_uuid: str,
        conductor_id: str,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        host_time: Callable[[], datetime.datetime] = clocks.host_time,
        observer: ports.Observer = observing.NOBODY,
    ) -> None:
        """:param wake: called when there is room for more tasks.

        :param clock: seconds, on a clock that goes on while this process
            stands still.
        :param host_time: this host's clock, UTC.
        """
        self._store = store
        self._settings = settings
        self._time = clocks.DatabaseTime(store, clock)
        self._recorder = record.Recorder(store, conductor_id, observer)
        outcomes = Outcomes(store, self._recorder, settings)
        self._starter = Starter(
            store,
            engine,
            self._recorder,
            outcomes,
            settings,
            deployment_uuid,
            clock,
            self._time.now,
        )
        self._clocks = clocks.Clocks(
            store, engine.clock, settings.clock_tolerance, host_time
        )
        self._follower = Follower(
            store, engine, self._recorder, outcomes, settings, self._clocks
        )
        self._rescuer = rescue.Rescuer(
            store,
            self._recorder,
            settings.heartbeat_timeout,
        )
        self._remover = Remover(
            store, engine, self._recorder, settings, clock, self._time.now
        )
        self._claiming = Claiming(
            store,
            self._recorder,
            settings,
            Capacity(engine, settings),
            clocks.Agreement(
                self._clocks, self._time, settings.task_poll_period
            ),
            wake,
            start=self._starter.start,
            delete=self._remover.start,
        )
        self._polled_at: datetime.datetime | None = None
        self._deletes_polled_at: datetime.datetime | None = None

    def work(self) -> int:
        """One round; how many tasks it moved or began to move.

        :raises StaffelnError: what a step failed with; all others were
            taken all the same.
        """
        now = self._time.ask()
        # Deletes take seconds, and the parent of each waits for it.
        steps = [
            self._poll_deletes,
            self._claiming.give_back_paused,
            self._claiming.claim_backups,
            self._claiming.claim_deletes,
        ]
        if self._poll_is_due(now):
            self._polled_at = now
            steps += [
                self._rescuer.rescue,
                self._settle,
                self._follower.poll,
            ]
        moved = 0
        failure: Exception | None = None
        for step in steps:
            try:
                moved += step(now)
            except errors.StaffelnError as error:
                failure = failure or error
            except Exception as error:  # one step keeps no other off
                LOG.exception("A step of the work failed")
                failure = failure or error
        if failure is not None:
            raise failure
        return moved

    @property
    def rest(self) -> datetime.timedelta:
        """How long to wait for the next round if nothing wakes it."""
        period = self._settings.task_poll_period
        return min(period, DELETE_POLL) if self._remover.busy else period

    def after_outage(self) -> None:
        """The others could not be heard either; takes no task of theirs."""
        self._rescuer.after_outage()

    def hand_back(self) -> int:
        """Finish the calls under way and give claimed tasks back.

        Started tasks keep this conductor's id; whoever comes next finds
        that it is gone and takes them over.

        :returns: how many tasks were handed back.
        """
        self._claiming.close()
        now = self._time.ask()
        held = self._held([task.State.CLAIMED])
        self._claiming.give_back(held, now, "its conductor stops")
        return len(held)

    def _poll_deletes(self, now: datetime.datetime) -> int:
        """Follow deletes, however often other things wake this conductor."""
        last = self._deletes_polled_at
        if last is not None and last <= now < last + self.rest:
            return 0
        self._deletes_polled_at = now
        return self._remover.poll(now)

    def _poll_is_due(self, now: datetime.datetime) -> bool:
        if self._polled_at is None or now < self._polled_at:
            return True
        return now - self._polled_at >= self._settings.task_poll_period

    def _settle(self, now: datetime.datetime) -> int:
        """Look after tasks of ours whose call is not under way any more.

        What is under way is asked before the database is: a call that ends
        in between is left to the next round.
        """
        under_way = self._claiming.under_way
        held = self._held([task.State.CLAIMED, task.State.STARTING])
        self._starter.forget_all_but(held)
        for work in held:
            if work.id not in under_way:
                with occasion.about_task(work):
                    self._settle_one(work, now)
        return 0

    def _settle_one(self, work: task.Task, now: datetime.datetime) -> None:
        if work.state is task.State.CLAIMED:
            self._recorder.move(
                work, task.State.PLANNED, now, "its start failed"
            )
        elif work.kind is task.Kind.BACKUP:
            self._starter.settle(work, now)
        else:
            self._remover.settle(work, now)

    def _held(self, states: list[task.State]) -> list[task.Task]:
        return self._store.tasks(
            states=states, claimed_by=[self._recorder.conductor_id]
        )
