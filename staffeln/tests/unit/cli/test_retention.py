# SPDX-License-Identifier: Apache-2.0
"""What operators see of retention before it deletes anything."""

from __future__ import annotations

import datetime
from typing import Any

from staffeln.domain import durations, errors
from staffeln.tests.unit.cli import stage
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import DAY, HOUR


class RetentionTestCase(stage.CommandTestCase):
    """Backups are kept for ten days; a chain of two and one of one."""

    def setUp(self) -> None:
        super().setUp()
        self.make_world()

    def make_world(self, **changes: Any) -> None:
        usual: dict[str, Any] = {
            "backup_min_interval": datetime.timedelta(0),
            "retention_time": durations.Duration(days=10),
            "small_round": 50,
        }
        self.world = world.World(**{**usual, **changes})
        self.store = self.world.store
        self.volume = self.world.protect(name="root\x1b[2J")
        self.world.backup_cycle()
        self.world.pass_time(DAY)
        self.world.backup_cycle()
        self.world.retain()
        self.full, self.incremental = self.world.rows(self.volume)

    def plan(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.succeed(
            "plan", *arguments, "-f", "json"
        ).json()
        return found


class PlanTest(RetentionTestCase):
    def test_what_would_go_when_why_and_after_what(self) -> None:
        self.make_world(keep_last=0)
        self.world.pass_time(11 * DAY)
        newest, oldest = self.plan("--action", "delete")
        self.assertEqual(
            [self.incremental.id, self.full.id],
            [newest["backup_id"], oldest["backup_id"]],
        )
        self.assertIn("kept for 10d", newest["reason"])
        self.assertIn("expired 2026-01-12 12:00:", newest["reason"])
        self.assertIn(
            f"after backup {self.incremental.id} is gone", oldest["reason"]
        )
        self.assertEqual("2026-01-11T12:00:10Z", oldest["expires_at"])
        self.assertEqual(2, self.world.retain())

    def test_what_is_kept_though_it_has_expired(self) -> None:
        self.world.pass_time(11 * DAY)
        self.assertEqual([], self.plan("--action", "delete"))
        said = self.succeed("plan")
        self.assertIn("2 expired backups are kept", said.err)
        kept = self.plan("--action", "keep")
        self.assertIn("retention_keep_last", kept[0]["reason"])
        self.assertIn(
            f"backup {self.incremental.id} depends on it", kept[1]["reason"]
        )

    def test_what_each_kept_backup_waits_for(self) -> None:
        kept = self.plan("--action", "keep")
        self.assertEqual(2, len(kept))
        for each in kept:
            self.assertIn("until 2026-01-1", each["reason"])
        self.assertEqual(
            [], [each for each in self.plan() if each["action"] == "keep"]
        )

    def test_a_shortening_is_announced(self) -> None:
        (server,) = self.world.cloud.servers
        self.world.cloud.change_server(
            server, metadata={**world.TAG, "__staffeln_retention": "1s"}
        )
        kept = self.plan("--action", "keep")
        self.assertIn("shortened to 1s, after a grace", kept[0]["reason"])

    def test_deletes_under_way_are_shown(self) -> None:
        self.make_world(keep_last=0)
        self.world.pass_time(11 * DAY)
        self.world.retain()
        own = self.world.cloud.add_backup("p", self.volume, incremental=True)
        self.world.work()
        newest, oldest = self.plan("--action", "delete")
        self.assertIn(f"held by backup {own}", newest["reason"])
        self.assertIn("after backup", oldest["reason"])

    def test_why_nothing_would_happen(self) -> None:
        self.world.pass_time(11 * DAY)
        self.world.cloud.clock_error = datetime.timedelta(hours=1)
        said = self.succeed("plan")
        self.assertIn("Nothing would be deleted: the clock of", said.err)
        self.world.cloud.fail(
            "server_pages", errors.NoAnswerError("Nova is away")
        )
        said = self.succeed("plan")
        self.assertIn("Nothing would expire: the harvest is", said.err)

    def test_a_round_that_is_too_large_is_told(self) -> None:
        self.make_world(keep_last=0, small_round=2)
        self.world.pass_time(11 * DAY)
        said = self.succeed("plan")
        self.assertIn("2 of 2 managed backups are more than", said.err)

    def test_one_volume_tells_of_the_round_that_waits(self) -> None:
        """Not of its own size: a volume's backups are few of all."""
        self.make_world(keep_last=0, small_round=2)
        self.world.pass_time(11 * DAY)
        said = self.succeed("plan", "--volume", self.volume)
        self.assertNotIn("Nothing would be deleted", said.err)
        self.assertEqual(0, self.world.retain())
        said = self.succeed("plan", "--volume", self.volume)
        self.assertIn("Nothing would be deleted: 2 of 2", said.err)


class ConfirmTest(RetentionTestCase):
    def test_a_round_that_waits_is_confirmed(self) -> None:
        self.make_world(keep_last=0, small_round=2)
        self.world.pass_time(11 * DAY)
        self.assertEqual(0, self.world.retain())
        said = self.succeed("retention", "confirm", "-f", "json")
        self.assertEqual(2, said.json()["would"])
        self.assertIn("the next round does it", said.err)
        said = self.succeed("plan")
        self.assertIn("were confirmed", said.err)
        self.assertEqual(2, self.world.retain())

    def test_without_one_there_is_nothing_to_confirm(self) -> None:
        self.assertIn(
            "no round of retention waits", self.refused("retention", "confirm")
        )

    def test_a_yes_is_over_after_a_day(self) -> None:
        self.make_world(keep_last=0, small_round=2)
        self.world.pass_time(11 * DAY)
        self.world.retain()
        self.succeed("retention", "confirm")
        self.world.pass_time(DAY + HOUR)
        self.assertEqual(0, self.world.retain())
