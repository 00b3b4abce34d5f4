# SPDX-License-Identifier: Apache-2.0
"""Unwanted backups go, and absence is proved before a row goes."""

from __future__ import annotations

from collections.abc import Sequence

from staffeln import ports
from staffeln.domain import errors, model, task
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import ABSENCE, DAY, SETTLE

State = task.State
BackupState = model.BackupState


class RemoveTest(world.WorldTest):
    """A full backup that failed: its row is unwanted."""

    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world(conductors=2)
        self.volume_id = self.w.protect()
        self.w.lead()
        self.w.work()
        self.w.cloud.finish_all("error")
        self.w.work()
        (made,) = self.w.made(self.volume_id)
        self.backup_id = made.id
        self.assertEqual(BackupState.UNWANTED, self.row().state)
        self.w.retain()

    def row(self) -> model.Backup:
        row = self.w.store.get_backup(self.backup_id)
        assert row is not None
        return row

    def removal(self) -> task.Task:
        (removal,) = self.w.deletes()
        return removal

    def when_it_is_time(self) -> None:
        """Go on to the next try of a planned delete."""
        not_before = self.removal().not_before
        assert not_before is not None
        self.w.pass_time(not_before - self.w.clock())
        self.w.work()

    def test_a_good_delete(self) -> None:
        self.w.work()
        self.assertEqual(State.RUNNING, self.removal().state)
        self.assertEqual(BackupState.DELETING, self.row().state)
        self.w.work(3)
        self.assertEqual(State.RUNNING, self.removal().state)
        self.w.cloud.finish(self.backup_id)
        self.w.work()
        self.assertEqual(State.SUCCEEDED, self.removal().state)
        self.assertEqual("deleted from Cinder", self.removal().reason)
        self.assertEqual([], self.w.store.backups())
        self.assertEqual(0, self.w.retain())
        self.assertEqual(1, self.w.cloud.count("delete_backup"))

    def test_no_service_takes_it(self) -> None:
        """Cinder then answers 404 to the DELETE, and knows it all the same."""
        self.w.cloud.fail(
            "delete_backup",
            errors.NotFoundError("Service not found", status=404),
            times=10,
        )
        self.w.work()
        self.assertEqual(State.PLANNED, self.removal().state)
        self.assertIn("no backup service takes it", self.reason())
        for _ in range(3):
            self.w.pass_time(ABSENCE)
            self.when_it_is_time()
        self.assertEqual(BackupState.UNWANTED, self.row().state)
        self.assertIsNone(self.row().missing_since)
        self.w.cloud.heal()
        self.w.pass_time(DAY)
        self.w.work()
        self.assertEqual(State.RUNNING, self.removal().state)

    def reason(self) -> str:
        return self.removal().reason.replace("the delete", "it")

    def test_unknown_to_cinder_needs_two_answers_far_apart(self) -> None:
        self.w.cloud.vanish(self.backup_id)
        self.w.work()
        self.assertEqual(State.PLANNED, self.removal().state)
        self.assertEqual(self.w.clock(), self.row().missing_since)
        self.assertEqual(BackupState.UNWANTED, self.row().state)
        self.w.work(5)
        self.assertEqual(1, self.w.cloud.count("delete_backup"))
        self.when_it_is_time()
        self.assertEqual(State.SUCCEEDED, self.removal().state)
        self.assertEqual(BackupState.VANISHED, self.row().state)
        self.assertEqual(0, self.w.retain())

    def test_an_absence_that_ends_starts_again(self) -> None:
        kept = self.w.cloud.backups.pop(self.backup_id)
        self.w.work()
        self.w.cloud.backups[self.backup_id] = kept
        self.when_it_is_time()
        self.assertEqual(State.RUNNING, self.removal().state)
        self.assertIsNone(self.row().missing_since)

    def test_a_doubt_about_the_absence(self) -> None:
        self.w.cloud.vanish(self.backup_id)
        self.w.cloud.fail("backup", errors.NoAnswerError("502"))
        self.w.work()
        self.assertEqual(State.PLANNED, self.removal().state)
        self.assertIn("502", self.removal().reason)
        self.assertIsNone(self.row().missing_since)

    def test_refusals_are_tried_again_with_growing_intervals(self) -> None:
        refusal = errors.InvalidRequestError("held by a snapshot", status=400)
        self.w.cloud.fail("delete_backup", refusal, times=6)
        self.w.work()
        waits = []
        for _ in range(6):
            removal = self.removal()
            self.assertIn("held by a snapshot", removal.reason)
            self.assertIn("next try at", removal.reason)
            assert removal.not_before is not None
            waits.append(removal.not_before - self.w.clock())
            self.when_it_is_time()
        self.assertEqual(
            [world.BACKOFF * factor for factor in (1, 2, 4, 8, 16, 32)], waits
        )
        self.assertEqual(State.RUNNING, self.removal().state)

    def test_a_delete_without_an_answer_is_sent_again(self) -> None:
        self.w.cloud.fail(
            "delete_backup", errors.NoAnswerError("504"), after=True
        )
        self.w.work()
        self.assertEqual(State.PLANNED, self.removal().state)
        self.when_it_is_time()  # refused: it is being deleted
        self.assertEqual(State.RUNNING, self.removal().state)
        self.w.cloud.finish(self.backup_id)
        self.w.work()
        self.assertEqual(State.SUCCEEDED, self.removal().state)
        self.assertEqual([], self.w.store.backups())

    def test_a_delete_that_fails_in_cinder(self) -> None:
        self.w.work()
        self.w.cloud.finish(self.backup_id, "error_deleting")
        self.w.work()
        self.assertEqual(State.PLANNED, self.removal().state)
        self.assertIn(
            "the delete ended in error_deleting status", self.removal().reason
        )
        self.assertEqual(BackupState.UNWANTED, self.row().state)

    def test_not_seen_is_not_gone(self) -> None:
        self.w.work()
        self.w.cloud.hidden.add(self.backup_id)
        self.w.work(3)
        self.assertEqual(State.RUNNING, self.removal().state)
        self.w.cloud.fail("backup", errors.NoAnswerError("502"), times=9)
        self.w.work(3)
        self.assertEqual(State.RUNNING, self.removal().state)

    def test_a_row_that_is_gone_already(self) -> None:
        (claimed,) = self.w.store.claim(
            "c1", task.Kind.DELETE, 1, self.w.clock()
        )
        ended = self.w.task_of(self.volume_id)
        self.w.store.advance(
            [
                ports.Change(
                    before=ended, after=ended, forget_backup=self.backup_id
                )
            ],
            "c2",
        )
        remover = self.w.processes["c1"].worker._remover
        remover.start(claimed)
        self.assertEqual(State.SUCCEEDED, self.removal().state)
        self.assertEqual(0, self.w.cloud.count("delete_backup"))

    def test_a_task_that_was_taken_away(self) -> None:
        (claimed,) = self.w.store.claim(
            "c1", task.Kind.DELETE, 1, self.w.clock()
        )
        self.w.store.take_over([claimed], "c2", self.w.clock(), "taken")
        remover = self.w.processes["c1"].worker._remover
        remover.start(claimed)
        self.assertEqual(0, self.w.cloud.count("delete_backup"))

    def test_the_caller_dies(self) -> None:
        (claimed,) = self.w.store.claim(
            "c1", task.Kind.DELETE, 1, self.w.clock()
        )
        self.w.cloud.fail(
            "delete_backup",
            KeyboardInterrupt(),  # type: ignore[arg-type]
            after=True,
        )
        self.assertRaises(
            KeyboardInterrupt,
            self.w.processes["c1"].worker._remover.start,
            claimed,
        )
        self.assertEqual(State.STARTING, self.removal().state)
        self.w.kill("c1")
        self.w.cloud.finish(self.backup_id)
        self.w.pass_time(SETTLE)
        self.w.work(2)
        self.assertEqual(
            "c2", self.w.store.events(self.removal().id)[-1].conductor_id
        )
        self.w.pass_time(ABSENCE)
        self.w.work(2)
        self.assertEqual(State.SUCCEEDED, self.removal().state)
        self.assertEqual(BackupState.VANISHED, self.row().state)

    def test_a_save_that_took_too_long_deletes_nothing(self) -> None:
        """By then the others take this conductor for dead."""
        store = self.w.store
        settings = self.w.processes["c1"].worker._remover._settings
        advance = store.advance

        def slowly(
            changes: Sequence[ports.Change],
            conductor_id: str,
            term: int | None = None,
        ) -> list[task.Task]:
            done = advance(changes, conductor_id, term)
            if changes[0].after.state is State.STARTING:
                self.w.clock.time += settings.heartbeat_timeout
            return done

        store.advance = slowly  # type: ignore[method-assign]
        self.w.work(1)
        self.assertEqual(0, self.w.cloud.count("delete_backup"))
        self.assertEqual(State.PLANNED, self.removal().state)
        self.assertEqual(BackupState.UNWANTED, self.row().state)
