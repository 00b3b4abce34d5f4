# SPDX-License-Identifier: Apache-2.0
"""A database of release 2.x, upgraded, and then real cycles on it.

The cloud is one in memory with what the old rows tell of; the database and
the conductor are real.
"""

from __future__ import annotations

import datetime
import time
from collections import Counter
from typing import Any

from staffeln.db import migration, session
from staffeln.db.store import SqlStore
from staffeln.domain import durations, model, task
from staffeln.tests.fakes.fake_cloud import FakeCloud
from staffeln.tests.functional.db import databases, old_release
from staffeln.tests.functional.upgrade import old_rows
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.workflow import world
from staffeln.workflow import clocks

DEPTHS = (0, 1, 2, 4)
MOST_ROUNDS = 120
NOW = datetime.timedelta()


class RealClock(world.Clock):
    """The time of this host."""

    def __call__(self) -> datetime.datetime:
        return clocks.host_time()

    @property
    def seconds(self) -> float:
        return time.monotonic()


class Scene:
    """The upgraded database, its cloud, and a conductor."""

    def __init__(
        self, database: session.Database, age: int, **changes: Any
    ) -> None:
        self.told: list[str] = []
        migration.upgrade(database, tell=self.told.append)
        self.store = SqlStore(database)
        self.old = old_rows.volumes(age)
        self.clock = RealClock()
        self.cloud = FakeCloud(clock=self.clock)
        for volume in self.old.values():
            self._plant(volume)
        self.planted = set(self.cloud.backups)
        kept_for = durations.parse(changes.pop("retention_time", "100y"))
        self.process = world.Process(
            "c1",
            self.store,
            self.cloud,
            world.settings(
                task_poll_period=NOW,
                rule=samples.rule(retention_time=kept_for),
                retention_time=kept_for,
                small_round=1000,
                **changes,
            ),
            self.clock,
        )
        self.process.scheduler.take_office()

    def _plant(self, volume: old_rows.OldVolume) -> None:
        """What Cinder and Nova show of it."""
        self.cloud.add_volume(volume.project_id, volume_id=volume.id)
        self.cloud.add_server(
            volume.project_id,
            server_id=volume.server_id,
            metadata=world.TAG,
            volume_ids=[volume.id],
        )
        made = list(volume.backups)
        queued = volume.queued
        if queued is not None and queued["backup_id"] not in (None, "NULL"):
            made.append(queued)
        for row in made:
            # What 2.x did not note is what Cinder knows all the same.
            incremental = row["incremental"]
            if incremental is None:
                incremental = row is not made[0]
            running = row.get("backup_status") == old_rows.RUNNING
            failed = row.get("backup_status") == old_rows.FAILED
            if row is queued and not running and not failed:
                continue
            failed = failed or row.get("backup_completed") == 0
            status = {running: "creating", failed: "error"}.get(True)
            self._add(
                row, incremental=incremental, status=status or "available"
            )

    def _add(self, row: old_rows.Row, **changes: Any) -> None:
        if row["backup_id"] not in self.cloud.backups:
            self.cloud.add_backup(
                row["project_id"],
                row["volume_id"],
                backup_id=row["backup_id"],
                created_at=row["created_at"],
                **changes,
            )

    def work(self, rounds: int = 4) -> None:
        """Rounds of the conductor; all that it begins ends well."""
        for _ in range(rounds):
            self.process.beat()
            self.process.work()

    def remove_all(self) -> None:
        """Rounds of retention until one plans nothing."""
        for _ in range(MOST_ROUNDS):
            self.process.scheduler.retain()
            for _ in range(MOST_ROUNDS):
                self.work(1)
                self.cloud.finish_all()
                if not self._deletes():
                    break
            else:
                raise AssertionError(f"not removed: {self._deletes()}")
            if not self.process.scheduler.retain():
                return

    def _deletes(self) -> list[task.Task]:
        return self.store.tasks(kind=task.Kind.DELETE, states=task.LIVE)

    def tasks(self, state: task.State) -> dict[str, task.Task]:
        """Backup tasks in a state, by volume."""
        return {
            work.volume_id: work
            for work in self.store.tasks(kind=task.Kind.BACKUP, states=[state])
        }


class UpgradedSuite(databases.DatabaseCase):
    """Inherit this with ``samples``."""

    def old_databases(self) -> list[tuple[session.Database, int]]:
        """New copies of the samples, each with its age."""
        raise NotImplementedError

    def scenes(self, **changes: Any) -> list[Scene]:
        return [
            Scene(database, age, **changes)
            for database, age in self.old_databases()
        ]

    # -- backups -------------------------------------------------------------

    def test_what_is_due_and_how_is_what_the_old_rows_say(self) -> None:
        for depth in DEPTHS:
            for scene in self.scenes(full_backup_depth=depth):
                self.assert_first_cycle(scene, depth)

    def assert_first_cycle(self, scene: Scene, depth: int) -> None:
        scene.process.scheduler.lead()
        planned = scene.tasks(task.State.PLANNED)
        due = {each.id for each in scene.old.values() if not each.runs}
        self.assertEqual(due, set(planned))
        for volume_id, work in planned.items():
            expected = scene.old[volume_id].wants_incremental(depth)
            self.assertEqual(
                task.Mode.INCREMENTAL if expected else task.Mode.FULL,
                work.mode,
                f"{volume_id} at depth {depth}: {work.reason}",
            )
        scene.work(8)
        made = {
            each.volume_id: each
            for each in scene.cloud.backups.values()
            if each.id not in scene.planted
        }
        self.assertEqual(due, set(made))
        for volume_id, backup in made.items():
            self.assertEqual(
                scene.old[volume_id].wants_incremental(depth),
                backup.incremental,
            )
        scene.cloud.finish_all()
        scene.work()
        # Nothing is made twice; what ran was of long ago.
        scene.process.scheduler.lead()
        runs = {each.id for each in scene.old.values() if each.runs}
        self.assertEqual(runs, set(scene.tasks(task.State.PLANNED)))
        self.assert_nothing_forgotten(scene, made)

    def assert_nothing_forgotten(
        self, scene: Scene, made: dict[str, model.CloudBackup]
    ) -> None:
        rows = {row.id: row for row in scene.store.backups()}
        for backup in scene.cloud.backups.values():
            self.assertIn(backup.id, rows)
        for volume in scene.old.values():
            for old in volume.backups:
                done = old["backup_completed"] == 1
                self.assertEqual(
                    "available" if done else "unwanted",
                    rows[old["backup_id"]].state,
                )
        self.assertEqual(
            {"available"}, {rows[each.id].state for each in made.values()}
        )

    def test_only_what_is_old_enough_is_due(self) -> None:
        """An interval that divides the volumes by their newest backup."""
        line = datetime.datetime(2026, 11, 5)  # noqa: DTZ001 - UTC, naive
        for scene in self.scenes(
            backup_min_interval=clocks.host_time() - line
        ):
            scene.process.scheduler.lead()
            due = {
                each.id
                for each in scene.old.values()
                if not each.runs and each.completed[-1]["created_at"] < line
            }
            self.assertEqual(due, set(scene.tasks(task.State.PLANNED)))
            self.assertGreater(len(due), 5)
            self.assertLess(len(due), len(scene.old) - 5)

    # -- unfinished tasks ----------------------------------------------------

    def test_running_backups_are_followed_to_their_ends(self) -> None:
        for scene in self.scenes():
            runs = [each for each in scene.old.values() if each.runs]
            self.assertEqual(5, len(runs))
            good, bad, gone, slow, odd = runs
            ids = {
                each.id: each.queued["backup_id"]
                for each in runs
                if each.queued
            }
            scene.work(2)
            held = scene.tasks(task.State.RUNNING)
            self.assertEqual(set(ids), set(held))
            self.assertEqual({"c1"}, {x.claimed_by for x in held.values()})
            scene.cloud.finish(ids[good.id])
            scene.cloud.finish(ids[odd.id], "restoring")
            scene.cloud.finish(ids[bad.id], "error", "disk full")
            scene.cloud.vanish(ids[gone.id])
            scene.work(3)
            ended = {
                work.volume_id: work
                for work in scene.store.tasks(kind=task.Kind.BACKUP)
                if work.volume_id in ids
            }
            self.assertEqual(
                {
                    good.id: "succeeded",
                    odd.id: "succeeded",
                    slow.id: "running",
                },
                {
                    volume_id: ended[volume_id].state.value
                    for volume_id in (good.id, odd.id, slow.id)
                },
            )
            failed = ended[bad.id]
            self.assertIn(
                failed.state, (task.State.FAILED, task.State.PLANNED)
            )
            self.assertIn("disk full", failed.reason)
            self.assertEqual(
                ended[slow.id].id, scene.tasks(task.State.RUNNING)[slow.id].id
            )

    def test_what_did_not_begin_is_failed_and_done_again(self) -> None:
        for scene in self.scenes():
            states = Counter(
                each.queued["backup_status"]
                for each in scene.old.values()
                if each.queued
            )
            failed = scene.tasks(task.State.FAILED)
            self.assertEqual(
                states[old_rows.FAILED] + states[old_rows.STARTING],
                len(failed),
            )
            for each in scene.old.values():
                if each.queued and each.queued["backup_status"] == 4:
                    self.assertEqual(
                        "interrupted by the upgrade", failed[each.id].reason
                    )
                    self.assertTrue(
                        any(f"volume {each.id}: " in x for x in scene.told)
                    )
            scene.process.scheduler.lead()
            again = set(scene.tasks(task.State.PLANNED))
            self.assertEqual(set(), set(failed) - again)

    # -- retention -----------------------------------------------------------

    def gone(self, scene: Scene) -> set[str]:
        return scene.planted - set(scene.cloud.backups)

    def unwanted(self, scene: Scene) -> set[str]:
        """What 2.x meant to remove, and what its failures left."""
        return {
            row["backup_id"]
            for volume in scene.old.values()
            for row in volume.backups
            if row["backup_completed"] == 0
        } | {
            volume.queued["backup_id"]
            for volume in scene.old.values()
            if volume.queued
            and volume.queued["backup_status"] == old_rows.FAILED
            and volume.queued["backup_id"] in scene.planted
        }

    def test_before_anything_expires_only_the_unwanted_go(self) -> None:
        for scene in self.scenes():
            scene.remove_all()
            self.assertEqual(self.unwanted(scene), self.gone(scene))
            self.assertEqual(5, len(self.gone(scene)))

    def test_nothing_expires_before_its_server_was_read(self) -> None:
        for scene in self.scenes(retention_time="1d"):
            for server_id in scene.cloud.servers:
                scene.cloud.change_server(server_id, readable=False)
            scene.remove_all()
            self.assertEqual(set(), self.gone(scene) - self.unwanted(scene))

    def test_what_expires_leaves_the_newest_chain_of_each_volume(
        self,
    ) -> None:
        for scene in self.scenes(retention_time="1d"):
            scene.remove_all()
            kept: set[str] = set()
            for volume in scene.old.values():
                if volume.runs and volume.queued:
                    # It ended well, and Cinder told what it is.
                    ran = scene.cloud.backups[volume.queued["backup_id"]]
                    volume.backups.append(
                        {
                            "backup_id": ran.id,
                            "backup_completed": 1,
                            "incremental": ran.incremental,
                        }
                    )
                kept |= volume.newest_chain()
            lost = kept - set(scene.cloud.backups)
            self.assertEqual(set(), lost)
            left = set(scene.cloud.backups) - kept
            self.assertEqual(set(), left)


def age_of(revision: str) -> int:
    """How many revisions came after the first."""
    return old_release.REVISIONS.index(revision)
