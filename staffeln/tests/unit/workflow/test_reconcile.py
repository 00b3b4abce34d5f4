# SPDX-License-Identifier: Apache-2.0
"""Rows and Cinder's backups, held against each other."""

from __future__ import annotations

import datetime

from staffeln.domain import errors, model, naming
from staffeln.tests.unit.workflow.world import (
    ABSENCE,
    DAY,
    HOUR,
    World,
    WorldTest,
)


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

    def orphan(self, **changes: object) -> str:
        """A backup of ours that the database has forgotten."""
        deployment = self.w.store.deployment().uuid
        values = {
            "metadata": naming.backup_metadata(deployment, "forgotten", 1),
            "user_id": "service-user",
            **changes,
        }
        return self.w.cloud.add_backup("p", self.volumes[0], **values)  # type: ignore[arg-type]


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
