# SPDX-License-Identifier: Apache-2.0
"""What nobody wants counts in how much a round may remove."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

from staffeln.domain import model
from staffeln.tests.unit.workflow.test_retain import RetentionCase
from staffeln.tests.unit.workflow.world import DAY, HOUR


class UnwantedTest(RetentionCase):
    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world(full_backup_depth=0, small_round=4)
        volumes = [self.w.protect() for _ in range(6)]
        self.w.backup_cycle()
        self.w.work(6)
        self.w.cloud.finish_all()
        self.w.work(2)
        self.rows = [self.w.rows(each)[0] for each in volumes]

    def nobody_wants(self, row: model.Backup) -> None:
        self.w.store._backups[row.id] = dataclasses.replace(
            row, state=model.BackupState.UNWANTED, reason="for a test"
        )

    def test_no_more_go_than_were_counted(self) -> None:
        self.nobody_wants(self.rows[0])
        removal = self.w.processes["c1"].scheduler._retention._removal
        may_remove = removal._may_remove

        def meanwhile(*arguments: Any) -> bool:
            for row in self.rows[1:]:
                self.nobody_wants(row)
            return may_remove(*arguments)

        with mock.patch.object(removal, "_may_remove", meanwhile):
            self.assertEqual(1, self.w.retain())
        # Counted, they are too many for one round.
        self.assertEqual(0, self.w.retain())
        self.assertIsNotNone(self.w.store.breaker())

    def test_a_round_that_is_small_again_waits_no_longer(self) -> None:
        for row in self.rows:
            self.nobody_wants(row)
        self.assertEqual(0, self.w.retain())
        self.assertIsNotNone(self.w.store.breaker())
        for row in self.rows[2:]:
            self.w.store._backups[row.id] = row
        self.w.pass_time(HOUR)
        self.assertEqual(2, self.w.retain())
        self.assertIsNone(self.w.store.breaker())

    def test_deletes_planned_meanwhile_are_looked_at_while_it_waits(
        self,
    ) -> None:
        self.w.pass_time(11 * DAY)
        self.assertEqual(0, self.w.retain())
        before = self.w.cloud.count("server_pages")
        with mock.patch.object(
            self.w.store,
            "expiring_volumes",
            return_value=[self.rows[0].volume_id],
        ):
            self.assertEqual(0, self.w.retain())
        self.assertEqual(before + 1, self.w.cloud.count("server_pages"))
