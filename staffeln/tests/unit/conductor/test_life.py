# SPDX-License-Identifier: Apache-2.0
"""The life of a worker process, from connecting to a polite end."""

from __future__ import annotations

import datetime
import functools
import queue
import threading
import time
from collections.abc import Callable

import fixtures

from staffeln import ports
from staffeln.conductor import life, pulse
from staffeln.conductor.rounds import Parts, Rhythm
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.unit.conductor import stand_ins

LIMIT = 60
"""Seconds for whatever has to happen, on a busy machine."""

NOW = datetime.datetime(2026, 1, 1, 12)  # noqa: DTZ001  UTC without a zone


class Aside:
    """Says when it begins and ends."""

    def __init__(self, say: stand_ins.Say) -> None:
        self.start = functools.partial(say, "aside began")
        self.stop = functools.partial(say, "aside ended")


class Watch(pulse.Pulse):
    """Remembers whose turns it looks at."""

    def __init__(self) -> None:
        super().__init__("")
        self.names: set[str] = set()

    def watched(
        self, name: str, turn: Callable[[], float], limit: float
    ) -> Callable[[], float]:
        """A loop's turn."""
        self.names.add(name)
        return super().watched(name, turn, limit)


class LifeTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.said: queue.Queue[str] = queue.Queue()
        self.crashed = threading.Event()
        self.worker = stand_ins.Worker(self.said.put)
        self.store = stand_ins.Rows(NOW, self.said.put)
        self.build_failures: list[Exception] = []
        self.scheduler = stand_ins.Scheduler(self.said.put)
        self.mail_ends = threading.Event()
        self.cut_short = self.mail_ends.set

    def build(self, _: threading.Event, wake: Callable[[], None]) -> Parts:
        self.said.put("build")
        if self.build_failures:
            raise self.build_failures.pop(0)
        self.wake = wake
        return Parts(
            me=ports.Conductor(
                id="me",
                host="here",
                pid=7,
                backend="none",
                started_at=NOW,
                heartbeat_at=NOW,
            ),
            store=self.store,
            leadership=stand_ins.Office(self.said.put),
            scheduler=self.scheduler,
            worker=self.worker,
            rhythm=Rhythm(
                backup_service_period=3600,
                retention_service_period=3600,
                task_poll_period=3600,
                heartbeat_period=3600,
                # Whoever looks before the office is taken looks again soon.
                office_period=0.05,
                heartbeat_timeout=datetime.timedelta(hours=4),
            ),
            close=lambda: self.said.put("closed"),
            count=self.count,
            asides=[Aside(self.said.put)],
            cut_short=self.cut_short,
        )

    def count(self) -> int:
        self.said.put("counted")
        return 0

    def start(self) -> life.Life:
        made = life.Life(self.build, self.crashed.set)
        made.start()
        self.addCleanup(made.stop)
        return made

    def wait_for(self, *wanted: str) -> None:
        """Until all was said, whatever else is said meanwhile."""
        missing = set(wanted)
        limit = time.monotonic() + LIMIT
        while missing:
            left = max(0.0, limit - time.monotonic())
            missing.discard(self.said.get(timeout=left))

    def all_said(self) -> list[str]:
        said = []
        while not self.said.empty():
            said.append(self.said.get())
        return said

    def test_registers_before_it_works_and_leaves_in_order(self) -> None:
        made = self.start()
        self.wait_for("registered me here none")
        self.wait_for("work")
        made.stop()
        steps = [
            "handed back",
            "office closed",
            "aside ended",
            "unregistered me",
            "closed",
        ]
        # An errand's last turn may end after tasks were handed back.
        self.assertEqual(steps, [x for x in self.all_said() if x in steps])
        self.assertIn("3 task(s) handed back", self.log.output)

    def test_what_watches_begins_with_it_and_counts_in_office(self) -> None:
        self.start()
        self.wait_for("aside began")
        self.wait_for("counted")

    def test_all_errands_are_run_in_office(self) -> None:
        self.start()
        self.wait_for("lead", "retain", "reconcile", "report")

    def test_no_loop_can_be_stuck_unseen(self) -> None:
        watch = Watch()
        made = life.Life(self.build, self.crashed.set, watch)
        made.start()
        self.addCleanup(made.stop)
        self.wait_for("lead", "retain", "reconcile", "report", "counted")
        loops = "Heartbeat Work Scheduling Retention Reconciliation Reports"
        self.assertEqual({*loops.split(), "Census"}, watch.names)

    def keep_mail_waiting(self) -> None:
        """A mail server hangs while a report is sent."""

        def report() -> int:
            self.said.put("sending")
            self.mail_ends.wait()
            return 0

        self.scheduler.report = report  # type: ignore[method-assign]
        self.addCleanup(self.mail_ends.set)

    def test_mail_is_cut_short_at_the_end(self) -> None:
        self.keep_mail_waiting()
        made = self.start()
        self.wait_for("sending")
        made.stop()
        self.assertTrue(self.mail_ends.is_set())
        self.assertIn("unregistered me", self.all_said())
        self.assertNotIn("not waited for", self.log.output)

    def test_no_mail_keeps_the_office_from_the_next(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.conductor.life.LONGEST_GOODBYE", 0.01
            )
        )
        self.cut_short = lambda: None
        self.keep_mail_waiting()
        made = self.start()
        self.wait_for("sending")
        made.stop()
        self.assertFalse(self.mail_ends.is_set())
        self.assertIn("office closed", self.all_said())
        self.assertIn(
            "Reports: the last turn is not waited for", self.log.output
        )

    def test_it_can_be_woken(self) -> None:
        self.start()
        self.wait_for("work")
        self.wake()
        self.wait_for("work")

    def test_a_step_of_the_end_that_fails_keeps_no_other_off(self) -> None:
        made = self.start()
        self.wait_for("work")
        self.worker.last_words = errors.StoreError("database away")
        made.stop()
        steps = ["office closed", "aside ended", "unregistered me", "closed"]
        self.assertEqual(steps, [x for x in self.all_said() if x in steps])
        self.assertIn(
            "Handing tasks back failed: database away", self.log.output
        )

    def test_it_connects_again_until_it_works(self) -> None:
        self.build_failures = [
            errors.SchemaError("not upgraded"),
        ]
        self.start()
        self.wait_for("build")
        self.wait_for("build")
        self.wait_for("work")
        self.assertIn("Starting the conductor failed", self.log.output)

    def test_stopped_while_it_connects_it_ends(self) -> None:
        self.build_failures = [
            errors.NotSentError("refused") for _ in range(99)
        ]
        made = self.start()
        self.wait_for("build")
        made.stop()
        self.assertNotIn("work", self.all_said())
        self.assertFalse(self.crashed.is_set())

    def test_without_a_row_nothing_stays_open(self) -> None:
        self.store.refusals = [errors.StoreError("database away")]
        self.start()
        self.wait_for("office closed")
        self.wait_for("closed")
        self.wait_for("registered me here none")

    def test_a_crash_is_told_to_who_can_end_the_process(self) -> None:
        made = life.Life(self.build, self.crashed.set)
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.conductor.loops.Loop", None)
        )
        made.start()
        made.wait()
        self.assertTrue(self.crashed.is_set())
        self.assertIn("unexpected", self.log.output)
