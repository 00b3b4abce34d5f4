# SPDX-License-Identifier: Apache-2.0
"""What was said is not said again for a while."""

from __future__ import annotations

from staffeln.domain import seldom
from staffeln.tests import base


class SeldomTest(base.TestCase):
    def test_each_thing_is_said_once_in_a_period(self) -> None:
        said = seldom.Seldom(10)
        found = [said.is_due("a", at) for at in (0.0, 9.9, 10.0, 19.9, 20.0)]
        self.assertEqual([True, False, True, False, True], found)
        self.assertTrue(said.is_due("b", 20.0))

    def test_what_is_over_is_said_at_once_when_it_is_back(self) -> None:
        said = seldom.Seldom(10)
        said.is_due("a", 0)
        said.forget("a")
        said.forget("never said")
        self.assertTrue(said.is_due("a", 1))
