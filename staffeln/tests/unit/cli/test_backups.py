# SPDX-License-Identifier: Apache-2.0
"""``staffeln backup list`` and ``staffeln backup show``."""

from __future__ import annotations

import dataclasses

from staffeln import ports
from staffeln.domain import model, task
from staffeln.tests.unit.cli import stage
from staffeln.tests.unit.domain import samples


class BackupTestCase(stage.CommandTestCase):
    """One volume with a full backup and an incremental."""

    def setUp(self) -> None:
        super().setUp()
        self.volume_id = self.world.protect(name="root\x1b[2J", size=3)
        self.world.backup_cycle()
        self.world.pass_time(2 * samples.DAY)
        self.world.backup_cycle()
        self.full, self.incremental = self.world.rows(self.volume_id)


class ListTest(BackupTestCase):
    def test_newest_first(self) -> None:
        found = self.succeed("backup", "list", "-f", "json").json()
        self.assertEqual(
            [(self.incremental.id, "incremental"), (self.full.id, "full")],
            [(each["id"], each["mode"]) for each in found],
        )
        self.assertEqual("root\x1b[2J", found[0]["volume_name"])
        self.assertEqual(3, found[0]["size"])

    def test_a_table_fits_and_shows_whole_ids(self) -> None:
        for width in (80, 100, 120, 150, 200):
            with self.subTest(width=width):
                said = self.succeed(
                    "backup", "list", "--max-width", str(width)
                )
                self.assertLessEqual(said.widest(), width)
                self.assertIn(f"| {self.full.id} |", said.out)
                self.assertNotIn("\x1b", said.out)

    def test_filters(self) -> None:
        self.world.protect()
        self.world.lead()
        self.world.work()
        for arguments, count in (
            ((), 3),
            (("--state", "creating"), 1),
            (("--state", "creating", "--state", "available"), 3),
            (("--volume", self.volume_id), 2),
            (("--project", "q"), 0),
            (("--limit", "1"), 1),
        ):
            with self.subTest(arguments):
                said = self.succeed("backup", "list", *arguments, "-f", "json")
                self.assertEqual(count, len(said.json()))

    def test_an_empty_list_is_an_answer(self) -> None:
        said = self.succeed("backup", "list", "--volume", "nix")
        self.assertIn("| ID ", said.out)
        self.assertEqual("Nothing found.\n", said.err)


class ShowTest(BackupTestCase):
    def test_with_the_task_that_made_it(self) -> None:
        found = self.succeed(
            "backup", "show", self.incremental.id, "-f", "json"
        ).json()
        self.assertEqual("available", found["state"])
        self.assertEqual(self.incremental.task_id, found["task"]["id"])
        self.assertEqual("succeeded", found["task"]["state"])
        said = self.succeed("backup", "show", self.incremental.id)
        self.assertIn("succeeded, attempt 1, took 10s", said.out)
        self.assertNotIn("\x1b", said.out)

    def test_a_task_that_is_not_kept_any_more(self) -> None:
        self.insert(
            dataclasses.replace(self.full, id="b-purged", task_id="gone")
        )
        said = self.succeed("backup", "show", "b-p")
        self.assertIn("it was reported", said.out)
        found = self.succeed("backup", "show", "b-p", "-f", "json")
        self.assertIs(None, found.json()["task"])

    def test_one_of_an_earlier_release(self) -> None:
        self.insert(
            dataclasses.replace(
                self.full, id="b-old", task_id=None, incremental=None
            )
        )
        said = self.succeed("backup", "show", "b-old")
        self.assertIn("an earlier release made it", said.out)
        self.assertIn("| mode            | - ", said.out)

    def test_an_unknown_id(self) -> None:
        self.assertEqual(
            "staffeln: there is no backup nix",
            self.refused("backup", "show", "nix"),
        )

    def test_the_beginning_of_several(self) -> None:
        for number in range(5):
            self.insert(dataclasses.replace(self.full, id=f"b-{number}"))
        line = self.refused("backup", "show", "b-")
        self.assertIn("5 backups begin with b-", line)
        self.assertIn("and 2 more", line)

    def insert(self, backup: model.Backup) -> None:
        """Write a row, as a change of some task does."""
        self.world.protect(name=f"for {backup.id}")
        self.world.lead()
        (planned,) = self.store.tasks(states=[task.State.PLANNED])
        (claimed,) = self.store.claim(
            "c1", task.Kind.BACKUP, 1, self.store.now()
        )
        self.assertEqual(planned.id, claimed.id)
        starting = task.advance(
            claimed, task.State.STARTING, self.store.now(), "x"
        )
        self.store.advance(
            [ports.Change(before=claimed, after=starting, backup=backup)],
            "c1",
        )
