# SPDX-License-Identifier: Apache-2.0
"""Slow calls in their threads: they hold nothing else up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from staffeln.domain import task
from staffeln.engines.cinder import CinderEngine
from staffeln.tests.unit.workflow import world
from staffeln.workflow import cycle

State = task.State
PATIENCE = 60
"""Seconds after which a test gives up; nothing waits so long."""


class SlowEngine(CinderEngine):
    """Cinder's answers to create calls wait until they are let go."""

    begun: threading.Semaphore
    let_go: threading.Event

    def start(
        self,
        work: task.Task,
        deployment_uuid: str,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """As slow as the test wants it."""
        self.begun.release()
        assert self.let_go.wait(PATIENCE)
        return super().start(work, deployment_uuid, in_time)


class PoolTest(world.WorldTest):
    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world()
        self.first, self.second = self.w.protect(), self.w.protect()
        self.w.lead()
        self.engine = SlowEngine(self.w.cloud)
        self.engine.begun = threading.Semaphore(0)
        self.engine.let_go = threading.Event()
        self.woken = threading.Semaphore(0)
        self.worker = cycle.Worker(
            self.w.store,
            self.engine,
            world.settings(backup_workers=1),
            "deployment",
            "c1",
            self.woken.release,
        )
        self.addCleanup(self.worker.hand_back)
        self.addCleanup(self.engine.let_go.set)

    def begin(self) -> None:
        """A round that begins a call, which does not end."""
        self.worker.work()
        self.assertTrue(self.engine.begun.acquire(timeout=PATIENCE))

    def test_a_slow_call_is_left_alone(self) -> None:
        self.begin()
        for _ in range(3):
            self.w.pass_time(world.SETTLE)
            self.worker.work()
        self.assertEqual(State.STARTING, self.w.task_of(self.first).state)
        self.assertEqual(0, self.w.cloud.count("backups_of_volume"))

    def test_no_more_is_claimed_than_there_are_threads(self) -> None:
        self.begin()
        self.worker.work()
        self.assertEqual(State.PLANNED, self.w.task_of(self.second).state)
        self.engine.let_go.set()
        self.assertTrue(self.woken.acquire(timeout=PATIENCE))
        self.begin()
        self.assertTrue(self.woken.acquire(timeout=PATIENCE))
        for volume_id in (self.first, self.second):
            self.assertEqual(State.RUNNING, self.w.task_of(volume_id).state)

    def test_a_polite_stop_waits_for_the_call(self) -> None:
        self.begin()
        stopping = threading.Thread(target=self.worker.hand_back)
        stopping.start()
        self.assertTrue(stopping.is_alive())
        self.assertEqual(State.STARTING, self.w.task_of(self.first).state)
        self.engine.let_go.set()
        stopping.join(PATIENCE)
        self.assertFalse(stopping.is_alive())
        self.assertEqual(State.RUNNING, self.w.task_of(self.first).state)
        self.w.check()

    def test_what_waits_for_a_thread_is_given_back(self) -> None:
        self.begin()
        pool = self.worker._claiming.starts
        (claimed,) = self.w.store.claim(
            "c1", task.Kind.BACKUP, 1, self.w.clock()
        )
        pool.submit(claimed, self.worker._starter.start)
        cancelled = threading.Event()
        _, future = pool._under_way[claimed.id]
        future.add_done_callback(lambda _: cancelled.set())
        self.assertEqual(0, pool.wants)
        stopping = threading.Thread(target=self.worker.hand_back)
        stopping.start()
        self.assertTrue(cancelled.wait(PATIENCE))
        self.engine.let_go.set()
        stopping.join(PATIENCE)
        self.assertEqual(State.RUNNING, self.w.task_of(self.first).state)
        self.assertEqual(State.PLANNED, self.w.task_of(self.second).state)
        self.assertEqual(frozenset(), pool.under_way)


class LimitTest(world.WorldTest):
    """More threads than calls: they prepare the next, and save answers."""

    def setUp(self) -> None:
        """Four calls are under way, and what is claimed is begun."""
        super().setUp()
        self.w = self.new_world()
        self.volumes = [self.w.protect() for _ in range(12)]
        self.w.lead()
        self.engine = SlowEngine(self.w.cloud)
        self.engine.begun = threading.Semaphore(0)
        self.engine.let_go = threading.Event()
        self.worker = cycle.Worker(
            self.w.store,
            self.engine,
            world.settings(backup_workers=4),
            "deployment",
            "c1",
            lambda: None,
        )
        self.addCleanup(self.worker.hand_back)
        self.addCleanup(self.engine.let_go.set)
        self.worker.work()
        for _ in range(4):
            self.assertTrue(self.engine.begun.acquire(timeout=PATIENCE))
        limit = time.monotonic() + PATIENCE
        while len(self.w.store.tasks(states=[State.STARTING])) < 6:
            self.assertLess(time.monotonic(), limit, "nothing is prepared")

    def claimed(self) -> int:
        return len(self.w.store.tasks(states=[State.CLAIMED]))

    def all_that_begins(self) -> int:
        """How many backups run once Cinder has answered."""
        self.engine.let_go.set()
        self.worker.hand_back()
        self.w.check()
        states = [self.w.task_of(each).state for each in self.volumes]
        self.assertEqual({State.RUNNING, State.PLANNED}, set(states))
        return states.count(State.RUNNING)

    def test_no_more_calls_are_under_way_than_workers(self) -> None:
        self.assertFalse(self.engine.begun.acquire(blocking=False))
        self.assertEqual(6, self.all_that_begins())

    def test_what_is_claimed_ahead_waits_when_it_is_paused(self) -> None:
        self.assertEqual(4, self.claimed())
        self.w.store.pause(task.Kind.BACKUP, "p")
        self.worker.work()
        self.assertEqual(0, self.claimed())
        self.assertEqual(6, self.all_that_begins())

    def test_what_is_claimed_ahead_of_others_goes_on(self) -> None:
        self.w.store.pause(task.Kind.BACKUP, "another")
        self.w.store.pause(task.Kind.DELETE, "")
        self.worker.work()
        self.assertEqual(4, self.claimed())

    def test_no_delete_is_claimed_ahead(self) -> None:
        self.assertEqual(2, self.worker._claiming.deletes.wants)
