# SPDX-License-Identifier: Apache-2.0
"""Rows and Cinder's backups, held against each other."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any
from unittest import mock

from staffeln.domain import durations, errors, model, naming, task
from staffeln.tests.fakes.fake_cloud import START
from staffeln.tests.unit.workflow.world import (
    ABSENCE,
    DAY,
    HOUR,
    MINUTE,
    POLL,
    SECOND,
    TAG,
    World,
    WorldTest,
)
from staffeln.workflow import reconcile, returning


class ReconcileCase(WorldTest):
    def setUp(self) -> None:
        super().setUp()
        self.w = World(
            page_size=2, backup_min_interval=DAY, full_backup_depth=0
        )
        self.volumes = [self.w.protect() for _ in range(3)]
        self.w.backup_cycle()
        self.w.work(2)
        self.w.cloud.finish_all()
        self.w.work(2)

    def reconcile(self) -> None:
        """As when its time has come."""
        self.w.pass_time(DAY)
        self.w.processes["c1"].scheduler.reconcile()

    def states(self) -> list[str]:
        return sorted(row.state.value for row in self.w.store.backups())

    def orphan(
        self,
        volume_id: str = "",
        *,
        project_id: str = "p",
        made_by: str = "forgotten",
        **changes: Any,
    ) -> str:
        """A backup of ours that the database has forgotten."""
        deployment = self.w.store.deployment().uuid
        values: dict[str, Any] = {
            "metadata": naming.backup_metadata(deployment, made_by, 1),
            "user_id": "service-user",
            **changes,
        }
        return self.w.cloud.add_backup(
            project_id, volume_id or self.volumes[0], **values
        )

    def adopted(self, backup_id: str) -> model.Backup:
        """Its row, after the next reconciliation."""
        self.reconcile()
        row = self.w.store.get_backup(backup_id)
        assert row, f"{backup_id} was not adopted"
        return row

    def row(self, number: int, **changes: Any) -> None:
        """A row of a backup that Cinder's list will not show."""
        values = {
            "id": f"b{number:03}",
            "project_id": "p",
            "volume_id": "v",
            "server_id": "s",
            "state": model.BackupState.AVAILABLE,
            "incremental": False,
            "created_at": START - 300 * DAY + number // 4 * MINUTE,
            **changes,
        }
        self.w.store.keep_backup(model.Backup(**values))

    def change_rows(self, volume_id: str, **changes: Any) -> None:
        """Write what governs the rows of a volume."""
        for row in self.w.rows(volume_id):
            self.w.store._backups[row.id] = dataclasses.replace(row, **changes)

    def forget(self, volume_id: str) -> None:
        """The database knows of no backup of a volume."""
        for row in self.w.rows(volume_id):
            del self.w.store._backups[row.id]
            self.w.cloud.vanish(row.id)


class MissingTest(ReconcileCase):
    def test_where_all_agree_nothing_changes(self) -> None:
        before = self.w.cloud.count("backup")
        self.reconcile()
        self.assertEqual(["available"] * 3, self.states())
        self.assertEqual(before, self.w.cloud.count("backup"))

    def test_what_vanished_is_proved_twice(self) -> None:
        gone = self.w.made(self.volumes[1])[0].id
        self.w.cloud.vanish(gone)
        self.reconcile()
        self.assertEqual(["available"] * 3, self.states())
        self.w.retain()
        self.assertEqual(["available"] * 3, self.states())
        self.w.pass_time(ABSENCE)
        self.w.retain()
        self.assertEqual(
            model.BackupState.VANISHED, self.w.rows(self.volumes[1])[0].state
        )
        self.assertEqual(0, self.w.cloud.count("delete_backup"))

    def test_one_answer_that_it_is_there_takes_all_back(self) -> None:
        hidden = self.w.made(self.volumes[1])[0].id
        self.w.cloud.fail("backup", errors.NotFoundError("?", status=404))
        self.w.cloud.hidden.add(hidden)
        self.reconcile()
        self.w.pass_time(ABSENCE)
        self.w.retain()
        self.assertEqual(["available"] * 3, self.states())
        self.assertIsNone(self.w.rows(self.volumes[1])[0].missing_since)

    def test_a_list_that_leaves_backups_out_proves_nothing(self) -> None:
        self.w.cloud.hidden.update(self.w.cloud.backups)
        self.reconcile()
        self.w.pass_time(ABSENCE)
        self.w.retain()
        self.assertEqual(["available"] * 3, self.states())

    def test_what_clocks_that_went_apart_meanwhile_say_is_not_noted(
        self,
    ) -> None:
        def set_apart(*_: object) -> bool:
            self.w.cloud.clock_error = HOUR
            return False

        self.w.cloud.vanish(self.w.made(self.volumes[1])[0].id)
        self.w.cloud.fail("backup", errors.CloudError("?"), when=set_apart)
        self.reconcile()
        self.assertEqual(
            [None] * 3, [row.missing_since for row in self.w.store.backups()]
        )

    def test_it_is_not_done_again_before_its_time(self) -> None:
        self.reconcile()
        before = self.w.cloud.count("backup_pages")
        self.w.pass_time(23 * HOUR)
        self.w.processes["c1"].scheduler.reconcile()
        self.assertEqual(before, self.w.cloud.count("backup_pages"))

    def test_with_clocks_apart_it_is_not_done(self) -> None:
        self.w.cloud.clock_error = datetime.timedelta(hours=1)
        before = self.w.cloud.count("backup_pages")
        self.reconcile()
        self.assertEqual(before, self.w.cloud.count("backup_pages"))
        self.w.cloud.clock_error = datetime.timedelta(0)
        self.w.processes["c1"].scheduler.reconcile()
        self.assertGreater(self.w.cloud.count("backup_pages"), before)


class ReturnedTest(ReconcileCase):
    """Records of backups that had vanished were imported into Cinder."""

    def setUp(self) -> None:
        super().setUp()
        self.lost = {each.id: each for each in map(self.shown, self.volumes)}
        for backup_id in self.lost:
            self.w.cloud.vanish(backup_id)
        self.change(state=model.BackupState.VANISHED, missing_since=START)

    def shown(self, volume_id: str) -> model.CloudBackup:
        return self.w.made(volume_id)[0]

    def change(self, **changes: Any) -> None:
        for volume_id in self.volumes:
            self.change_rows(volume_id, **changes)

    def import_all(self, **changes: Any) -> None:
        for each in self.lost.values():
            self.w.cloud.backups[each.id] = dataclasses.replace(
                each, **{"user_id": "service-user", **changes}
            )

    def test_they_are_available_again_and_nothing_is_deleted(self) -> None:
        before = {row.id: row for row in self.w.store.backups()}
        self.import_all()
        self.reconcile()
        for row in self.w.store.backups():
            self.assertEqual(
                dataclasses.replace(
                    before[row.id],
                    state=model.BackupState.AVAILABLE,
                    missing_since=None,
                    reason=model.RETURNED,
                    updated_at=row.updated_at,
                ),
                row,
            )
            self.assertIn(f"{row.id} of volume", self.log.output)
        self.assertEqual(3, self.log.output.count("counts as available"))
        self.assertIn("3 back again", self.log.output)
        for _ in range(2):
            self.w.retain()
            self.w.pass_time(ABSENCE)
        self.assertEqual(["available"] * 3, self.states())
        self.assertEqual(0, self.w.cloud.count("delete_backup"))

    def test_they_need_no_metadata(self) -> None:
        """Those of release 2.x have none."""
        self.import_all(metadata={})
        self.reconcile()
        self.assertEqual(["available"] * 3, self.states())

    def test_a_list_that_fails_changes_nothing(self) -> None:
        self.w.cloud.fail("backup_pages", errors.CloudError("503"))
        self.import_all()
        self.assertRaises(errors.CloudError, self.reconcile)
        self.assertEqual(["vanished"] * 3, self.states())

    def test_what_is_not_quite_the_same_stays_vanished(self) -> None:
        for changes in (
            {"user_id": "somebody"},
            {"project_id": "elsewhere"},
            {"volume_id": "another"},
            {"status": "error"},
            {"status": "deleting"},
            {"status": "creating"},
        ):
            with self.subTest(changes):
                self.import_all(**changes)
                self.reconcile()
                self.assertEqual(["vanished"] * 3, self.states())
        self.assertIn("user or project does not agree", self.log.output)

    def test_what_was_never_completed_stays_vanished(self) -> None:
        self.change(completed_at=None)
        self.import_all()
        self.reconcile()
        self.assertEqual(["vanished"] * 3, self.states())


class PlannedWithoutTest(WorldTest):
    """A full backup was to go, for its incremental had vanished."""

    def setUp(self) -> None:
        super().setUp()
        self.w = World(
            backup_min_interval=DAY,
            full_backup_depth=1,
            retention_time=durations.parse("2d"),
            keep_last=0,
        )
        self.volume = self.w.protect()
        self.w.backup_cycle()
        self.w.pass_time(DAY + HOUR)
        self.w.backup_cycle()
        self.full, self.child = self.w.rows(self.volume)
        self.assertIs(True, self.child.incremental)
        self.shown = dataclasses.replace(
            self.w.cloud.backups[self.child.id], user_id="service-user"
        )
        self.w.cloud.vanish(self.child.id)

    def vanish(self) -> None:
        self.w.store._backups[self.child.id] = dataclasses.replace(
            self.child, state=model.BackupState.VANISHED, missing_since=START
        )

    def reconcile(self) -> None:
        self.w.processes["c1"].scheduler.reconcile()

    def plan_delete(self) -> task.Task:
        """Of the full one; until the next reconciliation is due."""
        self.reconcile()
        self.w.pass_time(DAY)
        self.w.retain()
        (work,) = self.w.deletes()
        self.assertEqual(self.full.id, work.backup_id)
        self.assertIs(task.State.PLANNED, work.state)
        return work

    def come_back(self) -> None:
        self.w.cloud.backups[self.child.id] = self.shown
        self.reconcile()
        row = self.w.store.get_backup(self.child.id)
        assert row
        self.assertIs(model.BackupState.AVAILABLE, row.state)

    def test_what_returns_withdraws_it(self) -> None:
        self.vanish()
        work = self.plan_delete()
        self.come_back()
        found = self.w.store.get_task(work.id)
        assert found
        self.assertIs(task.State.CANCELLED, found.state)
        self.assertEqual(returning.WITHDRAWN, found.reason)
        self.w.retain()
        self.w.work(3)
        self.assertEqual(0, self.w.cloud.count("delete_backup"))

    def test_what_is_adopted_withdraws_it(self) -> None:
        del self.w.store._backups[self.child.id]
        self.plan_delete()
        self.come_back()
        self.w.work(3)
        self.assertEqual(0, self.w.cloud.count("delete_backup"))

    def test_both_go_in_their_order_when_their_time_has_come(self) -> None:
        self.vanish()
        self.plan_delete()
        self.come_back()
        self.w.pass_time(2 * DAY)
        self.w.retain()
        self.assertEqual(
            {self.child.id: None, self.full.id: self.child.id},
            {
                work.backup_id: work.waits_for
                for work in self.w.deletes()
                if work.state is task.State.PLANNED
            },
        )

    def test_what_was_tried_is_put_off(self) -> None:
        self.vanish()
        work = self.plan_delete()
        self.w.store._tasks[work.id] = dataclasses.replace(work, attempt=1)
        self.come_back()
        found = self.w.store.get_task(work.id)
        assert found
        self.assertIs(task.State.PLANNED, found.state)
        self.w.work(3)
        self.assertEqual(0, self.w.cloud.count("delete_backup"))
        self.w.retain()
        found = self.w.store.get_task(work.id)
        assert found
        self.assertIs(task.State.CANCELLED, found.state)

    def test_others_go_on(self) -> None:
        """Of the volume's other project, and what is newer than it."""
        self.vanish()
        work = self.plan_delete()
        for changes in (
            {"project_id": "elsewhere"},
            {"created_at": self.child.created_at + HOUR},
        ):
            with self.subTest(changes):
                self.w.store._backups[self.full.id] = dataclasses.replace(
                    self.full, **changes
                )
                self.vanish()
                self.come_back()
                self.assertEqual(work, self.w.store.get_task(work.id))
                self.w.pass_time(DAY)

    def test_what_nobody_wants_goes_all_the_same(self) -> None:
        self.vanish()
        made_at = self.full.created_at - HOUR
        older = self.w.cloud.add_backup(
            "p", self.volume, created_at=made_at, status="error"
        )
        self.w.store.keep_backup(
            dataclasses.replace(
                self.full,
                id=older,
                created_at=made_at,
                completed_at=None,
                state=model.BackupState.UNWANTED,
            )
        )
        self.reconcile()
        self.w.pass_time(DAY)
        self.w.retain()
        self.come_back()
        self.assertEqual(
            {older: task.State.PLANNED, self.full.id: task.State.CANCELLED},
            {work.backup_id: work.state for work in self.w.deletes()},
        )

    def test_so_many_are_withdrawn_at_once(self) -> None:
        """Until they are written nobody can take office."""
        self.vanish()
        for number in range(3):
            made_at = self.full.created_at - (number + 1) * HOUR
            older = self.w.cloud.add_backup(
                "p", self.volume, created_at=made_at
            )
            self.w.store.keep_backup(
                dataclasses.replace(self.full, id=older, created_at=made_at)
            )
        self.reconcile()
        self.w.pass_time(DAY)
        self.w.retain()
        self.assertEqual(4, len(self.w.deletes()))
        with (
            mock.patch.object(returning, "MOST_WRITTEN", 3),
            mock.patch.object(
                self.w.store, "write_plan", wraps=self.w.store.write_plan
            ) as write,
        ):
            self.come_back()
        self.assertEqual(
            [3, 1, 0],
            [len(call.args[1].cancelled) for call in write.call_args_list],
        )
        self.assertEqual(
            {task.State.CANCELLED}, {work.state for work in self.w.deletes()}
        )

    def test_it_is_decided_before_or_after(self) -> None:
        """Of two threads the one waits for what the other one writes."""
        self.vanish()
        writer = self.w.processes["c1"].scheduler._writer
        held = []
        write = self.w.store.write_plan

        def noted(*args: Any) -> Any:
            held.append((args[1], writer.deciding.locked()))
            return write(*args)

        with mock.patch.object(self.w.store, "write_plan", noted):
            self.plan_delete()
            self.come_back()
        told = [
            (bool(plan.tasks), bool(plan.cancelled), bool(plan.returned))
            for plan, locked in held
            if locked
        ]
        self.assertEqual(
            [(True, False, False), (False, True, False), (False, False, True)],
            told,
        )
        for plan, locked in held:
            if plan.tasks or plan.returned:
                self.assertTrue(locked, plan)


class ManyMissingTest(ReconcileCase):
    """As after a database was restored, or where a list leaves things out."""

    def looked_at(self) -> set[str]:
        """What the next pass asks for by its id."""
        self.w.cloud.calls.clear()
        self.reconcile()
        return {
            str(call.args[0])
            for call in self.w.cloud.calls
            if call.name == "backup"
        }

    def test_what_needs_no_look_hides_nothing_behind_it(self) -> None:
        for number in range(40, 80):
            missing = number % 2 == 0
            self.row(
                number,
                missing_since=START if missing else None,
                state=model.BackupState.AVAILABLE
                if missing
                else model.BackupState.VANISHED,
            )
        self.row(1)
        with mock.patch.object(reconcile, "_PAGE", 7):
            self.assertEqual({"b001"}, self.looked_at())

    def test_each_row_is_seen_once(self) -> None:
        for number in range(30):
            self.row(number)
        with mock.patch.object(reconcile, "_PAGE", 7):
            self.assertEqual(30, len(self.looked_at()))
        self.assertEqual(30, self.w.cloud.count("backup"))
        self.assertIn("30 row(s) not listed, 30 of those", self.log.output)

    def test_others_are_looked_at_the_next_time(self) -> None:
        self.w.cloud.fail("backup", errors.CloudError("503"), times=10**6)
        for number in range(60):
            self.row(number)
        looked_at: set[str] = set()
        with mock.patch.object(reconcile, "MOST_LOOKED_AT", 10):
            for _ in range(5):
                now = self.looked_at()
                self.assertEqual(10, len(now))
                looked_at |= now
        self.assertGreater(len(looked_at), 10)
        self.assertIn("60 rows name backups that", self.log.output)


class BrokenTest(ReconcileCase):
    def test_what_broke_in_cinder_is_named_in_one_line(self) -> None:
        first, second, third = (
            self.w.made(volume_id)[0].id for volume_id in self.volumes
        )
        # Those that an earlier release made carry no metadata.
        self.w.cloud.change_backup(first, status="error", metadata={})
        self.w.cloud.change_backup(second, status="error_deleting")
        self.change_rows(self.volumes[2], state=model.BackupState.UNWANTED)
        self.w.cloud.change_backup(third, status="error")
        self.w.cloud.add_backup("p", self.volumes[0], status="error")
        self.reconcile()
        (line,) = [
            line
            for line in self.log.output.splitlines()
            if "data may be lost" in line
        ]
        self.assertIn("2 backup(s) count as available", line)
        self.assertIn(first, line)
        self.assertIn(second, line)
        self.assertNotIn(third, line)

    def test_what_is_whole_again_counts_again(self) -> None:
        """Those that an earlier release made as well: without metadata."""
        first, second, _ = (
            self.w.made(volume_id)[0].id for volume_id in self.volumes
        )
        self.w.cloud.change_backup(first, metadata={})
        for status in ("error", "available"):
            for each in (first, second):
                self.w.cloud.change_backup(each, status=status)
            self.reconcile()
            self.assertEqual(
                2 if status == "error" else 0,
                sum(
                    row.broken_since is not None
                    for row in self.w.store.backups()
                ),
            )

    def test_no_more_than_20_are_named(self) -> None:
        ids = []
        for number in range(30):
            made = self.orphan(status="error")
            self.row(number, id=made)
            ids.append(made)
        self.reconcile()
        self.assertIn("30 backup(s) count as available", self.log.output)
        named = [each for each in ids if each in self.log.output]
        self.assertEqual(20, len(named))

    def test_where_none_is_broken_nothing_is_said(self) -> None:
        self.orphan(status="error")
        self.reconcile()
        self.assertNotIn("data may be lost", self.log.output)


class RetriesTest(ReconcileCase):
    def each_minute(self, minutes: int) -> int:
        """Lists that were begun in that time."""
        before = self.w.cloud.count("backup_pages")
        for _ in range(minutes):
            self.w.pass_time(MINUTE)
            try:
                self.w.processes["c1"].scheduler.reconcile()
            except errors.CloudError:
                continue
        return self.w.cloud.count("backup_pages") - before

    def test_one_that_fails_is_tried_again_less_and_less_often(self) -> None:
        self.w.pass_time(DAY)
        self.w.cloud.fail("backup_pages", errors.CloudError("500"), times=999)
        self.assertEqual(2, self.each_minute(3))
        self.assertEqual(4, self.each_minute(57))
        self.assertEqual(5, self.each_minute(5 * 61))

    def test_one_that_succeeds_ends_that(self) -> None:
        self.w.pass_time(DAY)
        self.w.cloud.fail("backup_pages", errors.CloudError("500"), times=4)
        self.assertGreater(self.each_minute(30), 4)
        self.w.pass_time(DAY)
        self.w.cloud.fail("backup_pages", errors.CloudError("500"))
        self.assertGreater(self.each_minute(3), 1)

    def test_a_lost_office_is_no_failure_of_it(self) -> None:
        process = self.w.processes["c1"]
        process.held = False
        self.w.pass_time(DAY)
        self.assertRaises(errors.OvertakenError, process.scheduler.reconcile)
        process.held = True
        process.scheduler.reconcile()
        self.assertIsNotNone(self.w.store.reconciled_at())


class OrphanTest(ReconcileCase):
    def test_one_of_ours_gets_a_row_after_a_day(self) -> None:
        row = self.w.rows(self.volumes[0])[0]
        self.w.pass_time(DAY)
        orphan = self.orphan()
        self.w.processes["c1"].scheduler.reconcile()
        self.assertIsNone(self.w.store.get_backup(orphan))
        self.reconcile()
        adopted = self.w.store.get_backup(orphan)
        assert adopted
        self.assertIs(model.BackupState.AVAILABLE, adopted.state)
        self.assertEqual(
            (row.project_id, row.volume_id, row.server_id),
            (adopted.project_id, adopted.volume_id, adopted.server_id),
        )
        self.assertIn("had no row: adopted", self.log.output)

    def test_what_only_its_metadata_says_is_not_ours(self) -> None:
        orphan = self.orphan(user_id="somebody")
        self.reconcile()
        self.assertIsNone(self.w.store.get_backup(orphan))
        self.assertIn(orphan, self.log.output)

    def test_those_of_other_deployments_are_counted(self) -> None:
        other = self.orphan(
            metadata=naming.backup_metadata("other-deployment", "t", 1)
        )
        self.reconcile()
        self.assertIsNone(self.w.store.get_backup(other))
        self.assertIn("1 of other deployments", self.log.output)

    def test_the_longest_retention_known_is_taken(self) -> None:
        row = self.w.rows(self.volumes[0])[0]
        (server,) = [
            each
            for each in self.w.cloud.servers.values()
            if each.id == row.server_id
        ]
        self.w.cloud.change_server(
            server.id,
            metadata={**server.metadata, "__staffeln_retention": "1y"},
        )
        self.w.retain()
        self.w.lead()
        self.w.retain()
        orphan = self.orphan()
        self.w.pass_time(DAY)
        self.reconcile()
        adopted = self.w.store.get_backup(orphan)
        assert adopted
        self.assertEqual("1y", adopted.retention)

    def test_one_that_failed_is_not_adopted(self) -> None:
        orphan = self.orphan(status="error")
        self.reconcile()
        self.assertIsNone(self.w.store.get_backup(orphan))

    def test_one_that_its_task_looks_for_is_left_to_that(self) -> None:
        """With a row it would not be found, and be made once more."""
        w = self.w = World(
            full_backup_depth=0, orphan_settle_time=SECOND, keep_last=0
        )
        volume = w.protect()
        w.lead()
        w.cloud.fail(
            "create_backup", errors.NoAnswerError("timeout"), after=True
        )
        w.cloud.fail("backups_of_volume", errors.CloudError("500"), times=3)
        w.work()
        made = w.made(volume)[0].id
        w.cloud.change_backup(made, user_id="service-user")
        w.cloud.finish_all()
        w.pass_time(POLL)
        w.processes["c1"].scheduler.reconcile()
        self.assertEqual([], w.rows(volume))
        self.assertIn("1 too young to be adopted", self.log.output)
        for _ in range(30):
            w.work()
            w.cloud.finish_all()
        self.assertEqual([made], [each.id for each in w.made(volume)])
        self.assertIs(task.State.SUCCEEDED, w.task_of(volume).state)


class OriginTest(ReconcileCase):
    """What governs an orphan that was given a row."""

    def server_of(self, volume_id: str) -> model.Server:
        return next(
            each
            for each in self.w.cloud.servers.values()
            if volume_id in each.volume_ids
        )

    def test_its_task_tells_its_server_and_its_retention(self) -> None:
        volume = self.volumes[0]
        work = self.w.task_of(volume)
        self.w.store._tasks[work.id] = dataclasses.replace(
            work, retention="1y", server_name="web", volume_name="root"
        )
        self.forget(volume)
        # The volume moved to another server since.
        self.w.cloud.change_volume(volume, server_ids=("other",))
        row = self.adopted(self.orphan(made_by=work.id))
        self.assertEqual(
            (work.server_id, "web", "root", "1y", True),
            (
                row.server_id,
                row.server_name,
                row.volume_name,
                row.retention,
                row.retention_known,
            ),
        )

    def test_a_short_value_of_its_task_holds(self) -> None:
        volume = self.volumes[0]
        work = self.w.task_of(volume)
        self.w.store._tasks[work.id] = dataclasses.replace(
            work, retention="1d"
        )
        self.forget(volume)
        self.assertEqual(
            "1d", self.adopted(self.orphan(made_by=work.id)).retention
        )

    def test_of_its_task_and_its_siblings_the_longest_is_taken(self) -> None:
        volume = self.volumes[0]
        work = self.w.task_of(volume)
        self.w.store._tasks[work.id] = dataclasses.replace(
            work, retention="1d"
        )
        self.change_rows(volume, retention="1h", retention_valid="1h")
        self.assertEqual(
            "1d", self.adopted(self.orphan(made_by=work.id)).retention
        )
        self.change_rows(volume, retention="2y")
        self.assertEqual(
            "2y", self.adopted(self.orphan(made_by=work.id)).retention
        )

    def test_a_task_of_another_volume_proves_nothing(self) -> None:
        other = self.w.task_of(self.volumes[1])
        orphan = self.orphan(made_by=other.id)
        self.reconcile()
        self.assertIsNone(self.w.store.get_backup(orphan))
        self.assertIn(f"does not agree: {orphan}", self.log.output)

    def test_the_last_readable_value_of_a_sibling_counts(self) -> None:
        self.change_rows(
            self.volumes[0], retention="1 yr", retention_valid="1y"
        )
        self.assertEqual("1y", self.adopted(self.orphan()).retention)

    def test_retention_time_counts_where_no_task_is_known(self) -> None:
        self.change_rows(self.volumes[0], retention="1h")
        row = self.adopted(self.orphan())
        self.assertIsNone(row.retention)
        self.assertTrue(row.retention_known)

    def test_a_sibling_that_nobody_read_says_nothing(self) -> None:
        self.change_rows(
            self.volumes[0], retention="1y", retention_known=False
        )
        row = self.adopted(self.orphan())
        self.assertEqual((None, False), (row.retention, row.retention_known))
        self.assertEqual(self.server_of(self.volumes[0]).id, row.server_id)

    def test_a_sibling_whose_server_was_read_speaks_first(self) -> None:
        self.row(
            1,
            volume_id=self.volumes[0],
            server_id="unread",
            retention_known=False,
            created_at=self.w.clock(),
        )
        row = self.adopted(self.orphan())
        self.assertEqual(self.server_of(self.volumes[0]).id, row.server_id)
        self.assertTrue(row.retention_known)

    def test_rows_of_another_project_are_somebody_elses(self) -> None:
        """The volume was transferred after the others were made."""
        volume = self.volumes[0]
        self.change_rows(volume, project_id="q", retention="1y")
        row = self.adopted(self.orphan())
        self.assertEqual((None, False), (row.retention, row.retention_known))
        self.w.cloud.add_project("r")
        doubtful = self.orphan(project_id="r")
        self.reconcile()
        self.assertIsNone(self.w.store.get_backup(doubtful))

    def test_without_rows_the_server_that_has_its_volume_governs(self) -> None:
        volume = self.volumes[0]
        server = self.server_of(volume)
        self.forget(volume)
        self.w.cloud.change_server(
            server.id, metadata={**TAG, "__staffeln_retention": "1y"}
        )
        self.w.cloud.change_volume(
            volume, server_ids=("zzz", server.id), name="root"
        )
        row = self.adopted(self.orphan())
        self.assertEqual(
            (server.id, "root", None, False),
            (
                row.server_id,
                row.volume_name,
                row.retention,
                row.retention_known,
            ),
        )
        self.w.lead()
        self.w.retain()
        governed = self.w.store.get_backup(row.id)
        assert governed
        self.assertEqual("1y", governed.retention)
        self.assertEqual(
            durations.after(row.created_at, durations.parse("1y")),
            governed.expires_at,
        )

    def test_where_nobody_knows_its_server_it_has_none(self) -> None:
        volume = self.volumes[0]
        self.forget(volume)
        self.w.cloud.change_volume(volume, server_ids=())
        row = self.adopted(self.orphan())
        self.assertEqual(("", False), (row.server_id, row.retention_known))

    def test_where_even_the_volume_is_unknown_it_is_doubtful(self) -> None:
        volume = self.volumes[0]
        self.forget(volume)
        orphan = self.orphan()
        self.w.cloud.delete_volume(volume)
        self.reconcile()
        self.assertIsNone(self.w.store.get_backup(orphan))
        self.assertIn(f"does not agree: {orphan}", self.log.output)
