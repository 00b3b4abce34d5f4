# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: claims, moves and holders of tasks."""

from __future__ import annotations

import dataclasses
from collections import Counter

from staffeln import ports
from staffeln.domain import task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import (
    DAY,
    NOW,
    SECOND,
    planned,
    removal,
)
from staffeln.tests.unit.domain import samples


class MovingSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    # -- claims --------------------------------------------------------------

    def test_work_is_claimed_in_its_order(self) -> None:
        self.plan(
            planned(3, rank=1),
            planned(1, rank=1),
            planned(2, rank=1, created_at=NOW - SECOND),
        )
        self.plan(planned(9, rank=0, created_at=NOW + SECOND))
        self.assertTrue(self.store.claimable(task.Kind.BACKUP, NOW))
        claimed = self.claim(limit=3)
        self.assertEqual(["t9", "t2", "t1"], [work.id for work in claimed])
        self.assertEqual(["t3"], [work.id for work in self.claim()])
        self.assertEqual([], self.claim())
        self.assertFalse(self.store.claimable(task.Kind.BACKUP, NOW))

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
        self.plan(planned(1, not_before=NOW + SECOND))
        self.assertFalse(self.store.claimable(task.Kind.BACKUP, NOW))
        self.assertTrue(self.store.claimable(task.Kind.BACKUP, NOW + SECOND))
        self.plan(planned(2))
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

    # -- moves ---------------------------------------------------------------

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

    def ends(self, count: int) -> list[ports.Change]:
        """Ends of so many running tasks, each in its own words."""
        running = [self.run_one(number) for number in range(1, count + 1)]
        found = []
        for number, work in enumerate(running, 1):
            later = NOW + number * SECOND
            mode = (task.Mode.FULL, task.Mode.INCREMENTAL)[number % 2]
            failed = number % 5 == 0
            found.append(
                ports.Change(
                    before=work,
                    after=task.advance(
                        work,
                        task.State.FAILED if failed else task.State.SUCCEEDED,
                        later,
                        f"backup {number} ended: 'it' is 100 % ?:x",
                        mode=mode,
                    ),
                    backup=self.row(number, size=number),
                    record=samples.record(
                        volume_id=f"v{number}", failures=number
                    )
                    if failed
                    else None,
                )
            )
        return found

    def test_moves_that_write_different_things_go_together(self) -> None:
        changes = self.ends(23)
        done = self.store.advance(changes, "c1")
        self.assertEqual([each.after for each in changes], done)
        for number, each in enumerate(changes, 1):
            self.assertEqual(each.after, self.store.get_task(each.after.id))
            self.assertEqual(number, self.backup_in_store(f"b{number}").size)
            self.assertEqual(
                each.after.reason,
                self.store.events(each.after.id)[-1].reason,
            )
        records = self.store.volume_records([f"v{n}" for n in range(30)])
        self.assertEqual(
            {f"v{n}": n for n in (5, 10, 15, 20)},
            {key: each.failures for key, each in records.items()},
        )
        self.assertEqual({}, self.store.volume_records([]))
        self.plan(planned(99))
        self.assertEqual(1, len(self.claim(running=1)))

    def test_those_of_many_that_were_overtaken_are_left(self) -> None:
        changes = self.ends(23)
        late = {3, 4, 17}
        for number in late:
            self.move(changes[number - 1].before, task.State.FAILED, "first")
        done = self.store.advance(changes, "c1")
        self.assertEqual(23 - len(late), len(done))
        for number, each in enumerate(changes, 1):
            found = self.in_store(each.after.id)
            if number in late:
                self.assertEqual("first", found.reason)
                self.assertEqual(5, len(self.store.events(found.id)))
            else:
                self.assertEqual(each.after, found)

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

    # -- holders -------------------------------------------------------------

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
