# SPDX-License-Identifier: Apache-2.0
"""A plan that is written in parts, and one of which nothing is written."""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest import mock

from staffeln.domain import errors, task
from staffeln.tests.unit.workflow import test_lost_plans, world
from staffeln.tests.unit.workflow.world import DAY
from staffeln.workflow import planning


class DiedError(errors.StoreError):
    """The scheduler gets no further."""


class PartsTest(world.WorldTest):
    def setUp(self) -> None:
        super().setUp()
        for name, number in (("PAGE", 2), ("WRITTEN_AT_ONCE", 3)):
            patch = mock.patch.object(planning, name, number)
            patch.start()
            self.addCleanup(patch.stop)

    def dying(self, w: world.World, parts: int) -> Any:
        """A store that takes so many parts of a plan and no more."""
        write, left = w.store.write_plan, [parts]

        def written(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise DiedError("the database went away")
            return write(*arguments)

        return mock.patch.object(w.store, "write_plan", written)

    def large_and_small(self) -> world.World:
        """Seven volumes of one project, seen before two of another."""
        w = self.new_world(backup_workers=1)
        for project_id, count in (("large", 7), ("small", 2)):
            w.cloud.add_project(project_id)
            for _ in range(count):
                w.protect(project_id)
        return w

    def in_order(self, w: world.World) -> list[task.Task]:
        return sorted(
            w.store.tasks(states=[task.State.PLANNED]),
            key=lambda work: work.rank,
        )

    def test_as_if_it_were_one(self) -> None:
        w = self.large_and_small()
        self.assertEqual(9, w.lead())
        self.assertEqual(9, len(self.in_order(w)))
        self.assertEqual(
            {"large", "small"}, {each.project_id for each in self.in_order(w)}
        )

    def test_the_most_urgent_is_written_first_and_the_rest_is_fair(
        self,
    ) -> None:
        for parts in range(4):
            with self.subTest(parts=parts):
                w = self.large_and_small()
                with self.dying(w, parts), self.assertRaises(DiedError):
                    w.lead()
                before = self.in_order(w)
                self.assertEqual(min(3 * parts, 9), len(before))
                # Another one leads from now on.
                w.start_conductor("c2").scheduler.take_office()
                self.assertEqual(9 - len(before), w.lead("c2"))
                tasks = self.in_order(w)
                self.assertEqual(9, len({each.volume_id for each in tasks}))
                self.assertEqual(before, tasks[: len(before)])
                self.assert_fair([each.project_id for each in tasks])

    def assert_fair(self, projects: list[str]) -> None:
        """Nobody who still waits had two turns fewer than another."""
        left, had = Counter(projects), Counter[str]()
        for each in projects:
            had[each] += 1
            left[each] -= 1
            counts = [had[name] for name in left if left[name]]
            if counts:
                self.assertLessEqual(max(had.values()) - min(counts), 1)

    def test_a_count_is_kept_when_all_is_written(self) -> None:
        w = self.large_and_small()
        with self.dying(w, 3), self.assertRaises(DiedError):
            w.lead()
        self.assertIsNone(w.store.deployment().selected_volumes)
        w.lead()
        self.assertEqual(9, w.store.deployment().selected_volumes)

    def test_cancellations_and_notes_come_in_parts_as_well(self) -> None:
        w = self.new_world()
        servers = [w.protect() for _ in range(5)]
        w.lead()
        for volume_id in servers:
            w.cloud.change_volume(
                volume_id, metadata={"__staffeln_backup": "false"}
            )
        postponed = [w.protect(status="attaching") for _ in range(5)]
        with mock.patch.object(
            w.store, "write_plan", wraps=w.store.write_plan
        ) as written:
            w.lead()
        self.assertEqual(4, written.call_count)
        for volume_id in servers:
            state = w.task_of(volume_id).state
            self.assertIs(task.State.CANCELLED, state)
        for volume_id in postponed:
            record = w.store.volume_record(volume_id)
            assert record is not None
            self.assertIsNotNone(record.postponed_since)

    def test_another_takes_office_between_two_parts(self) -> None:
        w = self.large_and_small()
        write = w.store.write_plan

        def written(*arguments: Any) -> Any:
            found = write(*arguments)
            w.store.take_office("c2")
            return found

        with (
            mock.patch.object(w.store, "write_plan", written),
            self.assertRaises(errors.OvertakenError),
        ):
            w.lead()
        self.assertEqual(3, len(self.in_order(w)))


class LostPartsTest(test_lost_plans.LostPlanTest):
    """Any call to the database is lost, while each task is a part."""

    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch.object(planning, "WRITTEN_AT_ONCE", 1)
        patch.start()
        self.addCleanup(patch.stop)


class IdleTest(world.WorldTest):
    def test_a_cycle_with_nothing_to_do_writes_its_sign_of_life(self) -> None:
        w = self.new_world()
        for _ in range(3):
            w.protect()
        w.backup_cycle()
        self.assertEqual(3, w.store.deployment().selected_volumes)
        before = w.store.freshness().cycle_at
        w.pass_time(DAY / 2)
        with (
            mock.patch.object(w.store, "write_plan") as written,
            mock.patch.object(
                w.store, "note_cycle", wraps=w.store.note_cycle
            ) as noted,
        ):
            self.assertEqual(0, w.lead())
        written.assert_not_called()
        noted.assert_called_once()
        self.assertNotEqual(before, w.store.freshness().cycle_at)

    def test_a_scheduler_out_of_office_finds_out(self) -> None:
        w = self.new_world(conductors=2)
        w.protect()
        w.backup_cycle()
        w.processes["c2"].scheduler.take_office()
        self.assertRaises(errors.OvertakenError, w.lead, "c1")
