# SPDX-License-Identifier: Apache-2.0
"""The brake, as an operator pulls it and lets it go."""

from __future__ import annotations

from staffeln.domain import task
from staffeln.tests.unit.cli import stage

BACKUP, DELETE = task.Kind.BACKUP, task.Kind.DELETE


class BrakeTest(stage.CommandTestCase):
    def paused(self) -> list[tuple[task.Kind, str]]:
        return [(each.kind, each.project_id) for each in self.store.brakes()]

    def test_pause_says_what_is_paused(self) -> None:
        said = self.succeed("pause", "backups", "-f", "json")
        (only,) = said.json()
        self.assertEqual("backups", only["paused"])
        self.assertIsNone(only["project_id"])
        self.assertTrue(only["since"].endswith("Z"))
        self.assertEqual([(BACKUP, "")], self.paused())
        self.assertIn("all projects", self.succeed("paused").out)

    def test_a_paused_conductor_begins_nothing_until_resumed(self) -> None:
        volume_id = self.world.protect()
        self.succeed("pause", "backups")
        self.world.lead()
        self.world.work(3)
        self.assertEqual(
            task.State.PLANNED, self.world.task_of(volume_id).state
        )
        self.assertIn("backups of all are paused", self.log.output)
        self.succeed("resume", "backups")
        self.world.work()
        self.assertEqual(
            task.State.RUNNING, self.world.task_of(volume_id).state
        )

    def test_a_project_is_paused_by_itself(self) -> None:
        self.world.protect()
        self.world.lead()
        said = self.succeed("pause", "deletes", "--project", "p")
        self.assertEqual("", said.err)
        self.assertEqual([(DELETE, "p")], self.paused())
        said = self.succeed("resume", "deletes", "--project", "p")
        self.assertEqual([], self.paused())

    def test_an_id_that_nothing_has_is_asked_about(self) -> None:
        said = self.succeed("pause", "backups", "--project", "P")
        self.assertIn("is that its id?", said.err)
        self.assertEqual([(BACKUP, "P")], self.paused())

    def test_twice_is_once(self) -> None:
        self.succeed("pause", "backups")
        said = self.succeed("pause", "backups")
        self.assertIn("already", said.err)

    def test_what_is_not_paused_cannot_be_resumed(self) -> None:
        self.succeed("pause", "deletes")
        line = self.refused("resume", "backups")
        self.assertIn("backups of all projects are not paused", line)
        said = self.run_command("resume", "deletes", "--project", "p")
        self.assertEqual(1, said.code)

    def test_resume_says_what_is_paused_still(self) -> None:
        self.succeed("pause", "backups")
        self.succeed("pause", "backups", "--project", "p")
        said = self.succeed("resume", "backups", "--project", "p")
        self.assertIn("all projects are paused still", said.err)
        self.succeed("pause", "backups", "--project", "p")
        said = self.succeed("resume", "backups")
        self.assertIn("Still paused for 1 project(s)", said.err)

    def test_nothing_paused(self) -> None:
        said = self.succeed("paused", "-f", "json")
        self.assertEqual([], said.json())
        self.assertIn("Nothing is paused", said.err)

    def test_ids_that_cannot_be_are_refused(self) -> None:
        for project_id in ("", " ", "a b", "a\nb", "x" * 65):
            said = self.run_command(
                "pause", "backups", "--project", project_id
            )
            self.assertEqual(2, said.code)
        self.assertEqual([], self.paused())

    def test_the_dry_run_says_it(self) -> None:
        self.world.protect()
        self.succeed("pause", "backups")
        said = self.succeed("plan")
        self.assertIn("Paused: backups of all are paused since", said.err)
