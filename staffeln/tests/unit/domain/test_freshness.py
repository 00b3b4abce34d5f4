# SPDX-License-Identifier: Apache-2.0
"""What counts as fresh."""

from __future__ import annotations

import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from staffeln.domain import freshness, model
from staffeln.tests import base
from staffeln.tests.unit.domain.samples import DAY, HOUR, NOW

LIMITS = freshness.Limits(cycle=HOUR, retention=2 * HOUR, protection=DAY)
SECOND = datetime.timedelta(seconds=1)


def found(**changes: Any) -> model.Freshness:
    """All as fresh as is just enough."""
    values: dict[str, Any] = {
        "now": NOW,
        "cycle_at": NOW - HOUR,
        "retention_at": NOW - 2 * HOUR,
        "selected": 1,
        "dropped": 0,
        "never_protected": 0,
        "stale": 0,
        "oldest_protection_at": NOW - HOUR - DAY,
    }
    return model.Freshness(**{**values, **changes})


class FreshnessTest(base.TestCase):
    def test_what_is_just_enough(self) -> None:
        self.assertEqual([], freshness.faults(found(), LIMITS))

    def test_each_fault_is_named(self) -> None:
        for changes, words in (
            (
                {"cycle_at": NOW - HOUR - SECOND},
                "the last complete cycle ended 1:00:01 ago, more than 1:00:00",
            ),
            (
                {"retention_at": NOW - 2 * HOUR - SECOND},
                "the last complete round of retention ended 2:00:01 ago",
            ),
            ({"cycle_at": None}, "no complete cycle has ended yet"),
            (
                {"retention_at": None},
                "no complete round of retention has ended yet",
            ),
            (
                {"oldest_protection_at": NOW - HOUR - DAY - SECOND},
                "the oldest last backup of a volume was 1 day, 0:00:01 old",
            ),
            ({"never_protected": 2}, "2 volume(s) to protect have no backup"),
        ):
            (fault,) = freshness.faults(found(**changes), LIMITS)
            self.assertIn(words, fault)

    def test_without_volumes_there_is_no_oldest_backup(self) -> None:
        self.assertEqual(
            [],
            freshness.faults(
                found(selected=0, oldest_protection_at=None), LIMITS
            ),
        )

    def test_a_clock_that_went_back_makes_nothing_old(self) -> None:
        self.assertEqual(
            [],
            freshness.faults(
                found(cycle_at=NOW + HOUR, retention_at=NOW + HOUR),
                LIMITS,
            )[1:],
        )

    @given(st.timedeltas(min_value=SECOND, max_value=365 * DAY))
    def test_a_round_is_missed_after_three(
        self, period: datetime.timedelta
    ) -> None:
        limit = freshness.missed(period)
        self.assertGreaterEqual(limit, 3 * period)
        self.assertGreaterEqual(limit, freshness.LEAST)
        self.assertIn(limit, (3 * period, freshness.LEAST))
