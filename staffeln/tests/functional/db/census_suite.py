# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: what is counted for those who watch."""

from __future__ import annotations

from staffeln.domain import model, task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import planned


class CensusSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    def test_a_census_of_nothing(self) -> None:
        found = self.store.census(10)
        self.assertEqual(
            (self.term, 0, (), (), (), False),
            (
                found.term,
                found.conductors,
                found.tasks,
                found.projects,
                found.brakes,
                found.breaker_waits,
            ),
        )
        self.assertIsNone(found.taken_at.tzinfo)

    def test_tasks_are_counted_by_kind_and_state(self) -> None:
        self.plan(planned(1), planned(2), planned(3))
        self.claim(limit=1)
        self.store.register_conductor("c1", "host", 1, "solo")
        found = self.store.census(10)
        self.assertEqual(
            {
                (task.Kind.BACKUP, task.State.CLAIMED): 1,
                (task.Kind.BACKUP, task.State.PLANNED): 2,
            },
            {(each.kind, each.state): each.number for each in found.tasks},
        )
        self.assertEqual(1, found.conductors)

    def test_the_largest_projects_are_named_and_the_others_are_one(
        self,
    ) -> None:
        self.keep(
            self.row(1, project_id="few", size=1),
            self.row(2, project_id="many", size=2),
            self.row(3, project_id="many", size=3),
            self.row(4, project_id="also few", size=4),
            self.row(
                5,
                project_id="gone",
                size=5,
                state=model.BackupState.VANISHED,
            ),
        )
        seen = {
            most: [
                (each.project_id, each.backups, each.gigabytes)
                for each in self.store.census(most).projects
            ]
            for most in (0, 1, 2, 3)
        }
        self.assertEqual(
            {
                0: [(None, 4, 10)],
                1: [("many", 2, 5), (None, 2, 5)],
                2: [("many", 2, 5), ("also few", 1, 4), (None, 1, 1)],
                3: [("many", 2, 5), ("also few", 1, 4), ("few", 1, 1)],
            },
            seen,
        )

    def test_what_is_paused_and_what_waits_for_a_yes(self) -> None:
        self.store.pause(task.Kind.DELETE, "p")
        self.store.trip_breaker(self.term, 5, 6, None)
        found = self.store.census(10)
        self.assertEqual(
            [(task.Kind.DELETE, "p")],
            [(each.kind, each.project_id) for each in found.brakes],
        )
        self.assertTrue(found.breaker_waits)
        self.store.confirm_breaker()
        self.assertFalse(self.store.census(10).breaker_waits)
