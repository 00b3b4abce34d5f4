# SPDX-License-Identifier: Apache-2.0
"""Who lives, and who is the scheduler."""

from __future__ import annotations

from staffeln.tests.unit.cli import stage
from staffeln.tests.unit.workflow.world import SECOND


class ConductorsTest(stage.CommandTestCase):
    def test_all_of_them_with_what_they_hold(self) -> None:
        self.world.start_conductor("c2")
        self.world.protect()
        self.world.lead()
        self.world.work()
        self.world.clock.time += 7 * SECOND
        found = self.succeed("conductor", "list", "-f", "json").json()
        self.assertEqual(["c1", "c2"], [each["id"] for each in found])
        one, two = found
        self.assertIsNotNone(one["scheduler_since"])
        self.assertIsNone(two["scheduler_since"])
        self.assertEqual([1, 0], [one["tasks"], two["tasks"]])
        self.assertEqual(7.0, one["last_sign"])
        self.assertEqual("solo", one["backend"])
        said = self.succeed("conductor", "list")
        self.assertEqual(1, said.out.count("scheduler"))
        self.assertEqual("", said.err)

    def test_without_a_scheduler_it_says_so(self) -> None:
        self.world.start_conductor("c2")
        self.store.unregister_conductor("c1")
        said = self.succeed("conductor", "list")
        self.assertIn("None of them is the scheduler", said.err)

    def test_nobody(self) -> None:
        self.store.unregister_conductor("c1")
        said = self.succeed("conductor", "list")
        self.assertIn("No conductor is alive", said.err)
