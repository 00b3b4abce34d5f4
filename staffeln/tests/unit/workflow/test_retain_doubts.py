# SPDX-License-Identifier: Apache-2.0
"""Retention where nobody knows for certain: what is in doubt stays."""

from __future__ import annotations

from staffeln import ports
from staffeln.domain import durations, errors, model, task
from staffeln.tests.unit.workflow.test_retain import RetentionCase
from staffeln.tests.unit.workflow.test_retain_attacked import carry_out, says
from staffeln.tests.unit.workflow.world import (
    DAY,
    HOUR,
    MINUTE,
    TAG,
    World,
    settings,
)

NO_ANSWER = errors.NoAnswerError("timeout")
UNAVAILABLE = errors.CloudError("503")


class DoubtTest(RetentionCase):
    """A volume with backups that expired when it was not selected."""

    def expired(self, links: int) -> tuple[World, str]:
        """All of them have a delete that waits."""
        w = self.new_world(full_backup_depth=0, keep_last=1)
        volume_id = self.chain(w, links)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        self.select(w, False)
        w.pass_time(11 * DAY)
        self.assertEqual(links, w.retain())
        return w, volume_id

    def select(self, w: World, is_selected: bool) -> None:
        (server,) = w.cloud.servers.values()
        w.cloud.change_server(server.id, metadata=TAG if is_selected else {})
        w.lead()

    def test_what_cannot_be_looked_at_is_not_asked_for_again(self) -> None:
        for how in ("selected again", "its project is disabled"):
            with self.subTest(how):
                w, volume_id = self.expired(1)
                w.cloud.fail("delete_backup", UNAVAILABLE)
                w.work()
                if how == "selected again":
                    self.select(w, True)
                else:
                    w.cloud.change_project("p", enabled=False)
                w.pass_time(10 * MINUTE)
                w.cloud.fail("backup", UNAVAILABLE)
                w.retain()
                carry_out(w)
                self.assertEqual(1, len(w.made(volume_id)))
                w.retain()
                (work,) = w.deletes()
                self.assertIs(task.State.CANCELLED, work.state)

    def lose(self, w: World, volume_id: str) -> tuple[str, str]:
        """The older one's delete is refused, the newer one's unanswered."""
        older, newer = w.rows(volume_id)
        w.cloud.fail(
            "delete_backup",
            UNAVAILABLE,
            when=lambda backup_id, *_: backup_id == older.id,
        )
        w.cloud.fail(
            "delete_backup",
            NO_ANSWER,
            after=True,
            when=lambda backup_id, *_: backup_id == newer.id,
        )
        w.work()
        return older.id, newer.id

    def test_what_may_be_gone_is_none_of_the_newest(self) -> None:
        w, volume_id = self.expired(2)
        older, _ = self.lose(w, volume_id)
        w.cloud.finish_all()
        self.select(w, True)
        for _ in range(30):
            w.pass_time(MINUTE)
            w.retain()
            carry_out(w, 1)
        self.assertEqual([older], [each.id for each in w.made(volume_id)])

    def test_what_could_not_be_deleted_is_none_of_the_newest(self) -> None:
        w, volume_id = self.expired(2)
        older, newer = self.lose(w, volume_id)
        w.cloud.change_backup(newer, status="error_deleting")
        self.select(w, True)
        for _ in range(60):
            w.pass_time(MINUTE)
            w.retain()
            carry_out(w, 1)
        whole = [
            each.id for each in w.made(volume_id) if each.status == "available"
        ]
        self.assertEqual([older], whole)
        states = {row.id: row.state for row in w.rows(volume_id)}
        self.assertIs(model.BackupState.UNWANTED, states[newer])

    def test_one_that_is_restored_from_is_not_lost(self) -> None:
        """An operator resets the state, to save what was being deleted."""
        w, volume_id = self.expired(1)
        w.work()
        (made,) = w.made(volume_id)
        w.cloud.change_backup(made.id, status="restoring")
        says(w, "1y")
        w.lead()
        w.work()
        w.retain()
        w.cloud.change_backup(made.id, status="available")
        w.pass_time(HOUR)
        w.retain()
        carry_out(w)
        self.assertEqual(1, len(w.made(volume_id)))


class BrokenTest(RetentionCase):
    def broken(self) -> tuple[World, str]:
        """Of two full backups the newer one is broken in Cinder."""
        w = self.new_world(full_backup_depth=2, keep_last=1)
        volume_id = w.protect()
        w.backup_cycle()
        w.settings = settings()
        w.pass_time(DAY)
        w.backup_cycle()
        w.retain()
        newer = w.rows(volume_id)[-1]
        w.cloud.change_backup(newer.id, status="error")
        return w, volume_id

    def test_it_does_not_count_and_what_is_whole_stays(self) -> None:
        w = self.new_world(full_backup_depth=0, keep_last=1)
        volume_id = self.chain(w, 2)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        newer = w.rows(volume_id)[-1]
        w.cloud.change_backup(newer.id, status="error")
        w.pass_time(11 * DAY)
        w.processes["c1"].scheduler.reconcile()
        w.lead()
        self.assertEqual(0, w.retain())
        w.cloud.change_backup(newer.id, status="available")
        w.pass_time(DAY + HOUR)
        w.processes["c1"].scheduler.reconcile()
        self.assertEqual(1, w.retain())
        carry_out(w)
        self.assertEqual([newer.id], [each.id for each in w.made(volume_id)])

    def test_nothing_is_built_on_it(self) -> None:
        w, volume_id = self.broken()
        w.processes["c1"].scheduler.reconcile()
        w.pass_time(DAY)
        w.lead()
        work = w.task_of(volume_id)
        self.assertIs(task.Mode.FULL, work.mode)
        self.assertIn("broken in Cinder", work.reason)


class AdoptedTest(RetentionCase):
    def lost(self) -> tuple[World, str, str]:
        """Of three backups the newest one's row and task are lost."""
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 3)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        row = w.rows(volume_id)[-1]
        for task_id in [row.task_id, *[each.id for each in w.deletes()]]:
            w.store._tasks.pop(task_id or "", None)
        del w.store._backups[row.id]
        w.pass_time(2 * DAY)
        return w, volume_id, row.id

    def test_an_option_that_was_shortened_meanwhile(self) -> None:
        w, volume_id, backup_id = self.lost()
        w.settings = settings(
            full_backup_depth=0,
            keep_last=0,
            retention_time=durations.Duration(seconds=2),
        )
        scheduler = w.start_conductor("c2").scheduler
        scheduler.take_office()
        scheduler.retain()
        scheduler.reconcile()
        scheduler.lead()
        self.assertEqual(0, scheduler.retain())
        graces = {row.grace for row in w.rows(volume_id)}
        self.assertEqual({f"{7 * 86400}s"}, graces)
        self.assertIn(backup_id, {row.id for row in w.rows(volume_id)})

    def test_a_value_that_was_shortened_meanwhile(self) -> None:
        w, volume_id, _ = self.lost()
        for row in w.rows(volume_id):
            del w.store._backups[row.id]
        w.store._tasks.clear()
        says(w, "1s")
        scheduler = w.processes["c1"].scheduler
        scheduler.lead()
        scheduler.retain()
        scheduler.reconcile()
        scheduler.lead()
        self.assertEqual(0, scheduler.retain())
        self.assertEqual(
            {f"{7 * 86400}s"}, {row.grace for row in w.rows(volume_id)}
        )
        self.assertEqual(3, len(w.rows(volume_id)))


class YesTest(RetentionCase):
    """An operator's yes is for all that it was asked for."""

    def confirmed(self) -> World:
        w = self.new_world(full_backup_depth=0, small_round=3)
        for _ in range(6):
            w.protect()
        w.lead()
        carry_out(w)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        w.pass_time(11 * DAY)
        self.assertEqual(0, w.retain())
        self.assertIsNotNone(w.store.confirm_breaker())
        return w

    def test_it_outlives_a_harvest_with_gaps(self) -> None:
        w = self.confirmed()
        server_id = next(iter(w.cloud.servers))
        w.cloud.change_server(server_id, readable=False)
        self.assertEqual(0, w.retain())
        w.cloud.change_server(server_id, readable=True)
        self.assertEqual(6, w.retain())
        self.assertIsNone(w.store.breaker())

    def test_it_outlives_a_write_that_fails(self) -> None:
        w = self.confirmed()
        real = w.store.write_plan

        def fail(
            term: int, plan: ports.PlanRecord, conductor_id: str
        ) -> list[task.Task]:
            if plan.tasks:
                raise errors.StoreError("gone away")
            return real(term, plan, conductor_id)

        w.store.write_plan = fail  # type: ignore[method-assign]
        self.assertRaises(errors.StoreError, w.retain)
        w.store.write_plan = real  # type: ignore[method-assign]
        self.assertEqual(6, w.retain())
