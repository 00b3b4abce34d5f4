# SPDX-License-Identifier: Apache-2.0
"""Running backups to their end: available, error, absent, too late."""

from __future__ import annotations

import datetime

from staffeln.domain import errors, model, task
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import ABSENCE, DAY, HOUR, MINUTE

State = task.State
Mode = task.Mode
BackupState = model.BackupState


class FollowTest(world.WorldTest):
    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world()
        self.volume_id = self.w.protect()

    def start(self) -> str:
        """Start what is due; the id of the newest backup."""
        self.w.lead()
        self.w.work()
        return self.w.made(self.volume_id)[-1].id

    def current(self) -> task.Task:
        return self.w.task_of(self.volume_id)

    def row(self, backup_id: str) -> model.Backup:
        row = self.w.store.get_backup(backup_id)
        assert row is not None
        return row


class EndTest(FollowTest):
    def test_statuses_that_imply_the_data_are_there(self) -> None:
        for status in ("available", "restoring"):
            backup_id = self.start()
            self.w.cloud.finish(backup_id, status)
            self.w.work()
            self.assertEqual(State.SUCCEEDED, self.current().state)
            self.assertEqual(BackupState.AVAILABLE, self.row(backup_id).state)
            self.w.cloud.finish(backup_id)
            self.w.pass_time(DAY)

    def test_an_error_of_a_full(self) -> None:
        backup_id = self.start()
        self.w.cloud.finish(backup_id, "error", "disk full")
        self.w.work()
        self.assertEqual(State.FAILED, self.current().state)
        self.assertEqual(
            f"backup {backup_id} is in error status: disk full",
            self.current().reason,
        )
        self.assertEqual(BackupState.UNWANTED, self.row(backup_id).state)

    def test_an_error_of_an_incremental_is_followed_by_a_full(self) -> None:
        self.w.backup_cycle()
        self.w.pass_time(DAY)
        incremental = self.start()
        self.w.cloud.finish(incremental, "error", "parent lost")
        self.w.work(2)
        self.assertEqual(
            (State.RUNNING, Mode.FULL, 2),
            (
                self.current().state,
                self.current().mode,
                self.current().attempt,
            ),
        )
        self.assertEqual(BackupState.UNWANTED, self.row(incremental).state)
        self.w.retain()
        self.w.work()
        self.w.cloud.finish_all()
        self.w.work()
        self.assertEqual(State.SUCCEEDED, self.current().state)
        self.assertIsNone(self.w.store.get_backup(incremental))
        self.assertEqual(
            [False, False],
            [each.incremental for each in self.w.made(self.volume_id)],
        )

    def test_failures_in_a_row_wait_longer(self) -> None:
        waits = []
        for _ in range(9):
            backup_id = self.start()
            self.w.cloud.finish(backup_id, "error")
            self.w.work()
            failed = self.w.clock()
            while not self.w.lead():
                self.w.pass_time(10 * MINUTE)
            waits.append((self.w.clock() - failed) // (10 * MINUTE))
        self.assertEqual([1, 2, 4, 8, 16, 32, 64, 128, 144], waits)

    def test_the_volume_is_deleted_meanwhile(self) -> None:
        backup_id = self.start()
        self.w.cloud.delete_volume(self.volume_id)
        self.w.cloud.finish(backup_id, "error", "volume not found")
        self.w.work()
        self.assertEqual(State.FAILED, self.current().state)
        self.w.retain()
        self.w.work()
        self.w.cloud.finish_all()
        self.w.work()
        self.assertEqual({}, self.w.cloud.backups)
        self.assertEqual([], self.w.store.backups())


class AbsenceTest(FollowTest):
    def test_two_answers_far_apart(self) -> None:
        backup_id = self.start()
        self.w.cloud.vanish(backup_id)
        self.w.work()
        self.assertEqual(State.RUNNING, self.current().state)
        first = self.w.clock()
        self.assertEqual(first, self.row(backup_id).missing_since)
        while self.w.clock() - first < ABSENCE - world.POLL:
            self.w.work()
            self.assertEqual(State.RUNNING, self.current().state)
        self.w.work()
        self.assertEqual(State.FAILED, self.current().state)
        self.assertIn("vanished", self.current().reason)
        row = self.row(backup_id)
        self.assertEqual(BackupState.VANISHED, row.state)
        self.assertEqual(1, self.log.output.count("asked again in"))

    def test_an_incremental_that_vanishes_fails(self) -> None:
        self.w.backup_cycle()
        self.w.pass_time(DAY)
        backup_id = self.start()
        self.w.cloud.vanish(backup_id)
        self.w.work()
        self.w.pass_time(ABSENCE)
        self.w.work()
        self.assertEqual(State.FAILED, self.current().state)
        self.w.pass_time(DAY)
        self.assertEqual(1, self.w.lead())
        self.assertEqual(Mode.INCREMENTAL, self.current().mode)

    def test_what_is_seen_again_was_never_missing(self) -> None:
        backup_id = self.start()
        kept = self.w.cloud.backups.pop(backup_id)
        self.w.work()
        self.assertIsNotNone(self.row(backup_id).missing_since)
        self.w.cloud.backups[backup_id] = kept
        self.w.work()
        self.assertIsNone(self.row(backup_id).missing_since)
        self.w.pass_time(ABSENCE)
        del self.w.cloud.backups[backup_id]
        self.w.work()
        self.assertEqual(State.RUNNING, self.current().state)
        self.w.cloud.backups[backup_id] = kept
        self.w.cloud.finish(backup_id)
        self.w.work()
        self.assertEqual(State.SUCCEEDED, self.current().state)
        self.assertIsNone(self.row(backup_id).missing_since)

    def test_a_list_that_hides_it_proves_nothing(self) -> None:
        backup_id = self.start()
        self.w.cloud.hidden.add(backup_id)
        for _ in range(3):
            self.w.pass_time(ABSENCE)
            self.w.work()
        self.assertEqual(State.RUNNING, self.current().state)
        self.assertIsNone(self.row(backup_id).missing_since)

    def test_what_cannot_be_read_proves_nothing(self) -> None:
        backup_id = self.start()
        self.w.cloud.hidden.add(backup_id)
        self.w.cloud.fail("backup", errors.NoAnswerError("502"), times=9)
        self.w.work(9)
        self.assertEqual(State.RUNNING, self.current().state)
        self.assertIsNone(self.row(backup_id).missing_since)

    def test_somebody_deletes_it(self) -> None:
        backup_id = self.start()
        self.w.cloud.change_backup(backup_id, status="deleting")
        self.w.work()
        self.assertEqual(State.RUNNING, self.current().state)
        self.w.cloud.finish(backup_id)
        self.w.work()
        self.w.pass_time(ABSENCE)
        self.w.work()
        self.assertEqual(BackupState.VANISHED, self.row(backup_id).state)


class TimeoutTest(FollowTest):
    def test_too_long(self) -> None:
        backup_id = self.start()
        attempted_at = self.current().attempted_at
        assert attempted_at is not None
        self.w.pass_time(attempted_at + DAY - self.w.clock() - world.POLL)
        self.w.pass_time(-world.SECOND)
        self.w.work()
        self.assertEqual(State.RUNNING, self.current().state)
        self.w.work()
        self.assertEqual(State.FAILED, self.current().state)
        self.assertEqual(
            "timed out: still creating after 1d", self.current().reason
        )
        self.assertEqual(BackupState.UNWANTED, self.row(backup_id).state)

    def test_a_clock_that_jumped_ends_nothing(self) -> None:
        """A year ahead, and so is the database on its host."""
        self.start()
        self.w.pass_time(365 * DAY)
        self.w.cloud.clock_error = -365 * DAY
        self.w.work()
        self.assertEqual(State.RUNNING, self.current().state)
        self.assertIn("No backup is timed out: the clock of", self.log.output)
        self.w.cloud.clock_error = datetime.timedelta(0)
        self.w.work()
        self.assertEqual(State.FAILED, self.current().state)

    def test_the_delete_waits_until_cinder_allows_it(self) -> None:
        backup_id = self.start()
        self.w.pass_time(DAY)
        self.w.work()
        self.assertEqual(1, self.w.retain())
        self.assertEqual(0, self.w.retain())
        for _ in range(5):
            self.w.work()
            (removal,) = self.w.deletes()
            self.assertEqual(State.PLANNED, removal.state)
            self.assertIn("must be available or error", removal.reason)
            assert removal.not_before is not None
            self.w.pass_time(removal.not_before - self.w.clock())
        self.assertEqual("creating", self.w.cloud.backups[backup_id].status)
        self.w.cloud.finish(backup_id)
        self.w.pass_time(DAY)
        self.w.work()
        self.assertEqual("deleting", self.w.cloud.backups[backup_id].status)
        self.w.cloud.finish(backup_id)
        self.w.work()
        (removal,) = self.w.deletes()
        self.assertEqual(State.SUCCEEDED, removal.state)
        self.assertIsNone(self.w.store.get_backup(backup_id))
        self.assertEqual({}, self.w.cloud.backups)

    def test_the_volume_waits_while_cinder_still_works(self) -> None:
        self.start()
        self.w.pass_time(DAY)
        self.w.work()
        self.w.pass_time(HOUR)
        self.assertEqual(0, self.w.lead())
        self.assertIn("backing-up", self.log.output)

    def test_a_backup_that_is_being_deleted_times_out_too(self) -> None:
        backup_id = self.start()
        self.w.cloud.change_backup(backup_id, status="deleting")
        self.w.pass_time(DAY)
        self.w.work()
        self.assertEqual(State.FAILED, self.current().state)
