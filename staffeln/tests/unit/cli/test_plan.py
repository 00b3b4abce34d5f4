# SPDX-License-Identifier: Apache-2.0
"""``staffeln plan``: the dry run."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

from staffeln.cli import prospects
from staffeln.domain import errors
from staffeln.tests.unit.cli import stage
from staffeln.tests.unit.workflow import world

READS = frozenset(
    {
        "backups",
        "backups_of_volumes",
        "breaker",
        "count_managed",
        "deployment",
        "expired_volumes",
        "expiring_volumes",
        "governances",
        "histories",
        "live_tasks",
        "now",
        "overdue",
        "brakes",
        "planned_backups",
        "queued",
        "tasks",
        "undated",
        "unwanted_backups",
        "volumes_with_backups",
    }
)


class ReadOnly:
    """A store that refuses whatever does not read."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name not in READS:
            raise AssertionError(f"the dry run calls {name}")
        return getattr(self._store, name)


class PlanTestCase(stage.CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = ReadOnly(self.world.store)

    def plan(self, *arguments: str) -> list[dict[str, Any]]:
        """The dry run's rows."""
        found: list[dict[str, Any]] = self.succeed(
            "plan", *arguments, "-f", "json"
        ).json()
        return found


class DryTest(PlanTestCase):
    def test_an_unbound_database_stays_unbound(self) -> None:
        self.world = world.World(conductors=0)
        self.store = ReadOnly(self.world.store)
        self.world.protect()
        self.assertEqual(1, len(self.plan()))
        self.assertIs(None, self.world.store.deployment().identity)

    def test_it_says_what_the_cycle_then_does(self) -> None:
        for number in range(4):
            self.world.cloud.add_project(f"p{number % 2}")
            self.world.protect(f"p{number % 2}")
        said = [each["volume_id"] for each in self.plan()]
        self.assertEqual([], self.world.store.tasks())
        self.world.lead()
        done = sorted(self.world.store.tasks(), key=lambda work: work.rank)
        self.assertEqual(said, [work.volume_id for work in done])

    def test_the_wrong_cloud(self) -> None:
        self.world.cloud.cloud_identity = dataclasses.replace(
            self.world.cloud.cloud_identity, region="other"
        )
        self.assertIn("another cloud", self.refused("plan"))

    def test_a_cloud_out_of_reach(self) -> None:
        self.world.cloud.fail(
            "identity", errors.NotSentError("no connection to x")
        )
        self.assertEqual("staffeln: no connection to x", self.refused("plan"))

    def test_a_service_user_without_rights(self) -> None:
        self.world.cloud.administrator = False
        self.refused("plan")


class RowsTest(PlanTestCase):
    def setUp(self) -> None:
        super().setUp()
        cloud = self.world.cloud
        self.old = self.world.protect(name="old", size=10)
        self.world.backup_cycle()
        self.broken = self.world.protect(name="broken", size=2)
        self.world.lead()
        self.world.work()
        cloud.finish_all("error")
        self.world.work()
        self.world.pass_time(12 * world.HOUR)
        self.gone = self.world.protect(name="gone", size=4)
        self.world.lead()
        for server in list(cloud.servers.values()):
            if self.gone in server.volume_ids:
                cloud.change_server(server.id, metadata={})
        self.world.pass_time(13 * world.HOUR)
        self.new = self.world.protect(name="n\x1b[2J" + "x" * 90, size=7)
        self.busy = self.world.protect(name="busy", status="attaching")
        self.odd = self.world.protect(name="odd", status="error")

    def test_each_action_with_its_reason(self) -> None:
        found = {
            (each["action"], each["volume_id"]): each for each in self.plan()
        }
        for action, volume_id, reason in (
            ("backup", self.new, "never backed up"),
            ("backup", self.old, "older than the interval"),
            ("postpone", self.busy, "attaching"),
            ("fail", self.odd, "error status"),
            ("skip", self.broken, "already"),
            ("cancel", self.gone, "not to be backed up any more"),
            ("delete", self.broken, "to be removed"),
        ):
            with self.subTest(action):
                self.assertIn(reason, found.pop((action, volume_id))["reason"])
        self.assertEqual({}, found)

    def test_backups_come_first_in_order_of_work(self) -> None:
        actions = [each["action"] for each in self.plan()]
        self.assertEqual(
            [
                "backup",
                "backup",
                "fail",
                "postpone",
                "skip",
                "cancel",
                "delete",
            ],
            actions,
        )
        self.assertEqual(self.new, self.plan()[0]["volume_id"])

    def test_json_is_exact(self) -> None:
        new, old, *_ = self.plan()
        self.assertEqual("n\x1b[2J" + "x" * 90, new["volume_name"])
        self.assertEqual(("full", 7), (new["mode"], new["size"]))
        self.assertEqual("incremental", old["mode"])
        cancel, delete = self.plan()[-2:]
        self.assertEqual(
            self.gone,
            next(
                work.volume_id
                for work in self.world.store.tasks()
                if work.id == cancel["task_id"]
            ),
        )
        self.assertIn(
            delete["backup_id"],
            [row.id for row in self.world.rows(self.broken)],
        )

    def test_a_table_fits_and_shows_whole_ids(self) -> None:
        for width in (80, 100, 120, 150, 200):
            with self.subTest(width=width):
                said = self.succeed("plan", "--max-width", str(width))
                self.assertLessEqual(said.widest(), width)
                self.assertIn(f"| {self.new} |", said.out)
                self.assertNotIn("\x1b", said.out)

    def test_filters(self) -> None:
        for arguments, count in (
            (("--action", "backup"), 2),
            (("--action", "fail", "--action", "postpone"), 2),
            (("--volume", self.broken), 2),
            (("--project", "p"), 7),
            (("--project", "q"), 0),
            (("--project", "p", "--action", "skip"), 1),
        ):
            with self.subTest(arguments):
                self.assertEqual(count, len(self.plan(*arguments)))

    def test_what_it_comes_to(self) -> None:
        said = self.succeed("plan")
        self.assertIn(
            "2 to back up (1 full, 1 incremental; volumes of 17 GiB), "
            "1 to fail at once, 1 postponed, 1 not due, 1 to cancel, "
            "1 to delete",
            said.err,
        )
        self.assertIn("Harvest complete: 5 of 6 servers selected", said.err)
        self.assertNotIn("Shown", said.err)

    def test_filters_do_not_change_what_it_comes_to(self) -> None:
        said = self.succeed("plan", "--action", "skip")
        self.assertIn("2 to back up", said.err)
        self.assertIn("Shown: 1 of 7.", said.err)
        said = self.succeed("plan", "--project", "q")
        self.assertIn("Nothing found.", said.err)
        self.assertIn("| Action ", said.out)


class HarvestTest(PlanTestCase):
    def test_problems_are_named(self) -> None:
        for number in range(25):
            self.world.cloud.add_server(
                "p", server_id=f"s\x1b{number}", readable=False
            )
        said = self.succeed("plan")
        self.assertIn("Harvest INCOMPLETE", said.err)
        self.assertIn("s\\x1b1 could not be read", said.err)
        self.assertIn("  and 5 more\n", said.err)

    def test_nothing_to_do(self) -> None:
        said = self.succeed("plan")
        self.assertIn("| Action ", said.out)
        self.assertIn("Nothing to do: servers with metadata", said.err)

    def test_no_backup_service(self) -> None:
        self.world.protect()
        self.world.cloud.services = []
        (row,) = self.plan()
        self.assertEqual("postpone", row["action"])


class ProspectsTest(PlanTestCase):
    def told(self, *arguments: str) -> list[str]:
        """What the dry run says beside its rows."""
        return self.succeed("plan", *arguments).err.splitlines()

    def test_how_volumes_are_protected(self) -> None:
        self.world.protect()
        late = [self.world.protect(status="attaching") for _ in range(7)]
        self.world.backup_cycle()
        self.world.pass_time(world.DAY + world.HOUR)
        told = self.told()
        self.assertIn(
            "Protection: 7 of 8 volumes never protected, 0 not protected for "
            "more than 3d.",
            told,
        )
        named = [line for line in told if "  volume " in line]
        self.assertEqual(prospects.MOST_NAMED, len(named))
        self.assertIn("never backed up; postponed: ", named[0])
        self.assertIn("  and 2 more", told)
        (line,) = [
            line
            for line in self.told("--volume", late[-1])
            if "  volume " in line
        ]
        self.assertIn(late[-1], line)

    def test_volumes_that_are_selected_no_longer(self) -> None:
        volumes = [self.world.protect() for _ in range(4)]
        self.world.backup_cycle()
        for server_id in list(self.world.cloud.servers):
            self.world.cloud.change_server(server_id, metadata={})
        # The first harvest alarms, and says nothing of single volumes.
        self.assertNotIn("no longer", " ".join(self.told()))
        self.world.lead()
        told = self.told()
        self.assertIn("4 volume(s) with backups are selected no longer:", told)
        for each in volumes:
            (line,) = [line for line in told if f"volume {each}:" in line]
            self.assertIn("does not carry __staffeln_backup=true", line)
        with mock.patch.object(prospects, "MOST_NAMED", 1):
            self.assertIn("  and 3 more", self.told())

    def test_whether_it_fits(self) -> None:
        self.world.cloud.add_project("full", max_backups=1)
        self.world.cloud.add_project("big", max_gigabytes=10)
        self.world.cloud.add_project("none", max_backups=0)
        for project_id in ("full", "full", "big", "none", "p"):
            self.world.protect(project_id, size=10)
        told = self.told()
        self.assertIn(
            "Quotas of 4 project(s) with backups due: 2 have room for all, 2 "
            "lack room, 0 could not be read.",
            told,
        )
        (full, none) = [line for line in told if line.startswith("Project ")]
        self.assertIn("full: 2 backup(s) and 20 GiB more do not fit.", full)
        self.assertIn("2 backups where 1 of 1 are free", full)
        self.assertIn("1 backups where 0 of 0 are free", none)
        (one,) = [
            line
            for line in self.told("--project", "big")
            if line.startswith("Project ")
        ]
        self.assertIn("big: 1 backup(s) and 10 GiB more fit.", one)
        with mock.patch.object(prospects, "MOST_FORECASTS", 1):
            self.assertIn("1 more projects lack room.", self.told())

    def test_quotas_are_asked_for_where_they_are_wanted(self) -> None:
        self.world.cloud.add_project("idle")
        self.world.protect()
        for arguments, calls in (
            ((), 1),
            (("--no-quotas",), 0),
            (("--volume", "x"), 0),
            (("--project", "idle"), 0),
        ):
            before = self.world.cloud.count("quotas")
            self.told(*arguments)
            self.assertEqual(
                calls,
                self.world.cloud.count("quotas") - before,
                str(arguments),
            )

    def test_quotas_that_cannot_be_read(self) -> None:
        for number in range(5):
            project_id = self.world.cloud.add_project(f"p{number}")
            self.world.protect(project_id)
        for error, calls in (
            (errors.NoAnswerError("down"), prospects.MOST_UNREAD),
            (errors.ForbiddenError("no"), 5),
        ):
            with mock.patch.object(
                self.world.cloud, "quotas", side_effect=error
            ) as asked:
                told = self.told()
            self.assertEqual(calls, asked.call_count)
            self.assertIn("5 could not be read", told[-1] + " ".join(told))
