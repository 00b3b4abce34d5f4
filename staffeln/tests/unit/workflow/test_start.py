# SPDX-License-Identifier: Apache-2.0
"""Starting backups: what clear answers lead to."""

from __future__ import annotations

import dataclasses

from staffeln.domain import errors, task
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import DAY, MINUTE, SETTLE
from staffeln.workflow import outcome

State = task.State
Mode = task.Mode

TIMEOUT = errors.NoAnswerError("Cinder: gateway timeout", status=504)
BAD_STATE = errors.InvalidRequestError("Cinder: bad state", status=400)


class RefusedIncrementalTest(world.WorldTest):
    def test_a_full_one_follows_in_the_same_cycle(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.pass_time(DAY)
        w.lead()
        w.cloud.fail("create_backup", BAD_STATE)
        w.work(2)
        work = w.task_of(volume_id)
        self.assertEqual((State.RUNNING, 2), (work.state, work.attempt))
        self.assertEqual(Mode.FULL, work.mode)
        w.cloud.finish_all()
        w.work()
        self.assertEqual(
            [False, False], [row.incremental for row in w.rows(volume_id)]
        )
        record = w.store.volume_record(volume_id)
        assert record is not None
        self.assertEqual(1, record.incremental_failures)
        self.assertEqual(0, record.failures)

    def test_cinder_has_no_parent_for_it(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.cloud.change_backup(w.made(volume_id)[0].id, status="error")
        w.pass_time(DAY)
        w.lead()
        w.work(2)
        work = w.task_of(volume_id)
        self.assertEqual((State.RUNNING, Mode.FULL), (work.state, work.mode))
        reasons = [event.reason for event in w.store.events(work.id)]
        self.assertIn("full instead of incremental", str(reasons))

    def test_two_in_a_row_mean_full_only_for_30_days(self) -> None:
        w = self.new_world(full_backup_depth=9)
        volume_id = w.protect()
        w.backup_cycle()
        for _ in range(2):
            w.pass_time(DAY)
            w.cloud.fail("create_backup", BAD_STATE)
            w.lead()
            w.work(2)
            w.cloud.finish_all()
            w.work()
        told = w.clock()
        while w.clock() - told < 29 * DAY:
            w.pass_time(DAY)
            w.backup_cycle()
        self.assertEqual(
            {False}, {each.incremental for each in w.made(volume_id)}
        )
        w.pass_time(2 * DAY)
        w.backup_cycle()
        self.assertTrue(w.made(volume_id)[-1].incremental)

    def test_a_refused_full_fails(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.fail("create_backup", BAD_STATE)
        w.work()
        work = w.task_of(volume_id)
        self.assertEqual(State.FAILED, work.state)
        self.assertEqual("Cinder: bad state", work.reason)
        self.assertFalse(work.unsettled)


class ChangedVolumeTest(world.WorldTest):
    """A 400 says little: the volume's status tells what it was about."""

    def test_attached_meanwhile(self) -> None:
        w = self.new_world()
        volume_id = w.protect(status="available")
        w.lead()
        w.cloud.change_volume(volume_id, status="in-use")
        w.work(2)
        work = w.task_of(volume_id)
        self.assertEqual((State.RUNNING, 2), (work.state, work.attempt))
        self.assertEqual("in-use", work.volume_status)

    def test_an_incremental_stays_one(self) -> None:
        w = self.new_world()
        volume_id = w.protect(status="available")
        w.backup_cycle()
        w.pass_time(DAY)
        w.lead()
        w.cloud.change_volume(volume_id, status="in-use")
        w.work(2)
        self.assertEqual(Mode.INCREMENTAL, w.task_of(volume_id).mode)
        record = w.store.volume_record(volume_id)
        self.assertEqual(0, record.incremental_failures if record else 0)

    def test_busy_is_postponed(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.change_volume(volume_id, status="detaching")
        w.work()
        work = w.task_of(volume_id)
        self.assertEqual(State.PLANNED, work.state)
        self.assertEqual(
            f"postponed: volume {volume_id} is in detaching status",
            work.reason,
        )
        self.assertEqual(w.clock() + world.BACKOFF, work.not_before)
        w.cloud.change_volume(volume_id, status="in-use")
        w.work(3)
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
        w.pass_time(world.BACKOFF)
        w.work()
        self.assertEqual(State.RUNNING, w.task_of(volume_id).state)

    def test_busy_with_a_backup_of_somebody_else(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.add_backup("p", volume_id, status="creating")
        w.cloud.change_volume(volume_id, status="backing-up")
        w.work()
        self.assertEqual(State.STARTING, w.task_of(volume_id).state)
        w.pass_time(world.SETTLE)
        w.work()
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
        self.assertEqual([], w.rows(volume_id))

    def test_busy_for_long_is_no_failure(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.change_volume(volume_id, status="attaching")
        for _ in range(outcome.MOST_ATTEMPTS + 5):
            w.work()
            w.pass_time(world.BACKOFF)
        work = w.task_of(volume_id)
        self.assertEqual(State.PLANNED, work.state)
        self.assertIn("postponed", work.reason)
        w.cloud.change_volume(volume_id, status="in-use")
        w.work()
        self.assertEqual(State.RUNNING, w.task_of(volume_id).state)

    def test_an_odd_status_fails(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.change_volume(volume_id, status="error_extending")
        w.work()
        work = w.task_of(volume_id)
        self.assertEqual(State.FAILED, work.state)
        self.assertEqual(
            f"volume {volume_id} is in error_extending status", work.reason
        )
        w.pass_time(DAY)
        w.lead()
        self.assertEqual(1, len(w.store.tasks()))

    def test_gone(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.delete_volume(volume_id)
        w.work()
        work = w.task_of(volume_id)
        self.assertEqual(State.FAILED, work.state)
        self.assertEqual(f"volume {volume_id} is gone", work.reason)

    def test_gone_after_a_400(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.fail("create_backup", BAD_STATE)
        w.cloud.delete_volume(volume_id)
        w.work()
        self.assertIn("is gone", w.task_of(volume_id).reason)

    def test_a_doubt_about_the_status_is_settled(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.fail("create_backup", BAD_STATE)
        w.cloud.fail("volume", TIMEOUT)
        w.work()
        work = w.task_of(volume_id)
        self.assertEqual((State.STARTING, True), (work.state, work.unsettled))
        w.pass_time(SETTLE)
        w.work(2)
        self.assertEqual(State.RUNNING, w.task_of(volume_id).state)
        self.assertEqual(1, len(w.made(volume_id)))


class ClearRefusalTest(world.WorldTest):
    def test_over_quota_skips_what_is_as_large(self) -> None:
        w = self.new_world(backup_workers=1)
        w.cloud.change_project("p", max_gigabytes=4)
        w.cloud.add_project("q")
        ids = [w.protect(size=size) for size in (5, 5, 9, 1, 3)]
        other = w.protect("q", size=50)
        w.lead()
        w.work(8)
        states = [w.task_of(each).state for each in ids]
        self.assertEqual(
            [
                State.FAILED,
                State.CANCELLED,
                State.CANCELLED,
                State.RUNNING,
                State.RUNNING,
            ],
            states,
        )
        self.assertEqual(State.RUNNING, w.task_of(other).state)
        self.assertIn("Backup gigabytes quota", w.task_of(ids[0]).reason)
        lines = [
            line
            for line in self.log.output.splitlines()
            if "is over quota: skipped 2 other" in line
        ]
        self.assertEqual(1, len(lines))

    def test_no_role(self) -> None:
        w = self.new_world()
        w.cloud.add_project("q", has_role=False)
        volume_id, good = w.protect("q"), w.protect()
        w.lead()
        w.work()
        work = w.task_of(volume_id)
        self.assertEqual(State.FAILED, work.state)
        self.assertEqual("no role in project q", work.reason)
        self.assertEqual(State.RUNNING, w.task_of(good).state)
        self.assertEqual([], w.rows(volume_id))

    def test_what_was_not_sent_fails_and_waits(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.fail("create_backup", errors.NotSentError("refused"))
        w.work()
        self.assertEqual(State.FAILED, w.task_of(volume_id).state)
        self.assertEqual(0, w.lead())
        w.pass_time(world.BACKOFF)
        self.assertEqual(1, w.lead())


class MovedByOthersTest(world.WorldTest):
    def test_a_task_that_was_taken_away_is_not_started(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        (claimed,) = w.store.claim("c1", task.Kind.BACKUP, 1, w.clock())
        starter = w.processes["c1"].worker._starter
        moved = dataclasses.replace(claimed, claimed_by="c9")
        w.store.take_over([claimed], "c9", w.clock(), "taken")
        starter.start(claimed)
        self.assertEqual(0, w.cloud.count("create_backup"))
        self.assertEqual(
            (moved.claimed_by, State.CLAIMED),
            (w.task_of(volume_id).claimed_by, w.task_of(volume_id).state),
        )
        self.assertIn("moved by another conductor", self.log.output)


class LogTest(world.WorldTest):
    def test_an_error_of_a_thread_is_logged_and_the_task_lives(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.cloud.fail(
            "create_backup",
            ZeroDivisionError("a bug"),  # type: ignore[arg-type]
        )
        w.work()
        self.assertIn("ended with an error: a bug", self.log.output)
        self.assertEqual(State.STARTING, w.task_of(volume_id).state)
        w.pass_time(SETTLE + MINUTE)
        w.work(2)
        self.assertEqual(State.RUNNING, w.task_of(volume_id).state)
