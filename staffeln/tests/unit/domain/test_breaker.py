# SPDX-License-Identifier: Apache-2.0
"""What keeps a round of retention from happening."""

from __future__ import annotations

import datetime
from typing import Any

from staffeln.domain import breaker, model
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, MICROSECOND, NOW


class BreakerTest(base.TestCase):
    """A round that is too large waits for a yes."""

    def is_too_large(self, would: int, total: int, **options: Any) -> bool:
        return breaker.is_too_large(
            would, total, samples.retention_policy(**options)
        )

    def test_more_than_half_needs_a_yes(self) -> None:
        self.assertFalse(self.is_too_large(100, 200))
        self.assertTrue(self.is_too_large(101, 200))

    def test_a_small_round_needs_none(self) -> None:
        self.assertFalse(self.is_too_large(49, 49))
        self.assertTrue(self.is_too_large(50, 50))

    def test_an_operator_may_allow_everything(self) -> None:
        self.assertFalse(self.is_too_large(500, 500, max_fraction=1.0))

    def is_confirmed(
        self,
        would: int = 100,
        after: datetime.timedelta = HOUR,
        confirmed_at: datetime.datetime | None = NOW,
    ) -> bool:
        waiting = model.Breaker(
            tripped_at=NOW - HOUR,
            would=100,
            total=150,
            confirmed_at=confirmed_at,
        )
        return breaker.is_confirmed(waiting, would, NOW + after)

    def test_nobody_asked_and_nobody_agreed(self) -> None:
        self.assertFalse(breaker.is_confirmed(None, 1, NOW))
        self.assertFalse(self.is_confirmed(confirmed_at=None))

    def test_a_yes_holds_for_what_was_shown_and_a_little_more(self) -> None:
        self.assertTrue(self.is_confirmed())
        self.assertTrue(self.is_confirmed(110))
        self.assertFalse(self.is_confirmed(111))

    def test_a_yes_holds_for_a_day(self) -> None:
        self.assertTrue(self.is_confirmed(after=DAY - MICROSECOND))
        self.assertFalse(self.is_confirmed(after=DAY))


class ClocksTest(base.TestCase):
    """Nothing expires by a clock that is wrong."""

    def apart(self, **minutes: float) -> str | None:
        clocks = {
            whose: NOW + datetime.timedelta(minutes=each)
            for whose, each in minutes.items()
        }
        return breaker.clocks_apart(clocks, datetime.timedelta(minutes=5))

    def test_clocks_that_agree_are_no_matter(self) -> None:
        self.assertIsNone(self.apart(host=0, database=5, cinder=2.5))

    def test_a_clock_that_is_fast_is_named(self) -> None:
        told = self.apart(host=0, database=1, cinder=5.1)
        self.assertIn("clock of cinder (2026-03-31 02:05:06Z)", told or "")
        self.assertIn("that of host (2026-03-31 02:00:00Z)", told or "")

    def test_a_clock_that_is_slow_is_named(self) -> None:
        told = self.apart(host=-600_000, database=0, cinder=0)
        self.assertIn("that of host (2025-02-07", told or "")

    def test_it_is_said_in_whole_seconds(self) -> None:
        told = self.apart(host=0, cinder=20.0147)
        self.assertIn(" are 0:20:01 apart; 0:05:00 are tol", told or "")
        # And is never the same as what is tolerated.
        told = self.apart(host=0, cinder=5.001)
        self.assertIn(" are 0:05:01 apart; 0:05:00 are tol", told or "")

    def test_two_that_agree_do_not_outvote_the_third(self) -> None:
        self.assertIsNotNone(self.apart(host=0, database=6, cinder=6))

    def test_each_side_of_the_tolerance_adds_up(self) -> None:
        self.assertIsNotNone(self.apart(host=0, database=3, cinder=-3))
