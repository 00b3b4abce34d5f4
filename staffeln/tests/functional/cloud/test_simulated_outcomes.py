# SPDX-License-Identifier: Apache-2.0
"""How what goes on in a simulated cloud ends is a matter of luck."""

from __future__ import annotations

import math

from benchmarks.cloud import Behaviour
from benchmarks.cloud.copies import ALL
from benchmarks.cloud.keystone import Token
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.state import State
from staffeln.tests import base

BACKUPS = 200


class TestOutcomes(base.TestCase):
    """Of backups that are in the making when it begins."""

    def setUp(self) -> None:
        super().setUp()
        shape = Shape(servers=BACKUPS, volumes=BACKUPS, creating=BACKUPS // 2)
        behaviour = Behaviour(backup_errors=0.5, delete_errors=0.5)
        self.making = State(shape, behaviour, "http://127.0.0.1:1").making
        self.backups = list(self.making.backups.find(ALL))
        self.assertEqual(BACKUPS // 2, len(self.backups))
        self.made = self.outcomes()

    def outcomes(self) -> list[bool]:
        """Whether each fails now."""
        return [
            self.making._outcome(each).startswith("error")
            for each in self.backups
        ]

    def deleted(self) -> list[bool]:
        """Whether each fails to be deleted, once more."""
        for each in self.backups:
            self.making.backups.change(each, "error")
            token = Token(each.user_id, each.project_id, True, math.inf)
            self.making.delete(each.id, token)
        return self.outcomes()

    def test_about_so_many_fail(self) -> None:
        for found in (self.made, self.deleted(), self.deleted()):
            self.assertGreater(sum(found), BACKUPS // 8)
            self.assertLess(sum(found), BACKUPS * 3 // 8)

    def test_what_failed_to_be_made_may_well_be_deleted(self) -> None:
        found = set(zip(self.made, self.deleted(), strict=True))
        self.assertEqual(4, len(found))

    def test_another_try_may_well_succeed(self) -> None:
        found = set(zip(self.deleted(), self.deleted(), strict=True))
        self.assertEqual(4, len(found))
