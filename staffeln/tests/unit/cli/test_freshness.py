# SPDX-License-Identifier: Apache-2.0
"""The exit code that a check looks at."""

from __future__ import annotations

from collections.abc import Sequence

from staffeln.cli.doors import Doors
from staffeln.domain import errors
from staffeln.tests.unit.cli import stage
from staffeln.tests.unit.workflow.world import DAY, MINUTE


class FreshnessTest(stage.CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.volume = self.world.protect()

    def test_after_rounds_and_a_backup_all_is_fresh(self) -> None:
        self.world.backup_cycle()
        self.world.pass_time(MINUTE)
        self.world.lead()
        self.world.retain()
        self.world.pass_time(MINUTE)
        said = self.succeed("freshness", "-f", "json")
        found = said.json()
        self.assertEqual("", said.err)
        self.assertTrue(found["fresh"])
        self.assertEqual(60, found["cycle_age"])
        self.assertEqual(1, found["selected"])
        self.assertEqual(0, found["never_protected"])

    def test_what_is_missed_is_named(self) -> None:
        self.world.backup_cycle()
        self.world.lead()
        self.world.retain()
        self.world.pass_time(DAY)
        said = self.run_command("freshness", "-f", "json")
        self.assertEqual(1, said.code)
        self.assertFalse(said.json()["fresh"])
        self.assertIn(
            "Not fresh: the last complete cycle ended 1 day, 0:00:00 ago",
            said.err,
        )
        self.succeed(
            "freshness", "--max-cycle-age", "2d", "--max-retention-age", "2d"
        )
        said = self.run_command(
            "freshness",
            *("--max-cycle-age", "2d", "--max-retention-age", "2d"),
            *("--max-protection-age", "1s"),
        )
        self.assertEqual(1, said.code)
        self.assertIn("the oldest last backup of a volume was", said.err)

    def test_a_new_database_is_not_fresh(self) -> None:
        said = self.run_command("freshness")
        self.assertEqual(1, said.code)
        self.assertIn("no complete cycle has ended yet", said.err)

    def test_an_incomplete_cycle_is_none(self) -> None:
        self.world.cloud.fail(
            "volume_pages", errors.NoAnswerError("Cinder is away")
        )
        self.world.lead()
        self.world.retain()
        said = self.run_command("freshness")
        self.assertEqual(1, said.code)
        self.assertIn("no complete cycle has ended yet", said.err)

    def test_without_an_answer_nobody_can_tell(self) -> None:
        def broken(_: Sequence[str]) -> Doors:
            raise errors.StoreError("the database is away")

        self.open_doors = broken
        said = self.run_command("freshness")
        self.assertEqual((2, ""), (said.code, said.out))
        self.assertIn("the database is away", said.err)

    def test_a_length_that_is_none(self) -> None:
        for text in ("soon", "1mon"):
            said = self.run_command("freshness", "--max-cycle-age", text)
            self.assertEqual(2, said.code)
            self.assertIn("--max-cycle-age", said.err)
