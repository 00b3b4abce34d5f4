# SPDX-License-Identifier: Apache-2.0
"""The queue before the message bus: it is bounded, and counts."""

from __future__ import annotations

import queue
import threading

from staffeln.domain import task
from staffeln.notify.messaging import Bus, Notification
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

LIMIT = 60


class BusTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sent: queue.Queue[Notification] = queue.Queue()
        self.tried = threading.Event()
        self.failure: Exception | None = None
        self.published = 0
        self.dropped = 0
        self.closed = threading.Event()

    def publish(self, message: Notification) -> None:
        self.tried.set()
        if self.failure is not None:
            raise self.failure
        self.sent.put(message)

    def count(self, number: int, published: bool) -> None:
        if published:
            self.published += number
        else:
            self.dropped += number

    def bus(self, most_waiting: int = 10, pause: float = 0.01) -> Bus:
        return Bus(
            self.publish,
            "d1",
            self.count,
            most_waiting=most_waiting,
            pause=pause,
            close=self.closed.set,
        )

    def ended(self, number: int) -> task.Task:
        return samples.backup_task(f"t{number}", state=task.State.SUCCEEDED)

    def names(self) -> list[str]:
        found = []
        while not self.sent.empty():
            found.append(self.sent.get().payload["task_id"])
        return found

    def test_the_oldest_go_when_too_many_wait(self) -> None:
        bus = self.bus(most_waiting=3)
        for number in range(5):
            bus.moved(task.State.RUNNING, self.ended(number))
        self.assertEqual(2, self.dropped)
        bus.start()
        bus.stop()
        self.assertEqual(["t2", "t3", "t4"], self.names())
        self.assertEqual(3, self.published)
        self.assertTrue(self.closed.wait(LIMIT))

    def test_what_failed_stays_in_its_place(self) -> None:
        self.failure = OSError("down")
        bus = self.bus()
        bus.start()
        for number in range(3):
            bus.moved(task.State.RUNNING, self.ended(number))
        self.assertTrue(self.tried.wait(LIMIT))
        self.failure = None
        bus.moved(task.State.RUNNING, self.ended(3))
        found = [
            self.sent.get(timeout=LIMIT).payload["task_id"] for _ in range(4)
        ]
        bus.stop()
        self.assertEqual(["t0", "t1", "t2", "t3"], found)
        self.assertEqual((4, 0), (self.published, self.dropped))
        self.assertEqual(1, self.log.output.count("OSError: down"))

    def test_a_bus_that_stays_down_is_tried_once_more_at_the_end(self) -> None:
        self.failure = OSError("down")
        bus = self.bus(pause=LIMIT)
        bus.start()
        bus.moved(task.State.RUNNING, self.ended(1))
        bus.moved(task.State.RUNNING, self.ended(2))
        self.assertTrue(self.tried.wait(LIMIT))
        bus.stop()
        self.assertEqual((0, 2), (self.published, self.dropped))
        self.assertIn("2 were not sent before the end", self.log.output)
        self.assertFalse(self.closed.is_set())

    def test_what_is_worth_telling(self) -> None:
        bus = self.bus(most_waiting=100)
        for kind in task.Kind:
            for state in task.State:
                bus.moved(None, samples.backup_task(kind=kind, state=state))
        bus.report_failed("r1", ("p1",))
        bus.cycle_ended(samples.cycle())
        bus.retention_ended(1, complete=True)
        bus.start()
        bus.stop()
        found = []
        while not self.sent.empty():
            message = self.sent.get()
            found.append((message.event_type, message.is_error))
        self.assertEqual(
            [
                (f"staffeln.{what}.{event}", event == "error")
                for what in ("backup", "backup.delete")
                for event in ("start", "end", "error")
            ],
            found,
        )
