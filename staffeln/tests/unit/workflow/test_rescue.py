# SPDX-License-Identifier: Apache-2.0
"""The tasks of the dead go on with the living, and nothing is made twice."""

from __future__ import annotations

from staffeln.domain import errors, task
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import SECOND, SETTLE, SILENCE

State = task.State
TIMEOUT = errors.NoAnswerError("timeout")


class RescueTest(world.WorldTest):
    """c1 leads and dies; c2 lives."""

    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world(conductors=2)
        self.volume_id = self.w.protect()
        self.w.lead()

    def current(self) -> task.Task:
        return self.w.task_of(self.volume_id)

    def finish(self) -> None:
        """Whatever goes on ends well, with one backup and its row."""
        self.w.work(2)
        self.w.cloud.finish_all()
        self.w.work()
        self.assertEqual(State.SUCCEEDED, self.current().state)
        self.assertEqual(1, len(self.w.made(self.volume_id)))
        self.assertEqual(1, len(self.w.rows(self.volume_id)))

    def test_claimed(self) -> None:
        self.w.store.claim("c1", task.Kind.BACKUP, 1, self.w.clock())
        self.w.kill("c1")
        self.w.work()
        self.assertEqual("c1", self.current().claimed_by)
        self.w.pass_time(SILENCE)
        self.w.work()
        self.assertEqual(State.PLANNED, self.current().state)
        self.assertIn("c1 is gone", self.current().reason)
        self.assertIn("c1 on host is silent since", self.log.output)
        self.assertEqual(
            ["c2"], [each.id for each in self.w.store.conductors()]
        )
        self.finish()

    def test_silent_to_the_second(self) -> None:
        self.w.store.claim("c1", task.Kind.BACKUP, 1, self.w.clock())
        self.w.kill("c1")
        self.w.pass_time(SILENCE - SECOND)
        self.w.processes["c2"].work()
        self.assertEqual(State.CLAIMED, self.current().state)

    def test_starting_with_nothing_made(self) -> None:
        self.w.cloud.fail("create_backup", TIMEOUT)
        self.w.processes["c1"].work()
        self.w.kill("c1")
        self.w.pass_time(SILENCE)
        self.w.work()
        self.assertEqual(
            (State.STARTING, "c2"),
            (self.current().state, self.current().claimed_by),
        )
        seen = self.w.clock()
        while self.w.clock() - seen < SETTLE - world.POLL:
            self.w.work()
            self.assertEqual(State.STARTING, self.current().state)
        self.w.work()
        self.assertIn("its caller was gone", self.current().reason)
        self.finish()
        self.assertEqual(2, self.current().attempt)

    def test_starting_with_a_backup_made(self) -> None:
        self.w.cloud.fail("create_backup", TIMEOUT, after=True)
        self.w.cloud.fail("backups_of_volume", TIMEOUT)
        self.w.processes["c1"].work()
        self.w.kill("c1")
        self.w.pass_time(SILENCE)
        self.w.work()
        self.assertEqual(State.RUNNING, self.current().state)
        self.finish()
        self.assertEqual(1, self.current().attempt)

    def test_running(self) -> None:
        self.w.processes["c1"].work()
        self.w.kill("c1")
        self.w.cloud.finish_all()
        self.w.pass_time(SILENCE)
        self.w.work()
        self.assertEqual(State.SUCCEEDED, self.current().state)
        self.assertEqual(
            [
                "planned",
                "claimed",
                "starting",
                "running",
                "running",
                "succeeded",
            ],
            self.w.story(self.current()),
        )

    def test_a_conductor_without_a_row_is_dead_at_once(self) -> None:
        self.w.processes["c1"].work()
        self.w.store.unregister_conductor("c1")
        self.w.kill("c1")
        self.w.work()
        self.assertEqual("c2", self.current().claimed_by)
        self.finish()

    def test_the_living_keep_what_they_have(self) -> None:
        self.w.processes["c1"].work()
        self.w.work(30)
        self.assertEqual("c1", self.current().claimed_by)

    def test_who_is_taken_for_dead_does_not_record(self) -> None:
        """c1 was only slow: what it answers late is dropped."""
        slow = self.w.processes["c1"]
        slow.work()
        self.w.kill("c1")
        self.w.pass_time(SILENCE)
        self.w.work()
        self.assertEqual("c2", self.current().claimed_by)
        self.w.cloud.finish_all()
        slow.work()
        self.assertEqual(State.RUNNING, self.current().state)
        self.w.work()
        self.assertEqual(State.SUCCEEDED, self.current().state)

    def test_a_restarted_conductor_takes_over_from_its_past(self) -> None:
        self.w.kill("c2")
        self.w.store.unregister_conductor("c2")
        self.w.processes["c1"].work()
        self.w.kill("c1")
        self.w.start_conductor("c1-again")
        self.w.pass_time(SILENCE)
        self.w.work()
        self.assertEqual("c1-again", self.current().claimed_by)
        self.finish()

    def test_after_an_outage_the_living_keep_their_tasks(self) -> None:
        """Nobody could give a sign of life; somebody is the first again."""
        self.w.work()
        self.assertEqual("c1", self.current().claimed_by)
        self.w.clock.time += 2 * SILENCE
        # Its own round is the first after the outage, or its heart is.
        self.w.processes["c2"].work()
        self.w.processes["c2"].worker.after_outage()
        self.w.processes["c2"].beat()
        self.w.processes["c2"].work()
        self.assertEqual("c1", self.current().claimed_by)
        self.assertEqual(2, len(self.w.store.conductors()))
        # Whoever says nothing from then on is dead.
        for _ in range(5):
            self.w.clock.time += 2 * world.POLL
            self.w.processes["c2"].beat()
            self.w.processes["c2"].work()
        self.assertEqual("c2", self.current().claimed_by)

    def test_slow_rounds_are_no_outage(self) -> None:
        self.w.work()
        self.w.kill("c1")
        for _ in range(3):
            self.w.pass_time(SILENCE * 0.6)
            self.w.processes["c2"].work()
        self.assertEqual("c2", self.current().claimed_by)

    def test_a_sign_at_the_last_moment_counts(self) -> None:
        self.w.work()
        store = self.w.store
        (one,) = [each for each in store.conductors() if each.id == "c1"]
        self.w.clock.time += SECOND
        self.w.processes["c1"].beat()
        self.assertFalse(store.unregister_conductor("c1", one.heartbeat_at))
        self.assertEqual(2, len(store.conductors()))


class BackAgainTest(world.WorldTest):
    def test_a_task_that_comes_back_is_looked_up_anew(self) -> None:
        """What an earlier attempt of ours waited for says nothing of it."""
        w = self.new_world(conductors=2)
        volume_id = w.protect()
        w.lead()
        one, two = w.processes["c1"], w.processes["c2"]
        w.cloud.fail("create_backup", TIMEOUT)
        one.work()
        first = w.task_of(volume_id)
        w.store.take_over([first], "c2", w.clock(), "silent")
        two.work()
        w.pass_time(SETTLE)
        w.cloud.fail("create_backup", TIMEOUT)
        two.work()
        two.work()
        second = w.task_of(volume_id)
        self.assertEqual(
            ("c2", State.STARTING, 2),
            (second.claimed_by, second.state, second.attempt),
        )
        w.store.take_over([second], "c1", w.clock(), "silent too")
        w.pass_time(world.POLL)
        one.work()
        self.assertEqual(State.STARTING, w.task_of(volume_id).state)
        w.pass_time(SETTLE)
        one.work()
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
        self.assertIn("caller was gone", w.task_of(volume_id).reason)
