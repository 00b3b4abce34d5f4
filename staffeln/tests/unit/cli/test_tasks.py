# SPDX-License-Identifier: Apache-2.0
"""``staffeln task list`` and ``staffeln task show``."""

from __future__ import annotations

import csv

from staffeln.domain import task
from staffeln.tests.unit.cli import stage
from staffeln.tests.unit.workflow import world

BAD = "db\x1b[31m\n$(reboot)"


class TaskTestCase(stage.CommandTestCase):
    """One volume whose incremental fails, so that a full one follows."""

    def setUp(self) -> None:
        super().setUp()
        self.volume_id = self.world.protect(name=BAD, size=3)
        self.world.backup_cycle()
        self.world.pass_time(25 * world.HOUR)
        self.world.backup_cycle("error")
        self.world.work()
        self.world.cloud.finish_all()
        self.world.work()
        self.full = self.store.tasks()[-1]
        self.second = self.store.tasks()[0]


class ListTest(TaskTestCase):
    def test_newest_first_with_exact_names(self) -> None:
        found = self.succeed("task", "list", "-f", "json").json()
        self.assertEqual(
            [self.second.id, self.full.id], [each["id"] for each in found]
        )
        self.assertEqual(BAD, found[0]["volume_name"])
        self.assertEqual("2026-01-01T12:00:00Z", found[1]["created_at"])
        self.assertEqual(10.0, found[1]["took"])
        self.assertIs(None, found[1]["not_before"])

    def test_every_field_of_a_task_is_there(self) -> None:
        (found, _) = self.succeed("task", "list", "-f", "json").json()
        self.assertEqual(
            {*task.Task.__dataclass_fields__, "age", "took"}, set(found)
        )

    def test_a_table_fits_and_shows_whole_ids(self) -> None:
        for width in (80, 100, 120, 150, 200):
            with self.subTest(width=width):
                said = self.succeed("task", "list", "--max-width", str(width))
                self.assertLessEqual(said.widest(), width)
                self.assertIn(f"| {self.full.id} |", said.out)
                self.assertIn("| succeeded |", said.out)

    def test_only_lists_and_dumps_are_exact(self) -> None:
        for formatter in ("table", "csv", "value"):
            with self.subTest(formatter):
                said = self.succeed("task", "list", "-f", formatter)
                self.assertNotIn("\x1b", said.out)
                self.assertIn("x1b", said.out)

    def test_csv_has_all_fields_and_nothing_for_nothing(self) -> None:
        said = self.succeed("task", "list", "-f", "csv")
        (row, _) = csv.DictReader(said.out.splitlines())
        self.assertEqual(self.second.id, row["id"])
        self.assertEqual("", row["not_before"])

    def test_filters(self) -> None:
        other = self.world.protect()
        self.world.lead()
        for arguments, count in (
            ((), 3),
            (("--state", "planned"), 1),
            (("--state", "planned", "--state", "succeeded"), 3),
            (("--kind", "delete"), 0),
            (("--volume", other), 1),
            (("--project", "p"), 3),
            (("--project", "q"), 0),
            (("--limit", "2"), 2),
            (("--limit", "0"), 3),
        ):
            with self.subTest(arguments):
                said = self.succeed("task", "list", *arguments, "-f", "json")
                self.assertEqual(count, len(said.json()))

    def test_a_list_that_is_cut_says_so(self) -> None:
        said = self.succeed("task", "list", "--limit", "1")
        self.assertIn("Only the newest 1 are shown", said.err)
        self.assertEqual("", self.succeed("task", "list").err)

    def test_an_empty_list_is_an_answer(self) -> None:
        said = self.succeed("task", "list", "--project", "q")
        self.assertIn("| ID ", said.out)
        self.assertEqual("Nothing found.\n", said.err)

    def test_columns_are_sorted_by_their_values(self) -> None:
        self.world.protect()
        self.world.lead()
        for column in ("age", "took", "attempted_at"):
            with self.subTest(column):
                said = self.succeed(
                    "task", "list", "-f", "json", "--sort-column", column
                )
                values = [each[column] for each in said.json()]
                known = [each for each in values if each is not None]
                self.assertEqual(sorted(known), values[: len(known)])
                self.assertEqual("", said.err)

    def test_people_choose_from_all_columns(self) -> None:
        said = self.succeed("task", "list", "-c", "volume_id")
        self.assertIn("| Volume ID ", said.out)
        self.assertIn(self.volume_id, said.out)

    def test_what_a_table_shows_can_be_chosen_and_sorted_by(self) -> None:
        other = self.world.protect(name="a")
        self.world.lead()
        said = self.succeed(
            "task", "list", "-c", "volume", "--sort-column", "volume"
        )
        names = [line.strip("| ") for line in said.out.splitlines()[3:-1]]
        shown = "db\\x1b[31m\\n$(reboot)"
        self.assertEqual(["a", shown, shown], names)
        self.assertNotIn(other, said.out)

    def test_long_shows_all(self) -> None:
        said = self.succeed("task", "list", "--long", "--max-width", "0")
        self.assertIn("| Reason ", said.out)
        self.assertIn("| Claimed By ", said.out)

    def test_a_volume_without_a_name_shows_its_id(self) -> None:
        other = self.world.protect()
        self.world.lead()
        said = self.succeed("task", "list")
        self.assertIn(f"({other[:8]})", said.out)

    def test_what_runs_took_until_now(self) -> None:
        self.world.protect()
        self.world.lead()
        self.world.work()
        self.world.pass_time(world.HOUR)
        said = self.succeed("task", "list", "--limit", "1", "-f", "json")
        self.assertEqual(3600.0, said.json()[0]["took"])


class ShowTest(TaskTestCase):
    def test_the_whole_story(self) -> None:
        said = self.succeed("task", "show", self.second.id)
        for piece in (
            "planned -> claimed",
            "claimed -> starting",
            "running -> planned",
            "full instead of incremental",
            "attempt 2, by c1",
            "running -> succeeded",
            "+40s",
        ):
            self.assertIn(piece, said.out)
        self.assertNotIn("\x1b", said.out)

    def test_json_has_the_events_as_a_list(self) -> None:
        found = self.succeed(
            "task", "show", self.second.id, "-f", "json"
        ).json()
        self.assertEqual(BAD, found["volume_name"])
        story = self.store.events(self.second.id)
        self.assertEqual(len(story), len(found["events"]))
        self.assertEqual(
            {
                "at": "2026-01-02T13:00:20Z",
                "from_state": None,
                "to_state": "planned",
                "reason": story[0].reason,
                "conductor_id": "c1",
                "attempt": 0,
                "term": 1,
                "elapsed": 0.0,
            },
            found["events"][0],
        )

    def test_the_table_fits(self) -> None:
        for width in (80, 120, 200):
            said = self.succeed(
                "task", "show", self.second.id, "--max-width", str(width)
            )
            self.assertLessEqual(said.widest(), width)

    def test_a_shell_runs_no_name(self) -> None:
        said = self.succeed("task", "show", self.full.id, "-f", "shell")
        self.assertIn('volume_name="db\\\\x1b[31m\\\\n\\$(reboot)"', said.out)

    def test_a_take_over_is_told(self) -> None:
        self.store.take_over(
            [self.full], "c2", self.store.now(), "c1 is silent"
        )
        said = self.succeed("task", "show", self.full.id)
        self.assertIn("succeeded, taken over", said.out)

    def test_the_beginning_of_an_id_is_enough(self) -> None:
        length = next(
            size
            for size in range(1, 36)
            if self.full.id[:size] != self.second.id[:size]
        )
        found = self.succeed(
            "task", "show", self.full.id[:length], "-f", "json"
        )
        self.assertEqual(self.full.id, found.json()["id"])

    def test_an_unknown_id(self) -> None:
        for unknown in ("nix", "", "x" * 36, "\x1b"):
            with self.subTest(unknown):
                line = self.refused("task", "show", unknown)
                self.assertIn("there is no task", line)
                self.assertNotIn("\x1b", line)
