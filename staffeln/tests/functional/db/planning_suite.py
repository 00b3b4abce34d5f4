# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: who plans and what is planned."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import errors, model, task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import (
    IDENTITY,
    NOW,
    SECOND,
    STRANGE_NAME,
    planned,
    removal,
)
from staffeln.tests.unit.domain import samples


class PlanningSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    # -- clock and deployment ------------------------------------------------

    def test_the_clock_is_utc_and_goes_on(self) -> None:
        before = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        first, second = self.store.now(), self.store.now()
        self.assertIsNone(first.tzinfo)
        self.assertLessEqual(first, second)
        self.assertLess(abs(first - before), datetime.timedelta(minutes=5))

    def test_the_clock_tells_microseconds(self) -> None:
        seen = {self.store.now().microsecond % 1000 for _ in range(20)}
        self.assertGreater(len(seen), 1)

    def test_a_new_deployment_is_unbound(self) -> None:
        deployment = self.store.deployment()
        self.assertIsNone(deployment.identity)
        self.assertFalse(deployment.adopted)
        self.assertIsNone(deployment.selected_volumes)
        self.assertEqual(deployment, self.store.deployment())

    def test_a_deployment_is_bound_once(self) -> None:
        self.store.bind_cloud(IDENTITY)
        self.store.bind_cloud(dataclasses.replace(IDENTITY, region="Other"))
        self.assertEqual(IDENTITY, self.store.deployment().identity)

    def test_a_deployment_is_bound_anew_on_purpose(self) -> None:
        other = dataclasses.replace(IDENTITY, region="Other")
        for identity in (other, IDENTITY):
            self.store.rebind_cloud(identity)
            self.assertEqual(identity, self.store.deployment().identity)

    # -- conductors ----------------------------------------------------------

    def test_conductors_come_beat_and_go(self) -> None:
        self.store.register_conductor("c1", "höst", 7, "file lock")
        self.store.register_conductor("c2", "other", 8, "file lock")
        first, _ = self.store.conductors()
        self.assertEqual(
            ("c1", "höst", 7, "file lock"),
            (first.id, first.host, first.pid, first.backend),
        )
        self.assertTrue(self.store.heartbeat("c1"))
        again = self.store.conductors()[0]
        self.assertLess(first.heartbeat_at, again.heartbeat_at)
        self.assertEqual(first.started_at, again.started_at)
        self.store.unregister_conductor("c1")
        self.store.unregister_conductor("c1")
        self.assertFalse(self.store.heartbeat("c1"))
        self.assertEqual(["c2"], [each.id for each in self.store.conductors()])

    # -- the fence -----------------------------------------------------------

    def test_every_term_has_a_higher_number(self) -> None:
        self.assertEqual(self.term + 1, self.store.take_office("c2"))
        self.assertEqual(self.term + 2, self.store.take_office("c1"))

    def test_terms_taken_at_once_differ(self) -> None:
        terms = self.at_once(
            8, lambda number: self.store.take_office(f"c{number}")
        )
        self.assertEqual(8, len(set(terms)))

    def test_an_overtaken_scheduler_writes_nothing(self) -> None:
        self.plan(planned(1))
        self.keep(self.row(1))
        self.store.take_office("c2")
        self.assertRaises(
            errors.OvertakenError,
            self.plan,
            planned(2),
            cancelled=["t1"],
            cancel_reason="gone",
            records=[samples.record(volume_id="v2", failures=1)],
            governed=[self.row(1, retention="9y")],
            adopted=[self.row(3)],
            vanished=[self.row(1)],
            selected_volumes=3,
        )
        self.assertIsNone(self.store.get_task("t2"))
        self.assertEqual(task.State.PLANNED, self.in_store("t1").state)
        self.assertIsNone(self.store.volume_record("v2"))
        untouched = self.backup_in_store("b1")
        self.assertIsNone(untouched.retention)
        self.assertEqual(model.BackupState.AVAILABLE, untouched.state)
        self.assertIsNone(self.store.get_backup("b3"))
        self.assertIsNone(self.store.deployment().selected_volumes)

    # -- planning ------------------------------------------------------------

    def test_a_plan_is_kept_as_it_is(self) -> None:
        work = planned(
            volume_name=STRANGE_NAME[:255],
            volume_size=2048,
            volume_status="in-use",
            server_id="s1",
            server_name="sërver 🐢",
            retention="1y2mon",
            reason="never backed up\nfull: " + "é" * 300,
            not_before=NOW + SECOND / 3,
        )
        self.assertEqual([work], self.plan(work))
        self.assertEqual(work, self.store.get_task("t1"))
        self.assertEqual([work], self.store.tasks())
        self.assertEqual([(None, "planned", "scheduler")], self.story("t1"))

    def test_a_task_whose_slot_is_taken_is_left_out(self) -> None:
        self.plan(planned(1))
        second = dataclasses.replace(planned(1), id="t1-again")
        added = self.plan(second, planned(2))
        self.assertEqual(["t2"], [work.id for work in added])
        self.assertIsNone(self.store.get_task("t1-again"))
        self.assertEqual([], self.story("t1-again"))

    def test_a_plan_with_two_tasks_for_a_slot_keeps_the_first(self) -> None:
        twin = dataclasses.replace(planned(2), id="twin")
        added = self.plan(planned(1), planned(2), twin, planned(3))
        self.assertEqual(["t1", "t2", "t3"], sorted(w.id for w in added))

    def test_slots_are_told_apart_by_case(self) -> None:
        added = self.plan(
            samples.backup_task("t1", volume_id="abc"),
            samples.backup_task("t2", volume_id="ABC"),
            samples.backup_task("T1", volume_id="Abc"),
        )
        self.assertEqual(3, len(added))
        self.assertEqual(
            ["t1"], [w.id for w in self.store.tasks(volume_id="abc")]
        )

    def test_a_delete_and_a_backup_of_one_volume_may_live(self) -> None:
        added = self.plan(planned(1), removal(1, volume_id="v1"))
        self.assertEqual(2, len(added))
        again = dataclasses.replace(removal(1), id="other")
        self.assertEqual([], self.plan(again))

    def test_a_task_that_fails_at_once_holds_no_slot(self) -> None:
        failed = planned(
            state=task.State.FAILED, reason="odd", finished_at=NOW
        )
        other = dataclasses.replace(failed, id="t9")
        self.assertEqual(2, len(self.plan(failed, other)))
        self.assertEqual([(None, "failed", "scheduler")], self.story("t1"))
        added = self.plan(dataclasses.replace(planned(), id="t3"))
        self.assertEqual(1, len(added))

    def test_an_ended_task_frees_its_slot(self) -> None:
        running = self.run_one()
        again = dataclasses.replace(planned(1), id="again")
        self.assertEqual([], self.plan(again))
        self.move(running, task.State.FAILED)
        self.assertEqual([again], self.plan(again))

    def test_a_large_plan_is_written(self) -> None:
        count = 1200
        self.plan(planned(7), planned(1100))
        written = self.plan(
            *(
                dataclasses.replace(planned(number), id=f"n{number}")
                for number in range(count)
            )
        )
        self.assertEqual(count - 2, len(written))
        self.assertEqual(count, len(self.store.planned_backups()))
        cancelled = self.plan(
            cancelled=[f"n{number}" for number in range(count)],
            cancel_reason="gone",
        )
        self.assertEqual(count - 2, len(cancelled))
        self.assertEqual(
            {"v7": "t7", "v1100": "t1100"}, self.store.planned_backups()
        )

    def test_schedulers_that_plan_at_once_make_one_task(self) -> None:
        """Even the same term writes in two threads: the key decides."""
        added = self.at_once(
            6,
            lambda number: self.plan(
                *(
                    dataclasses.replace(
                        planned(volume), id=f"{number}-{volume}"
                    )
                    for volume in range(20)
                )
            ),
        )
        self.assertEqual(20, sum(map(len, added)))
        self.assertEqual(20, len(self.store.tasks(states=task.LIVE)))

    def test_a_plan_may_be_written_again(self) -> None:
        """Whoever does not know whether it was written asks again."""
        failed = planned(3, state=task.State.FAILED, finished_at=NOW)
        tasks = (planned(1), planned(2), failed)
        first = self.plan(*tasks)
        (claimed,) = self.claim(limit=1)
        again = self.plan(*tasks, planned(4))
        self.assertEqual(set(tasks), set(first))
        self.assertEqual({claimed, planned(2), failed, planned(4)}, set(again))
        self.assertEqual(1, len(self.story("t2")))
        self.assertEqual(1, len(self.story("t3")))

    def test_what_nobody_needs_is_cancelled(self) -> None:
        self.plan(planned(1), planned(2))
        (claimed,) = self.claim(limit=1)
        done = self.plan(
            cancelled=["t1", "t2", "unknown"], cancel_reason="no candidate"
        )
        self.assertEqual(["t2"], [work.id for work in done])
        found = self.in_store("t2")
        self.assertEqual(done[0], found)
        self.assertEqual(
            (task.State.CANCELLED, "no candidate", found.updated_at),
            (found.state, found.reason, found.finished_at),
        )
        self.assertEqual(claimed, self.store.get_task("t1"))
        self.assertEqual("cancelled", self.story("t2")[-1][1])

    def test_a_plan_may_replace_what_it_cancels(self) -> None:
        self.plan(planned(1))
        new = dataclasses.replace(planned(1), id="new")
        written = self.plan(new, cancelled=["t1"], cancel_reason="moved")
        self.assertEqual({"new", "t1"}, {work.id for work in written})

    def test_records_are_written_and_overwritten(self) -> None:
        first = samples.record(failures=1, failed_at=NOW)
        other = samples.record(volume_id="v2", postponed_since=NOW)
        self.plan(records=[first, other])
        second = samples.record(project_id="p2", full_only_until=NOW)
        self.plan(records=[second])
        self.plan(records=[second])
        self.plan(records=[first, other, second])
        self.assertEqual(second, self.store.volume_record("v1"))
        self.assertEqual(other, self.store.volume_record("v2"))
        self.assertIsNone(self.store.volume_record("v3"))

    def test_the_count_of_selected_volumes_is_kept(self) -> None:
        self.plan(selected_volumes=12)
        self.plan()
        self.assertEqual(12, self.store.deployment().selected_volumes)
