# SPDX-License-Identifier: Apache-2.0
"""A queue that is fair between projects, over all cycles."""

from __future__ import annotations

from collections import Counter

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import queue
from staffeln.tests import base

Waiting = list[tuple[int, str]]


def plan(waiting: Waiting, *projects: str) -> None:
    """A cycle plans a task for each of these."""
    last: dict[str, int] = {}
    for rank, project_id in waiting:
        last[project_id] = max(last.get(project_id, 0), rank)
    front = min((each for each, _ in waiting), default=0)
    start, end = queue.bounds(front)
    in_round = [each for each, _ in waiting if start <= each < end]
    reach = queue.Queue(last, front, max(in_round, default=None))
    ranks = queue.ranks(projects, reach)
    waiting += zip(ranks, projects, strict=True)
    waiting.sort()


class RanksTest(base.TestCase):
    def test_a_round_has_one_of_each_project_the_most_urgent_first(
        self,
    ) -> None:
        waiting: Waiting = []
        plan(waiting, "a", "a", "b", "a", "c", "b")
        self.assertEqual(
            ["a", "b", "c", "a", "b", "a"], [each for _, each in waiting]
        )

    def test_one_that_comes_later_does_not_wait_behind_5000(self) -> None:
        waiting: Waiting = []
        plan(waiting, *["big"] * 5000)
        del waiting[:1000]
        plan(waiting, *["small"] * 3)
        served = [each for _, each in waiting[:7]]
        self.assertEqual(3, served.count("small"))

    def test_more_of_the_same_project_come_behind_what_it_has(self) -> None:
        waiting: Waiting = []
        plan(waiting, "a", "a", "b")
        plan(waiting, "a", "b")
        self.assertEqual(
            ["a", "b", "a", "b", "a"], [each for _, each in waiting]
        )

    def test_one_that_comes_again_and_again_starves_nobody(self) -> None:
        waiting: Waiting = []
        plan(waiting, "a", "b", "c")
        for _ in range(3):
            served = waiting.pop(0)[1]
            plan(waiting, "a")
        self.assertEqual("c", served)

    def test_an_empty_queue_begins_anew(self) -> None:
        self.assertEqual([0], queue.ranks(["a"], queue.Queue()))

    def test_a_round_never_runs_into_the_next(self) -> None:
        projects = [str(number) for number in range(9)]
        most = queue.Queue({"0": 5 * queue.ROUND}, 5 * queue.ROUND)
        ranks = queue.ranks(projects, most)
        self.assertEqual(6, ranks[0] // queue.ROUND)
        self.assertEqual({5}, {each // queue.ROUND for each in ranks[1:]})

    @hypothesis.example([["a", "a", "b", "b", "c"], 4, ["a"], 1, ["a"], 1])
    @hypothesis.given(
        st.lists(
            st.one_of(
                st.lists(st.sampled_from("abcd"), min_size=1, max_size=30),
                st.integers(1, 20),
            ),
            max_size=12,
        )
    )
    def test_who_waits_is_not_overtaken(
        self, story: list[list[str] | int]
    ) -> None:
        """However plans and claims mix, no project gets far ahead.

        While a project waits, another is served at most two more than it:
        one in the round that it came in, and one in the last.
        """
        waiting: Waiting = []
        served: dict[str, Counter[str]] = {}
        for step in story:
            if isinstance(step, list):
                plan(waiting, *step)
                for project_id in step:
                    served.setdefault(project_id, Counter())
                continue
            for _, project_id in waiting[:step]:
                for counts in served.values():
                    counts[project_id] += 1
            del waiting[:step]
            left = {each for _, each in waiting}
            for project_id in list(served):
                if project_id not in left:
                    del served[project_id]
                    continue
                counts = served[project_id]
                for other in counts:
                    self.assertLessEqual(counts[other] - counts[project_id], 2)
