# SPDX-License-Identifier: Apache-2.0
"""Seats: whatever ran before, no more than the limit run afterwards."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from staffeln.db.claims import _Numbers, free_numbers
from staffeln.tests import base

TAKEN = st.lists(st.one_of(st.none(), st.integers(1, 30)), max_size=25).map(
    lambda taken: [*{n for n in taken if n}, *[None] * taken.count(None)]
)


class NumbersTest(base.TestCase):
    @hypothesis.given(st.integers(0, 20), TAKEN)
    def test_free_and_taken_are_the_limit(
        self, limit: int, taken: list[int | None]
    ) -> None:
        numbers = _Numbers(free_numbers(limit, taken), limit)
        won = []
        while not numbers.full:
            won.append(numbers.take())
        self.assertIsNone(numbers.take())
        self.assertEqual(max(0, limit - len(taken)), len(won))
        self.assertEqual(len(won), len({*won} - {*taken}))

    @hypothesis.given(st.integers(1, 12), TAKEN, st.data())
    def test_claims_that_see_different_pasts_keep_the_limit(
        self, limit: int, taken: list[int | None], data: st.DataObject
    ) -> None:
        """Of two with one number one fails, as the unique key has it."""
        now = list(taken)
        views = []
        for _ in range(3):
            views.append(_Numbers(free_numbers(limit, now), limit))
            now = data.draw(st.permutations(now)) if now else now
            now = now[: data.draw(st.integers(0, len(now)))]
        for view in data.draw(st.permutations(views)):
            for _ in range(data.draw(st.integers(0, limit))):
                number = view.take()
                if number is not None and number not in now:
                    now.append(number)
        self.assertLessEqual(len(now), max(limit, len(taken)))
        if len(taken) <= limit:
            self.assertLessEqual(len(now), limit)
