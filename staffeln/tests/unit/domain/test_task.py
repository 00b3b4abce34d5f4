# SPDX-License-Identifier: Apache-2.0
"""The life of a task: the table of its states, and walks through it."""

import datetime

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import errors, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

State = task.State


class TableTest(base.TestCase):
    def test_every_state_has_its_prose_and_its_row(self) -> None:
        self.assertEqual(set(State), task.PROSE.keys())
        self.assertEqual(set(State), task.TRANSITIONS.keys())
        for prose in task.PROSE.values():
            self.assertRegex(prose, r"^[A-Z].*\.$")

    def test_live_and_ended_are_all(self) -> None:
        self.assertEqual(set(State), task.LIVE | task.ENDED)
        self.assertEqual(set(), task.LIVE & task.ENDED)

    def test_no_task_leaves_an_ended_state(self) -> None:
        for state in task.ENDED:
            self.assertEqual(frozenset(), task.TRANSITIONS[state])

    def test_every_live_task_can_end(self) -> None:
        for state in task.LIVE:
            self.assertTrue(reachable(state) & task.ENDED, state)

    def test_every_state_can_be_reached(self) -> None:
        self.assertEqual(
            set(State), reachable(State.PLANNED) | {State.PLANNED}
        )

    def test_only_what_was_claimed_starts(self) -> None:
        before = {
            state
            for state in State
            if State.STARTING in task.TRANSITIONS[state]
        }
        self.assertEqual({State.CLAIMED}, before)

    def test_what_began_is_never_cancelled(self) -> None:
        before = {
            state
            for state in State
            if State.CANCELLED in task.TRANSITIONS[state]
        }
        self.assertEqual({State.PLANNED}, before)


def reachable(state: State) -> set[State]:
    found: set[State] = set()
    edge = {state}
    while edge:
        edge = {to for each in edge for to in task.TRANSITIONS[each]} - found
        found |= edge
    return found


class AdvanceTest(base.TestCase):
    def test_what_the_table_refuses(self) -> None:
        for state in State:
            for to_state in set(State) - task.TRANSITIONS[state]:
                work = samples.backup_task(state=state)
                error = self.assertRaises(
                    errors.IllegalTransitionError,
                    task.advance,
                    work,
                    to_state,
                    samples.NOW,
                    "no reason",
                )
                self.assertEqual(
                    f"task t1 cannot go from {state} to {to_state}",
                    str(error),
                )

    def test_a_task_that_is_planned_again_has_no_holder(self) -> None:
        work = samples.backup_task(state=State.CLAIMED, claimed_by="c1")
        moved = task.advance(work, State.PLANNED, samples.NOW, "handed back")
        self.assertIsNone(moved.claimed_by)
        self.assertEqual("handed back", moved.reason)

    def test_an_ended_task_knows_when(self) -> None:
        later = samples.NOW + samples.HOUR
        work = samples.backup_task(state=State.RUNNING, claimed_by="c1")
        moved = task.advance(work, State.FAILED, later, "it broke")
        self.assertEqual(later, moved.finished_at)
        self.assertEqual(later, moved.updated_at)
        self.assertEqual("c1", moved.claimed_by)

    def test_changes_come_with_the_move(self) -> None:
        work = samples.backup_task(state=State.CLAIMED, claimed_by="c1")
        moved = task.advance(
            work, State.STARTING, samples.NOW, "go", attempt=1, unsettled=True
        )
        self.assertEqual((1, True), (moved.attempt, moved.unsettled))
        self.assertEqual(0, work.attempt)

    @hypothesis.given(st.data())
    def test_walks_keep_what_makes_a_task_itself(
        self, data: st.DataObject
    ) -> None:
        work = samples.backup_task()
        now = samples.NOW
        for _ in range(data.draw(st.integers(0, 30))):
            ways = sorted(task.TRANSITIONS[work.state])
            if not ways:
                break
            now += datetime.timedelta(seconds=1)
            to_state = data.draw(st.sampled_from(ways))
            moved = task.advance(work, to_state, now, f"at {now}")
            self.assertEqual(
                (work.id, work.slot, work.created_at, now, f"at {now}"),
                (
                    *(moved.id, moved.slot, moved.created_at),
                    *(moved.updated_at, moved.reason),
                ),
            )
            self.assertEqual(
                moved.state in task.ENDED, moved.finished_at is not None
            )
            if moved.state is State.PLANNED:
                self.assertIsNone(moved.claimed_by)
            work = moved


class SlotTest(base.TestCase):
    def test_a_volume_and_a_backup_are_held_by_one_task_each(self) -> None:
        one = samples.backup_task("t1")
        other = samples.backup_task("t2")
        self.assertEqual("backup:v1", one.slot)
        self.assertEqual(one.slot, other.slot)
        removal = samples.backup_task(
            "t3", kind=task.Kind.DELETE, backup_id="b1"
        )
        self.assertEqual("delete:b1", removal.slot)


class HandOverTest(base.TestCase):
    def test_the_state_stays(self) -> None:
        later = samples.NOW + samples.HOUR
        work = samples.backup_task(state=State.RUNNING, claimed_by="c1")
        taken = task.hand_over(work, "c2", later, "c1 is gone")
        self.assertEqual(
            ("c2", later, "c1 is gone", State.RUNNING),
            (taken.claimed_by, taken.updated_at, taken.reason, taken.state),
        )
