# SPDX-License-Identifier: Apache-2.0
"""For how long clocks that agreed are believed."""

from __future__ import annotations

import datetime

from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.unit.workflow import world
from staffeln.workflow import clocks

SECOND = datetime.timedelta(seconds=1)


class AgreementTest(base.TestCase):
    """Of the database, Cinder and this host, asked for once in 10 s."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = world.Clock()
        self.cinders_error = datetime.timedelta()
        self.asked = 0
        store = MemoryStore(clock=self.clock)
        self.time = clocks.DatabaseTime(store, lambda: self.clock.seconds)
        self.agreement = clocks.Agreement(
            clocks.Clocks(
                store, self.cinders_time, world.MINUTE, lambda: self.clock()
            ),
            self.time,
            10 * SECOND,
        )

    def cinders_time(self) -> datetime.datetime:
        self.asked += 1
        return self.clock() + self.cinders_error

    def holds(self) -> bool:
        self.time.ask()
        return self.agreement.holds("Nothing happens")

    def test_they_are_asked_once_in_the_period(self) -> None:
        for seconds, asked in ((0, 1), (9, 1), (1, 2), (9, 2)):
            self.clock.time += seconds * SECOND
            self.assertTrue(self.holds())
            self.assertEqual(asked, self.asked)

    def test_an_agreement_ends(self) -> None:
        self.assertTrue(self.holds())
        self.cinders_error = world.HOUR
        self.clock.time += 10 * SECOND
        self.assertFalse(self.holds())
        self.assertFalse(self.holds(), "a no is not kept")
        self.cinders_error = datetime.timedelta()
        self.assertTrue(self.holds())

    def test_a_database_whose_clock_went_back_has_agreed_to_nothing(
        self,
    ) -> None:
        self.assertTrue(self.holds())
        self.cinders_error = world.HOUR
        self.clock.time -= world.HOUR
        self.assertFalse(self.holds())

    def test_a_clock_that_cannot_be_read_agrees_with_nothing(self) -> None:
        def away() -> datetime.datetime:
            raise errors.NoAnswerError("away")

        store = MemoryStore(clock=self.clock)
        agreement = clocks.Agreement(
            clocks.Clocks(store, away, world.MINUTE, lambda: self.clock()),
            clocks.DatabaseTime(store, lambda: self.clock.seconds),
            10 * SECOND,
        )
        self.assertFalse(agreement.holds("Nothing happens"))
