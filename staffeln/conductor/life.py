# SPDX-License-Identifier: Apache-2.0
"""The life of one worker process: connect, turn the loops, end politely."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence

from staffeln.conductor import loops, patience, pulse
from staffeln.conductor.rounds import Parts
from staffeln.domain import errors

LOG = logging.getLogger(__name__)

WATCH_PERIOD = 5.0
"""Seconds between two looks at whether all loops turn."""

LONGEST_GOODBYE = 5.0
"""Seconds that the end waits for reports: people's mail must not keep the
office from the next conductor, which goes on with what is not known."""

_REPORTS = "Reports"

Build = Callable[[threading.Event, Callable[[], None]], Parts]
"""Puts a conductor together: the event that ends all waiting, and what to
call when there may be work for the worker's loop."""


class Life:
    """One conductor's life, in threads of this process.

    Nothing that happens in it ends the process: oslo.service would start
    another one at once, and again, with a traceback each time.
    """

    def __init__(
        self,
        build: Build,
        on_crash: Callable[[], None],
        alive: pulse.Pulse | None = None,
    ) -> None:
        """Nothing happens yet.

        :param build: connects everything; tried until it works.
        :param on_crash: called when the life ends without being asked to.
        :param alive: told while all turns; None: nobody asks.
        """
        self._alive = alive or pulse.Pulse("")
        self._build = build
        self._on_crash = on_crash
        self._stop = threading.Event()
        self._bench: loops.Loop | None = None
        self._thread = threading.Thread(
            target=self._live, name="conductor", daemon=True
        )

    def start(self) -> None:
        """Begin to live; does not wait for any connection."""
        self._thread.start()

    def stop(self) -> None:
        """End politely: finish calls, hand tasks back; waits for the end."""
        self._stop.set()
        self._thread.join()

    def wait(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _live(self) -> None:
        try:
            parts = self._connect()
            if parts is not None:
                self._turn(parts)
        except Exception:  # the thread's border
            LOG.exception("The conductor ends with an unexpected error")
            self._on_crash()

    def _connect(self) -> Parts | None:
        return patience.until_done(
            "Starting the conductor",
            self._build_and_register,
            (Exception,),
            self._stop.wait,
        )

    def _build_and_register(self) -> Parts:
        self._alive.beat(pulse.Stage.STARTING)
        parts = self._build(self._stop, self._wake)
        try:
            loops.register(parts.store, parts.me)
        except BaseException:
            parts.leadership.close()
            parts.close()
            raise
        return parts

    def _wake(self) -> None:
        if self._bench is not None:
            self._bench.wake()

    def _turn(self, parts: Parts) -> None:
        rhythm = parts.rhythm
        heart = loops.Loop(
            "Heartbeat",
            self._alive.watched(
                "Heartbeat",
                loops.Heart(
                    parts.me, parts.store, rhythm, parts.worker.after_outage
                ).turn,
                pulse.HEART_LIMIT,
            ),
            rhythm.heartbeat_period,
        )
        self._bench = loops.Loop(
            "Work",
            self._alive.watched(
                "Work", loops.Bench(parts.worker).turn, pulse.WORK_LIMIT
            ),
            rhythm.task_poll_period,
        )
        scheduling = self._scheduling(parts)
        turning = (heart, self._bench, *scheduling)
        for each in (*parts.asides, *turning):
            each.start()
        self._alive.beat(pulse.Stage.WORKING)
        LOG.info("Conductor %s is up", parts.me.id)
        while not self._stop.wait(WATCH_PERIOD):
            self._alive.beat(pulse.Stage.WORKING)
            if not all(loop.alive for loop in turning):
                # Half a conductor would count as alive and do nothing: the
                # parent starts a whole one.
                LOG.critical("A loop of the conductor has ended; so does it")
                os._exit(1)
        self._end(parts, heart, self._bench, scheduling)

    def _scheduling(self, parts: Parts) -> list[loops.Loop]:
        """What only the conductor in office does."""
        rhythm = parts.rhythm
        office = loops.Office(
            parts.me,
            parts.store,
            parts.leadership,
            parts.scheduler,
            rhythm,
            on_planned=self._wake,
        )
        errands = (
            (
                "Retention",
                parts.scheduler.retain,
                rhythm.retention_service_period,
            ),
            ("Reconciliation", parts.scheduler.reconcile, loops.RETRY_PERIOD),
            (
                _REPORTS,
                parts.scheduler.report,
                min(loops.RETRY_PERIOD, rhythm.backup_service_period),
            ),
            *(
                (("Census", parts.count, rhythm.census_period),)
                if parts.count
                else ()
            ),
        )
        return [
            loops.Loop(
                "Scheduling",
                self._alive.watched(
                    "Scheduling", office.turn, pulse.WORK_LIMIT
                ),
                rhythm.office_period,
            ),
            *(
                loops.Loop(
                    name,
                    self._alive.watched(
                        name,
                        loops.Errand(
                            office,
                            errand,
                            period,
                            rhythm,
                            on_planned=self._wake,
                        ).turn,
                        pulse.WORK_LIMIT,
                    ),
                    rhythm.office_period,
                    LONGEST_GOODBYE if name == _REPORTS else None,
                )
                for name, errand, period in errands
            ),
        ]

    def _end(
        self,
        parts: Parts,
        heart: loops.Loop,
        bench: loops.Loop,
        scheduling: Sequence[loops.Loop],
    ) -> None:
        """Stop in the order that leaves nothing to the others to find out.

        Tasks are handed back before a long harvest is waited for, and the
        heart beats until then.
        """
        LOG.info("Conductor %s stops", parts.me.id)
        bench.stop()
        for loop in scheduling:
            loop.stop()
        _last_step("Ending what waits", parts.cut_short)
        bench.join()
        handed_back = _last_step("Handing tasks back", parts.worker.hand_back)
        for loop in scheduling:
            loop.join()
        _last_step("Giving the office back", parts.leadership.close)
        for aside in parts.asides:
            # After all that they are to tell of.
            _last_step(f"Ending {type(aside).__name__}", aside.stop)
        heart.stop()
        heart.join()
        _last_step(
            "Unregistering",
            lambda: parts.store.unregister_conductor(parts.me.id),
        )
        _last_step("Closing connections", parts.close)
        LOG.info(
            "Conductor %s has stopped; %d task(s) handed back",
            parts.me.id,
            handed_back or 0,
        )


def _last_step(name: str, step: Callable[[], int | None]) -> int | None:
    """Take one step of the end; a failure does not keep the others off."""
    try:
        return step()
    except errors.StaffelnError as error:
        LOG.error("%s failed: %s", name, error)
    except Exception:  # the end goes on
        LOG.exception("%s failed", name)
    return None
