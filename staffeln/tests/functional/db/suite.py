# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: the contract of ``ports.Store``."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from staffeln import ports
from staffeln.domain import errors, model, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

NOW = samples.NOW
SECOND = datetime.timedelta(seconds=1)
DAY = samples.DAY
STRANGE_NAME = "Bäckup 📦 <b>&\"'%s;\u202e" + "𝄞" * 200

IDENTITY = model.CloudIdentity(
    auth_url="https://keystone.example/v3",
    region="RegionOne",
    block_storage_url="https://cinder.example/v3",
    user_id="u1",
)


def planned(number: int = 1, **changes: Any) -> task.Task:
    """A planned backup of volume ``v<number>``."""
    return samples.backup_task(
        f"t{number}", volume_id=f"v{number}", rank=number, **changes
    )


def removal(number: int = 1, **changes: Any) -> task.Task:
    """A planned delete of backup ``b<number>``."""
    return samples.backup_task(
        f"d{number}",
        kind=task.Kind.DELETE,
        mode=None,
        backup_id=f"b{number}",
        **changes,
    )


class StoreSuite(base.TestCase):
    """Inherit this with ``new_store``; a store passes when all tests do."""

    store: ports.Store
    term: int

    def setUp(self) -> None:
        super().setUp()
        self.store = self.new_store()
        self.term = self.store.take_office("scheduler")

    def new_store(self) -> ports.Store:
        """A store with nothing in it."""
        raise NotImplementedError

    def mark_reported(self, task_id: str) -> None:
        """Say that a task's end was reported."""
        raise NotImplementedError

    # What tests say of it.

    def plan(self, *tasks: task.Task, **changes: Any) -> list[task.Task]:
        return self.store.write_plan(
            self.term, ports.PlanRecord(tasks=tasks, **changes), "scheduler"
        )

    def claim(
        self,
        limit: int = 100,
        kind: task.Kind = task.Kind.BACKUP,
        now: datetime.datetime = NOW,
        by: str = "c1",
    ) -> list[task.Task]:
        return self.store.claim(by, kind, limit, now)

    def move(
        self,
        work: task.Task,
        to_state: task.State,
        reason: str = "why",
        now: datetime.datetime = NOW,
        **changes: Any,
    ) -> task.Task | None:
        fields = {
            name: changes.pop(name)
            for name in ("backup", "forget_backup", "record")
            if name in changes
        }
        after = task.advance(work, to_state, now, reason, **changes)
        done = self.store.advance(
            [ports.Change(before=work, after=after, **fields)], "c1"
        )
        return done[0] if done else None

    def start(self, work: task.Task, **changes: Any) -> task.Task:
        """A claimed task, started: its attempt is saved."""
        moved = self.move(
            work,
            task.State.STARTING,
            attempt=work.attempt + 1,
            attempted_at=NOW,
            **changes,
        )
        assert moved
        return moved

    def run_one(self, number: int = 1, **changes: Any) -> task.Task:
        """A new task of a volume, brought to running with its row."""
        self.plan(planned(number, **changes))
        (claimed,) = self.claim()
        backup_id = f"b{number}"
        running = self.move(
            self.start(claimed),
            task.State.RUNNING,
            backup_id=backup_id,
            backup=self.row(
                number, state=model.BackupState.CREATING, completed_at=None
            ),
        )
        assert running
        return running

    def row(self, number: int = 1, **changes: Any) -> model.Backup:
        return samples.backup(
            f"b{number}", **{"volume_id": f"v{number}", **changes}
        )

    def keep(self, *rows: model.Backup) -> None:
        """Put rows into the store, by the move of a passing task."""
        for row in rows:
            name = f"maker of {row.id}"
            self.plan(
                samples.backup_task(
                    name, kind=task.Kind.DELETE, mode=None, backup_id=name
                )
            )
            (claimed,) = self.claim(kind=task.Kind.DELETE)
            self.move(self.start(claimed), task.State.SUCCEEDED, backup=row)

    def history(self, volume_id: str = "v1") -> model.History:
        found = self.store.histories([volume_id])
        return found.get(volume_id, model.History())

    def story(self, task_id: str) -> list[tuple[str | None, str, str | None]]:
        return [
            (each.from_state, each.to_state, each.conductor_id)
            for each in self.store.events(task_id)
        ]

    def at_once(self, count: int, call: Callable[[int], Any]) -> list[Any]:
        """Call it in so many threads, all let go at the same moment."""
        gate = threading.Barrier(count)

        def run(number: int) -> Any:
            gate.wait()
            return call(number)

        with concurrent.futures.ThreadPoolExecutor(count) as threads:
            return list(threads.map(run, range(count)))

    # -- clock and deployment ----------------------------------------------

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

    # -- conductors --------------------------------------------------------

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

    # -- the fence ---------------------------------------------------------

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
            retentions={"v1": "9y"},
            selected_volumes=3,
        )
        self.assertIsNone(self.store.get_task("t2"))
        self.assertEqual(task.State.PLANNED, self.in_store("t1").state)
        self.assertIsNone(self.store.volume_record("v2"))
        self.assertIsNone(self.backup_in_store("b1").retention)
        self.assertIsNone(self.store.deployment().selected_volumes)

    def in_store(self, task_id: str) -> task.Task:
        found = self.store.get_task(task_id)
        assert found
        return found

    def backup_in_store(self, backup_id: str) -> model.Backup:
        found = self.store.get_backup(backup_id)
        assert found
        return found

    # -- planning ----------------------------------------------------------

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

    def test_retentions_are_refreshed_on_a_volumes_rows(self) -> None:
        self.keep(
            self.row(1, retention="1y"),
            self.row(2, volume_id="v1"),
            self.row(3, retention="2y"),
            self.row(4, retention="3y"),
        )
        self.plan(retentions={"v1": "5d", "v4": None, "v9": "1d"})
        self.assertEqual(
            {"b1": "5d", "b2": "5d", "b3": "2y", "b4": None},
            {row.id: row.retention for row in self.store.backups()},
        )

    def test_the_count_of_selected_volumes_is_kept(self) -> None:
        self.plan(selected_volumes=12)
        self.plan()
        self.assertEqual(12, self.store.deployment().selected_volumes)

    # -- claims ------------------------------------------------------------

    def test_work_is_claimed_in_its_order(self) -> None:
        self.plan(planned(3), planned(1), planned(2, created_at=NOW + SECOND))
        self.plan(planned(9, created_at=NOW - SECOND))
        claimed = self.claim(limit=3)
        self.assertEqual(["t9", "t1", "t3"], [work.id for work in claimed])
        self.assertEqual(["t2"], [work.id for work in self.claim()])
        self.assertEqual([], self.claim())

    def test_a_claim_is_one_event(self) -> None:
        self.plan(planned(reason="due"))
        later = NOW + SECOND
        (work,) = self.claim(now=later)
        self.assertEqual(
            (task.State.CLAIMED, "c1", later, "due"),
            (work.state, work.claimed_by, work.updated_at, work.reason),
        )
        self.assertEqual(work, self.store.get_task("t1"))
        self.assertEqual(
            [(None, "planned", "scheduler"), ("planned", "claimed", "c1")],
            self.story("t1"),
        )
        self.assertEqual(later, self.store.events("t1")[-1].at)

    def test_what_has_to_wait_is_not_claimed(self) -> None:
        self.plan(planned(1, not_before=NOW + SECOND), planned(2))
        self.assertEqual(["t2"], [work.id for work in self.claim()])
        found = self.claim(now=NOW + SECOND)
        self.assertEqual(["t1"], [work.id for work in found])

    def test_kinds_are_claimed_apart(self) -> None:
        self.plan(planned(1), removal(2))
        found = self.claim(kind=task.Kind.DELETE)
        self.assertEqual(["d2"], [work.id for work in found])
        self.assertEqual([], self.claim(limit=0))

    def test_conductors_that_claim_at_once_share_the_work(self) -> None:
        self.plan(*(planned(number) for number in range(120)))

        def work(number: int) -> list[str]:
            mine: list[str] = []
            while won := self.claim(limit=4, by=f"c{number}"):
                for each in won:
                    assert each.claimed_by == f"c{number}"
                mine += [each.id for each in won]
            # Nothing was won in the last round, yet others may still
            # have been ahead: only an empty table says that all is done.
            return mine

        shares = self.at_once(8, work)
        claims = Counter(each for share in shares for each in share)
        rest = [each.id for each in self.claim()]
        claims.update(rest)
        self.assertEqual(120, len(claims))
        self.assertEqual({1}, set(claims.values()))
        self.assertEqual(
            {2}, {len(self.story(f"t{number}")) for number in range(120)}
        )

    # -- moves -------------------------------------------------------------

    def test_a_move_saves_all_that_belongs_to_it(self) -> None:
        running = self.run_one()
        done = self.move(
            running,
            task.State.SUCCEEDED,
            "available",
            now=NOW + SECOND,
            backup=self.row(completed_at=NOW, size=3, reason="done"),
            record=samples.record(failures=0, incremental_failures=1),
        )
        self.assertEqual(done, self.store.get_task("t1"))
        self.assertEqual(
            self.row(
                completed_at=NOW,
                size=3,
                reason="done",
                updated_at=NOW + SECOND,
            ),
            self.store.get_backup("b1"),
        )
        record = self.store.volume_record("v1")
        self.assertEqual(samples.record(incremental_failures=1), record)
        self.assertEqual(
            ["planned", "claimed", "starting", "running", "succeeded"],
            [to for _, to, _ in self.story("t1")],
        )
        last = self.store.events("t1")[-1]
        self.assertEqual(
            ("available", 1, NOW + SECOND),
            (last.reason, last.attempt, last.at),
        )

    def test_a_move_may_forget_a_backup(self) -> None:
        self.keep(self.row(1), self.row(2))
        self.plan(removal(1))
        (claimed,) = self.claim(kind=task.Kind.DELETE)
        self.move(
            self.start(claimed), task.State.SUCCEEDED, forget_backup="b1"
        )
        self.assertIsNone(self.store.get_backup("b1"))
        self.assertEqual(["b2"], [row.id for row in self.store.backups()])

    def test_a_move_that_was_overtaken_changes_nothing(self) -> None:
        self.plan(planned(1), planned(2))
        one, two = self.claim()
        self.start(one)
        moves = [
            ports.Change(
                before=each,
                after=task.advance(
                    each, task.State.PLANNED, NOW, "handed back"
                ),
                backup=self.row(number),
                record=samples.record(volume_id=f"v{number}", failures=4),
            )
            for number, each in ((1, one), (2, two))
        ]
        done = self.store.advance(moves, "c1")
        self.assertEqual(["t2"], [work.id for work in done])
        self.assertEqual(task.State.STARTING, self.in_store("t1").state)
        self.assertIsNone(self.store.get_backup("b1"))
        self.assertIsNone(self.store.volume_record("v1"))
        self.assertIsNotNone(self.store.get_backup("b2"))
        self.assertEqual(3, len(self.store.events("t1")))

    def test_a_move_compares_attempt_and_holder(self) -> None:
        self.plan(planned(1))
        (claimed,) = self.claim()
        started = self.start(claimed)
        for stale in (
            dataclasses.replace(started, attempt=2),
            dataclasses.replace(started, claimed_by="c2"),
            dataclasses.replace(started, claimed_by=None),
            dataclasses.replace(started, id="unknown"),
        ):
            self.assertIsNone(self.move(stale, task.State.FAILED))
        self.assertEqual(started, self.store.get_task("t1"))

    def test_many_moves_alike_go_together(self) -> None:
        self.plan(*(planned(number) for number in range(50)))
        claimed = self.claim()
        self.start(claimed[10])
        done = self.store.advance(
            [
                ports.Change(
                    before=work,
                    after=task.advance(
                        work, task.State.PLANNED, NOW, "stopping"
                    ),
                )
                for work in claimed
            ],
            "c1",
        )
        expected = {work.id for work in claimed} - {claimed[10].id}
        self.assertEqual(expected, {work.id for work in done})
        self.assertEqual(49, len(self.store.planned_backups()))
        self.assertEqual(
            {"stopping"},
            {self.store.events(each)[-1].reason for each in expected},
        )

    def test_one_of_those_who_move_at_once_wins(self) -> None:
        running = self.run_one()
        ends = [task.State.SUCCEEDED, task.State.FAILED] * 4
        done = self.at_once(
            8, lambda number: self.move(running, ends[number], f"n{number}")
        )
        (won,) = [each for each in done if each]
        self.assertEqual(won, self.store.get_task("t1"))
        self.assertEqual(5, len(self.store.events("t1")))

    def test_a_new_attempt_is_planned_with_its_slot(self) -> None:
        running = self.run_one()
        again = self.move(
            running,
            task.State.PLANNED,
            mode=task.Mode.FULL,
            not_before=NOW + SECOND,
            backup_id=None,
            unsettled=True,
        )
        self.assertEqual(again, self.store.get_task("t1"))
        self.assertEqual([], self.plan(dataclasses.replace(planned(), id="x")))
        self.assertEqual([], self.claim())
        self.assertEqual(1, len(self.claim(now=NOW + SECOND)))

    def test_long_texts_do_not_stop_a_move(self) -> None:
        self.plan(planned(volume_name="n" * 300, volume_status="s" * 99))
        (claimed,) = self.claim()
        self.move(claimed, task.State.PLANNED, "r" * 70_000)
        found = self.in_store("t1")
        self.assertTrue(found.reason.startswith("r" * 1000))
        self.assertTrue(found.volume_name.startswith("n" * 255))

    def test_texts_that_no_database_takes_do_not_stop_a_plan(self) -> None:
        self.plan(planned(volume_name="a\0b", server_name="x\ud800y"))
        self.assertEqual(["t1"], [work.id for work in self.claim()])

    # -- holders -----------------------------------------------------------

    def test_holders_are_those_with_unfinished_tasks(self) -> None:
        self.run_one(1)
        self.plan(planned(2), planned(3), planned(4))
        (two,) = self.claim(limit=1, by="c2")
        (three,) = self.claim(limit=1, by="c3")
        self.assertEqual({"c1", "c2", "c3"}, self.store.holders())
        self.move(two, task.State.PLANNED)
        self.move(self.start(three), task.State.FAILED)
        self.assertEqual({"c1"}, self.store.holders())

    def test_started_tasks_of_the_dead_are_taken_over(self) -> None:
        running = self.run_one()
        later = NOW + SECOND
        (taken,) = self.store.take_over([running], "c9", later, "c1 is gone")
        self.assertEqual(
            task.hand_over(running, "c9", later, "c1 is gone"), taken
        )
        self.assertEqual(taken, self.store.get_task("t1"))
        self.assertEqual(("running", "running", "c9"), self.story("t1")[-1])
        self.assertIsNone(self.move(running, task.State.FAILED))
        self.assertEqual(
            [], self.store.take_over([running], "c8", later, "late")
        )

    def test_one_of_those_who_take_over_at_once_wins(self) -> None:
        running = self.run_one()
        done = self.at_once(
            8,
            lambda number: self.store.take_over(
                [running], f"h{number}", NOW, "c1 is gone"
            ),
        )
        self.assertEqual(1, sum(map(len, done)))

    def test_a_full_quota_cancels_what_is_as_large(self) -> None:
        self.plan(
            planned(1, volume_size=9),
            planned(2, volume_size=10),
            planned(3, volume_size=11),
            planned(4, volume_size=11, project_id="p2"),
            planned(5, volume_size=12, not_before=NOW + DAY),
            removal(6, volume_size=12),
        )
        count = self.store.cancel_over_quota("p1", 10, "413", NOW, "c1")
        self.assertEqual(3, count)
        cancelled = self.store.tasks(states=[task.State.CANCELLED])
        self.assertEqual({"t2", "t3", "t5"}, {work.id for work in cancelled})
        self.assertEqual(("planned", "cancelled", "c1"), self.story("t2")[-1])
        self.assertEqual("413", self.store.events("t2")[-1].reason)
        self.assertEqual(
            0, self.store.cancel_over_quota("p1", 10, "413", NOW, "c1")
        )

    # -- lists -------------------------------------------------------------

    def test_tasks_are_listed_newest_first_by_all_that_is_given(self) -> None:
        self.plan(
            planned(1),
            planned(2, created_at=NOW + SECOND),
            planned(3, project_id="p2"),
            removal(4, volume_id="v1"),
        )
        self.claim(limit=1)
        store = self.store

        def ids(**given: Any) -> list[str]:
            return [work.id for work in store.tasks(**given)]

        self.assertEqual(["t2", "t3", "t1", "d4"], ids())
        self.assertEqual(["t2", "t3"], ids(limit=2))
        self.assertEqual(["d4"], ids(kind=task.Kind.DELETE))
        self.assertEqual(["t1"], ids(states=[task.State.CLAIMED]))
        self.assertEqual([], ids(states=[]))
        self.assertEqual(["t1"], ids(claimed_by=["c1", "c2"]))
        self.assertEqual([], ids(claimed_by=["c2"]))
        self.assertEqual(["t3"], ids(project_id="p2"))
        self.assertEqual(["t1"], ids(volume_id="v1", kind=task.Kind.BACKUP))
        self.assertIsNone(store.get_task("unknown"))
        self.assertEqual([], store.events("unknown"))

    def test_backups_are_listed_newest_first_by_all_that_is_given(
        self,
    ) -> None:
        gone = model.BackupState.VANISHED
        self.keep(
            self.row(1, volume_name="🐌"),
            self.row(2, created_at=NOW, project_id="p2"),
            self.row(3, created_at=NOW - DAY, state=gone),
        )
        store = self.store

        def ids(**given: Any) -> list[str]:
            return [row.id for row in store.backups(**given)]

        self.assertEqual(["b2", "b3", "b1"], ids())
        self.assertEqual(["b2"], ids(limit=1))
        many = [f"b{number}" for number in range(1500)]
        self.assertEqual(["b2", "b3", "b1"], ids(ids=many))
        self.assertEqual(["b2"], ids(ids=many[::-1], limit=1))
        self.assertEqual([], ids(ids=[]))
        self.assertEqual(["b3"], ids(states=[gone]))
        self.assertEqual(["b2"], ids(project_id="p2"))
        self.assertEqual(["b1"], ids(volume_id="v1"))
        self.assertEqual("🐌", self.backup_in_store("b1").volume_name)
        self.assertIsNone(store.get_backup("unknown"))

    def test_a_row_is_brought_up_to_date_if_it_is_there(self) -> None:
        self.keep(self.row(1))
        changed = self.row(
            1,
            missing_since=NOW,
            incremental=None,
            state=model.BackupState.VANISHED,
        )
        self.assertTrue(self.store.save_backup(changed))
        self.assertTrue(self.store.save_backup(changed))
        found = self.backup_in_store("b1")
        self.assertEqual(changed, dataclasses.replace(found, updated_at=None))
        self.assertIsNotNone(found.updated_at)
        self.assertFalse(self.store.save_backup(self.row(2)))
        self.assertIsNone(self.store.get_backup("b2"))

    def test_unwanted_backups_are_those_nobody_removes_yet(self) -> None:
        unwanted = model.BackupState.UNWANTED
        self.keep(
            self.row(1, state=unwanted),
            self.row(2, state=unwanted),
            self.row(3, state=unwanted),
            self.row(4, state=model.BackupState.DELETING),
            self.row(5),
        )
        self.plan(removal(1), removal(2))
        one = self.claim(limit=1, kind=task.Kind.DELETE)[0]
        self.move(self.start(one), task.State.FAILED)
        self.assertEqual(
            {"b1", "b3"}, {row.id for row in self.store.unwanted_backups()}
        )

    def test_ids_of_any_alphabet_are_looked_for(self) -> None:
        """What somebody types is looked for, and not there."""
        self.keep(self.row(1))
        for name in ("bäckup", "📦", "x" * 300, "B1", "b1'--"):
            self.assertIsNone(self.store.get_backup(name))
            self.assertIsNone(self.store.get_task(name))
            self.assertEqual([], self.store.tasks(volume_id=name))
            self.assertEqual({}, self.store.histories([name]))

    # -- histories ---------------------------------------------------------

    def test_a_volume_without_a_past_may_be_left_out(self) -> None:
        self.assertEqual(model.History(), self.history())
        self.assertEqual({}, self.store.histories([]))

    def test_a_history_knows_the_live_backup_task(self) -> None:
        self.plan(removal(1, volume_id="v1"))
        self.assertIsNone(self.history().live_task)
        self.plan(planned(1))
        self.assertEqual(task.State.PLANNED, self.history().live_task)
        (claimed,) = self.claim()
        self.assertEqual(task.State.CLAIMED, self.history().live_task)
        self.move(self.start(claimed), task.State.FAILED)
        self.assertIsNone(self.history().live_task)

    def test_a_history_knows_the_record(self) -> None:
        record = samples.record(failures=2, failed_at=NOW)
        self.plan(records=[record])
        self.assertEqual(model.History(record=record), self.history())

    def test_a_history_knows_failures_that_nobody_was_told_of(self) -> None:
        self.plan(
            planned(1, state=task.State.FAILED, reason="one"),
            samples.backup_task("x", state=task.State.FAILED, reason="two"),
            samples.backup_task("y", state=task.State.FAILED, reason="two"),
            removal(1, state=task.State.FAILED, reason="of a delete"),
        )
        self.assertEqual({"one", "two"}, self.history().unreported_failures)
        self.mark_reported("t1")
        self.assertEqual({"two"}, self.history().unreported_failures)

    def test_only_available_backups_count_as_success(self) -> None:
        states = model.BackupState
        self.keep(self.row(1, created_at=NOW - 9 * DAY))
        for number, state in enumerate(
            (states.UNWANTED, states.DELETING, states.VANISHED), start=2
        ):
            self.keep(self.row(number, volume_id="v1", state=state))
        self.keep(
            self.row(
                7,
                volume_id="v1",
                state=states.CREATING,
                created_at=NOW,
                completed_at=None,
            )
        )
        self.assertEqual(NOW - 9 * DAY, self.history().last_success_at)

    def chain(self) -> list[str]:
        return [row.id for row in self.history().chain]

    def link(
        self, number: int, incremental: bool | None, **changes: Any
    ) -> None:
        self.keep(
            self.row(
                number,
                volume_id="v1",
                incremental=incremental,
                **{
                    "created_at": NOW - DAY + number * SECOND,
                    **changes,
                },
            )
        )

    def test_a_chain_begins_with_the_last_completed_full(self) -> None:
        for number, incremental in enumerate((False, True, False, True, True)):
            self.link(number, incremental)
        self.keep(self.row(99))
        self.assertEqual(["b2", "b3", "b4"], self.chain())
        self.assertEqual(
            NOW - DAY + 4 * SECOND, self.history().last_success_at
        )

    def test_what_was_never_completed_is_no_link(self) -> None:
        self.link(1, False)
        self.link(2, True)
        self.link(
            3, False, state=model.BackupState.UNWANTED, completed_at=None
        )
        self.link(4, True, state=model.BackupState.CREATING, completed_at=None)
        self.assertEqual(["b1", "b2"], self.chain())

    def test_links_known_to_be_gone_are_seen(self) -> None:
        self.link(1, False)
        self.link(2, True, state=model.BackupState.VANISHED)
        self.link(3, True)
        self.assertEqual(["b1", "b2", "b3"], self.chain())

    def test_a_last_full_that_is_gone_is_seen(self) -> None:
        """The older chain must not be built on again behind its back."""
        self.link(1, False)
        self.link(2, False, state=model.BackupState.UNWANTED)
        self.link(3, True)
        self.assertEqual(["b2", "b3"], self.chain())

    def test_a_chain_without_a_full_is_all_there_is(self) -> None:
        self.link(1, True)
        self.link(2, True)
        self.assertEqual(["b1", "b2"], self.chain())

    def test_a_backup_of_unknown_mode_counts_as_full(self) -> None:
        self.link(1, False)
        self.link(2, None)
        self.link(3, True)
        self.assertEqual(["b2", "b3"], self.chain())

    def test_of_backups_of_one_moment_the_full_comes_first(self) -> None:
        self.link(1, True, created_at=NOW)
        self.link(2, False, created_at=NOW)
        self.link(3, False, created_at=NOW)
        self.link(4, True, created_at=NOW)
        self.assertEqual(["b3", "b1", "b4"], self.chain())

    def test_histories_of_many_volumes_come_together(self) -> None:
        count = 1100
        self.plan(*(planned(number) for number in range(count)))
        self.keep(self.row(3), self.row(1099))
        found = self.store.histories([f"v{n}" for n in range(count)])
        self.assertEqual(count, len(found))
        self.assertEqual(
            {"v3", "v1099"},
            {each for each, history in found.items() if history.chain},
        )
        self.assertEqual(
            {task.State.PLANNED},
            {history.live_task for history in found.values()},
        )
