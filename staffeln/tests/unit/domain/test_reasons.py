# SPDX-License-Identifier: Apache-2.0
"""Reasons, counted."""

from __future__ import annotations

import uuid

from staffeln.domain import chain, model, plan, reasons, schedule
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

_TIME = "2026-11-21 21:53:05Z"


class AlikeTest(base.TestCase):
    def test_what_is_one_volumes_own_is_left_out(self) -> None:
        found = str(uuid.uuid4())
        for why, expected in (
            ("never backed up", "never backed up"),
            (
                f"its last backup of {_TIME} is younger than the minimum "
                f"interval, until {_TIME}",
                "its last backup is younger than the minimum interval",
            ),
            (
                f"its last task failed, next try at {_TIME}",
                "its last task failed",
            ),
            (
                f"last backup of {_TIME} is older than the interval; "
                f"incremental: number 2 of 6 after the full of {_TIME}",
                "last backup is older than the interval; incremental: number "
                "2 of 6 after the full",
            ),
            (
                f"backup {found} of the chain is vanished",
                "backup of the chain is vanished",
            ),
            (plan.wrong_status(found, "error"), "volume is in error status"),
            (
                f"2 incrementals failed, full only until {_TIME}",
                "2 incrementals failed, full only",
            ),
        ):
            self.assertEqual(expected, reasons.alike(why))

    def test_real_reasons_name_no_time(self) -> None:
        made = samples.backup()
        history = model.History(chain=(made,))
        for why in (
            schedule.decide(history, samples.policy(), samples.NOW).why,
            chain.choose_mode(
                history, made.project_id, samples.policy(), samples.NOW
            ).why,
        ):
            self.assertNotRegex(reasons.alike(why), r"\d\d:\d\d")


class CountedTest(base.TestCase):
    def test_the_most_frequent_come_first(self) -> None:
        self.assertEqual(
            "3 x b, 1 x a, 1 x c", reasons.counted("bacbb", most=5)
        )

    def test_the_rest_is_one_number(self) -> None:
        self.assertEqual(
            "3 x b, 2 x something else", reasons.counted("bacbb", most=1)
        )
