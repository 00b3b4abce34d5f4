# SPDX-License-Identifier: Apache-2.0
"""What a store has to keep: limits, the brake, the queue and terms."""

from __future__ import annotations

from collections import Counter

from staffeln import ports
from staffeln.domain import model, queue, task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import (
    NOW,
    SECOND,
    planned,
    removal,
)

BACKUP, DELETE = task.Kind.BACKUP, task.Kind.DELETE


class ThrottleSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    # -- limits --------------------------------------------------------------

    def claimed(self, running: int = 0, per_project: int = 0) -> list[str]:
        found = self.claim(running=running, per_project=per_project)
        return [work.id for work in found]

    def test_no_more_run_than_the_limit(self) -> None:
        self.plan(*(planned(number) for number in range(5)))
        self.assertEqual(["t0", "t1"], self.claimed(running=2))
        self.assertEqual([], self.claimed(running=2))
        self.assertEqual(["t2"], self.claimed(running=3))
        self.assertEqual(["t3", "t4"], self.claimed())

    def test_a_seat_is_free_when_its_task_has_ended(self) -> None:
        for to_state in (
            task.State.SUCCEEDED,
            task.State.FAILED,
            task.State.PLANNED,
        ):
            with self.subTest(to_state):
                running = self.run_one()
                self.plan(planned(2))
                self.assertEqual([], self.claimed(running=1))
                self.move(running, to_state, not_before=NOW + SECOND)
                self.assertEqual(["t2"], self.claimed(running=1))
                self.store = self.new_store()
                self.term = self.store.take_office("scheduler")

    def test_a_seat_lasts_through_start_and_rescue(self) -> None:
        running = self.run_one()
        self.store.take_over([running], "c9", NOW, "c1 is gone")
        self.plan(planned(2))
        self.assertEqual([], self.claimed(running=1))
        self.assertEqual(["t2"], self.claimed(running=2))

    def test_what_cinder_goes_on_with_keeps_its_seat(self) -> None:
        ended = self.move(
            self.run_one(), task.State.FAILED, "timed out", still_busy=True
        )
        self.plan(planned(2))
        self.assertEqual([], self.claimed(running=1))
        self.assertEqual([ended], self.store.overdue())
        self.store.free_seats(["t1"])
        self.assertEqual([], self.store.overdue())
        self.assertEqual(["t2"], self.claimed(running=1))

    def test_a_live_task_loses_no_seat(self) -> None:
        self.run_one()
        self.store.free_seats(["t1", "unknown"])
        self.store.free_seats([])
        self.plan(planned(2))
        self.assertEqual([], self.claimed(running=1))

    def test_a_lower_limit_counts_what_runs_already(self) -> None:
        self.plan(*(planned(number) for number in range(9)))
        first = self.claim(limit=5, running=5)
        self.assertEqual([], self.claimed(running=3))
        for work in first[:2]:
            self.move(self.start(work), task.State.FAILED)
        self.assertEqual([], self.claimed(running=3))
        self.move(self.start(first[2]), task.State.FAILED)
        self.assertEqual(["t5"], self.claimed(running=3))

    def test_a_limit_that_was_lifted_counts_what_runs_already(self) -> None:
        self.plan(*(planned(number) for number in range(4)))
        first = self.claim(limit=2)
        self.assertEqual([], self.claimed(running=2))
        self.move(self.start(first[0]), task.State.FAILED)
        self.assertEqual(["t2"], self.claimed(running=2))

    def test_a_project_has_a_limit_of_its_own(self) -> None:
        self.plan(
            *(planned(number, project_id="a") for number in range(1, 7)),
            planned(7, project_id="b"),
            planned(8, project_id="c"),
            planned(9, project_id="b"),
        )
        for limits, expected in (
            ({"per_project": 1}, ["t1", "t7", "t8"]),
            ({"per_project": 1}, []),
            ({"per_project": 2, "running": 4}, ["t2"]),
            ({"per_project": 2, "running": 9}, ["t9"]),
        ):
            self.assertEqual(expected, self.claimed(**limits))

    def test_a_project_at_its_limit_holds_nobody_up(self) -> None:
        self.plan(
            *(planned(number, project_id="a") for number in range(1, 8)),
            planned(8, project_id="b"),
        )
        found = self.claim(limit=2, per_project=1)
        self.assertEqual(["t1", "t8"], [work.id for work in found])

    def test_conductors_that_claim_at_once_keep_the_limits(self) -> None:
        self.plan(
            *(
                planned(number, project_id=f"p{number % 3}")
                for number in range(60)
            )
        )

        def work(number: int) -> list[str]:
            mine: list[str] = []
            while True:
                won = self.claim(
                    limit=3, by=f"c{number}", running=5, per_project=2
                )
                for each in won:
                    held = self.store.tasks(states=[task.State.CLAIMED])
                    of_projects = Counter(each.project_id for each in held)
                    assert len(held) <= 5, len(held)
                    assert max(of_projects.values(), default=0) <= 2
                    mine.append(each.id)
                    begun = self.move_by(each, task.State.STARTING)
                    self.move_by(begun, task.State.FAILED)
                if not won and not self.store.claimable(BACKUP, NOW):
                    return mine

        shares = self.at_once(6, work)
        claims = Counter(each for share in shares for each in share)
        self.assertEqual(60, len(claims))
        self.assertEqual({1}, set(claims.values()))

    def move_by(self, work: task.Task, to_state: task.State) -> task.Task:
        """A move by the task's holder, which nobody overtakes."""
        after = task.advance(work, to_state, NOW, "why")
        (done,) = self.store.advance(
            [ports.Change(before=work, after=after)], work.claimed_by or ""
        )
        return done

    # -- the brake -----------------------------------------------------------

    def test_what_is_paused_is_not_claimed(self) -> None:
        self.plan(planned(1), removal(2))
        self.assertTrue(self.store.pause(BACKUP, ""))
        self.assertEqual([], self.claimed())
        self.assertEqual(1, len(self.claim(kind=DELETE)))
        self.assertTrue(self.store.resume(BACKUP, ""))
        self.assertEqual(["t1"], self.claimed())

    def test_a_project_can_be_paused(self) -> None:
        self.plan(
            *(planned(number, project_id="a") for number in range(1, 5)),
            planned(5, project_id="b"),
        )
        self.store.pause(BACKUP, "a")
        found = self.claim(limit=2)
        self.assertEqual(["t5"], [work.id for work in found])
        self.store.resume(BACKUP, "a")
        self.assertEqual(4, len(self.claim()))

    def test_pausing_twice_is_once(self) -> None:
        self.assertTrue(self.store.pause(DELETE, "p1"))
        self.assertFalse(self.store.pause(DELETE, "p1"))
        self.assertTrue(self.store.pause(BACKUP, ""))
        self.assertEqual(
            [(BACKUP, ""), (DELETE, "p1")],
            [(each.kind, each.project_id) for each in self.store.brakes()],
        )
        self.assertFalse(self.store.resume(DELETE, ""))
        self.assertTrue(self.store.resume(DELETE, "p1"))
        self.assertFalse(self.store.resume(DELETE, "p1"))
        (left,) = self.store.brakes()
        self.assertLessEqual(left.since, self.store.now())

    def test_of_those_who_pause_at_once_one_did(self) -> None:
        done = self.at_once(6, lambda _: self.store.pause(BACKUP, ""))
        self.assertEqual(1, sum(done))
        self.assertEqual(1, len(self.store.brakes()))

    # -- the queue -----------------------------------------------------------

    def test_the_queue_is_what_can_be_claimed(self) -> None:
        self.assertEqual(queue.Queue({}, 0), self.store.queued(NOW))
        far = 7 * queue.ROUND * 1000
        self.plan(
            planned(1, project_id="a", rank=5),
            planned(2, project_id="a", rank=far),
            planned(3, project_id="b", rank=6),
            planned(4, project_id="c", rank=1, not_before=NOW + SECOND),
            removal(5),
        )
        self.assertEqual(
            queue.Queue({"a": far, "b": 6}, 5, 6), self.store.queued(NOW)
        )
        self.claim(limit=1)
        self.assertEqual(
            queue.Queue({"a": far, "b": 6}, 6, 6), self.store.queued(NOW)
        )
        self.assertEqual(5, self.store.queued(NOW + SECOND).front)

    # -- terms ---------------------------------------------------------------

    def test_what_a_scheduler_writes_names_its_term(self) -> None:
        second = self.store.take_office("s2")
        self.term = second
        self.plan(planned(1), planned(2))
        self.plan(cancelled=["t2"], cancel_reason="not any more")
        self.claim()
        self.assertEqual(
            [(second, "planned"), (None, "claimed")],
            [(each.term, each.to_state) for each in self.store.events("t1")],
        )
        self.assertEqual(
            [(second, "planned"), (second, "cancelled")],
            [(each.term, each.to_state) for each in self.store.events("t2")],
        )

    def test_terms_are_remembered(self) -> None:
        before = self.store.terms(9)
        third = self.store.take_office("s3")
        self.assertEqual(before[0].number + 1, third)
        last, *rest = self.store.terms(9)
        self.assertEqual((third, "s3"), (last.number, last.conductor_id))
        self.assertEqual(before, rest)
        self.assertEqual([last], self.store.terms(1))

    def test_a_paused_project_does_not_hold_the_queue_back(self) -> None:
        far = 9 * queue.ROUND
        self.plan(
            planned(1, project_id="paused", rank=3),
            planned(2, project_id="paused", rank=queue.ROUND + 3),
            planned(3, project_id="other", rank=far),
        )
        self.store.pause(BACKUP, "paused")
        self.assertEqual(far, self.store.queued(NOW).front)
        self.store.resume(BACKUP, "paused")
        ranks = {
            each.id: each.rank
            for each in self.store.tasks(states=[task.State.PLANNED])
        }
        self.assertEqual(
            {"t1": far + 3, "t2": far + queue.ROUND + 3, "t3": far}, ranks
        )

    def test_what_runs_says_how_far_the_queue_was_served(self) -> None:
        far = 9 * queue.ROUND
        self.plan(planned(1, rank=far), planned(2, rank=far + 1))
        self.claim(limit=1)
        self.plan(planned(3, project_id="late", rank=0))
        self.assertEqual(far, self.store.queued(NOW).front)

    def test_what_may_be_adopted_is_not_removed(self) -> None:
        self.plan(planned(1))
        (claimed,) = self.claim()
        starting = self.start(claimed)
        self.keep(
            self.row(1, state=model.BackupState.UNWANTED, task_id="t1"),
            self.row(2, state=model.BackupState.UNWANTED, task_id="t2"),
        )
        self.assertEqual(
            ["b2"], [each.id for each in self.store.unwanted_backups()]
        )
        self.move(starting, task.State.PLANNED)
        self.assertEqual(
            {"b1", "b2"}, {each.id for each in self.store.unwanted_backups()}
        )

    def test_a_sign_of_life_keeps_a_row(self) -> None:
        self.store.register_conductor("c1", "host", 1, "none")
        (seen,) = self.store.conductors()
        early = seen.heartbeat_at - SECOND
        self.assertFalse(self.store.unregister_conductor("c1", early))
        self.assertTrue(
            self.store.unregister_conductor("c1", seen.heartbeat_at)
        )
        self.assertFalse(self.store.unregister_conductor("c1"))
