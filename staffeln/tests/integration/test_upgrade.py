# SPDX-License-Identifier: Apache-2.0
"""A database of release 2.x, upgraded on a cloud that has what it tells of.

Ids of Cinder and Nova cannot be chosen, so real volumes, servers and
backups are made as the sample's rows tell of them, and their ids put into a
copy of the sample.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

from sandbox.scenery import wait_for
from staffeln.tests.functional.db import old_release
from staffeln.tests.functional.upgrade import old_rows
from staffeln.tests.integration import base

DEPTH = 2
CASES = {
    "742a8063": "the chain has all its incrementals: full",
    "d0eda82f": "a full and an incremental: incremental",
    "6b0d549b": "the last one is to be removed: incremental",
    "e4c717fd": "of unknown mode, and a start that was cut short",
    "179a071e": "a full backup runs",
    "6c18d982": "an incremental backup runs",
}
"""Volumes of the sample, by how their ids begin.

One of each kind that Cinder has to agree to; all others are tried on a cloud
in memory, which takes no minutes.
"""


class UpgradeTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tenant = self.sandbox.project(self.key)
        self.old = {
            volume.id[:8]: volume
            for volume in old_rows.volumes(age=3).values()
            if volume.id[:8] in CASES
        }
        self.assertEqual(set(CASES), set(self.old))
        self.volumes: dict[str, str] = {}
        """Real ids of volumes, by how those of the sample begin."""
        self.ids: dict[str, str] = {}
        """Real ids of all, by those of the sample."""
        self.before: set[str] = set()

    # -- what the old release left -------------------------------------------

    def plant(self) -> None:
        """Volumes, servers and backups as the rows tell of them."""
        for case, volume in self.old.items():
            made = self.tenant.volume(f"volume-{case}")
            server = self.tenant.server(f"vm-{case}", made, metadata=self.tag)
            self.volumes[case] = made
            self.ids[volume.id] = made
            self.ids[volume.server_id] = server
            self.ids[volume.project_id] = self.tenant.id
        waiting = {case: _to_make(each) for case, each in self.old.items()}
        while any(waiting.values()):
            begun = []
            for case, left in waiting.items():
                if left:
                    row = left.pop(0)
                    backup = self.back_up(case, row)
                    self.ids[row["backup_id"]] = backup
                    begun.append(backup)
            for backup in begun:
                self.wait_until_available(backup)
            for backup in self.unwanted().intersection(begun):
                self.break_it(backup)
        self.before = set(self.ids.values())

    def back_up(self, case: str, row: old_rows.Row) -> str:
        storage = self.tenant.connection.block_storage
        return str(
            storage.create_backup(
                volume_id=self.volumes[case],
                is_incremental=bool(row["incremental"]),
                force=True,
                name=f"{case} of 2.x",
            ).id
        )

    def break_it(self, backup_id: str) -> None:
        """What 2.x meant to remove was of no use: Cinder shows an error."""
        answer = self.sandbox.admin.block_storage.post(
            f"/backups/{backup_id}/action",
            json={"os-reset_status": {"status": "error"}},
        )
        answer.raise_for_status()

    def wait_until_available(self, backup_id: str) -> None:
        storage = self.tenant.connection.block_storage
        wait_for(
            f"backup {backup_id}",
            lambda: storage.get_backup(backup_id).status == "available",
        )

    def put_in_place(self, deployment: base.Deployment) -> None:
        """The sample, with real ids, and only the rows of these volumes."""
        path = deployment.database.removeprefix("sqlite:///")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                (deployment.directory / f"staffeln.sqlite{suffix}").unlink()
        shutil.copy(old_release.SAMPLES / "head.sqlite", path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            kept = [volume.id for volume in self.old.values()]
            marks = ", ".join("?" * len(kept))
            for table in ("backup_data", "queue_data"):
                connection.execute(
                    f"DELETE FROM {table} WHERE volume_id NOT IN ({marks})",
                    kept,
                )
                for column in (
                    "volume_id",
                    "instance_id",
                    "project_id",
                    "backup_id",
                ):
                    connection.executemany(
                        f"UPDATE {table} SET {column} = ? WHERE {column} = ?",
                        [(new, old) for old, new in self.ids.items()],
                    )
            connection.commit()

    # -- the upgrade, and what follows ---------------------------------------

    def test_a_sample_is_upgraded_and_a_cycle_goes_on_with_it(self) -> None:
        self.plant()
        deployment = self.deployment(
            conductor={
                "full_backup_depth": DEPTH,
                "retention_time": "100y",
                "backup_cycle_timout": "1d",
            },
            database={"mysql_engine": "InnoDB"},
        )
        self.put_in_place(deployment)
        self.run_command(deployment, "db_manage", "rehearse")
        self.assertEqual(
            2, deployment.run("status", "upgrade", "check").returncode
        )
        said = self.run_command(deployment, "db_manage", "upgrade", "head")
        self.assertIn("interrupted by the upgrade", said)
        checked = deployment.run("status", "upgrade", "check")
        # Names of 2.x are named, and all else is well.
        self.assertEqual(1, checked.returncode, checked.stdout)
        self.assertNotIn("Failure", checked.stdout)
        deployment.start()
        for case, volume in self.old.items():
            self.assert_goes_on(deployment, case, volume)
        unwanted = self.unwanted()
        self.wait_until(
            "what 2.x meant to remove is removed",
            lambda: not unwanted & self.in_cinder(),
        )
        self.assertEqual(0, deployment.stop())
        self.assert_nothing_lost(deployment, unwanted)
        self.assert_goes_back(deployment)

    def run_command(self, deployment: base.Deployment, *words: str) -> str:
        done = deployment.run(*words)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def assert_goes_on(
        self,
        deployment: base.Deployment,
        case: str,
        volume: old_rows.OldVolume,
    ) -> None:
        """A running one is followed; else the next one is as it should be."""
        if volume.runs and volume.queued:
            followed = self.ids[volume.queued["backup_id"]]
            self.wait_until(
                f"the backup of {case} that ran is followed to its end",
                # Its task goes as soon as it was reported.
                lambda: any(
                    row["id"] == followed and row["state"] == "available"
                    for row in deployment.show("backup", "list")
                ),
            )
            # Made a moment ago, as Cinder shows: none is due.
            return
        self.assertEqual(
            volume.wants_incremental(DEPTH),
            self.wait_for_new(case)["is_incremental"],
            f"{case}: {CASES[case]}",
        )

    def wait_for_new(self, case: str) -> dict[str, object]:
        """The backup that this release made of a volume."""

        def look() -> dict[str, object] | None:
            found = [
                each
                for each in self.backups_of(self.volumes[case])
                if each["id"] not in self.before
                and each["status"] == "available"
            ]
            self.assertLess(len(found), 2)
            return found[0] if found else None

        return wait_for(f"a new backup of {case}", look)

    def in_cinder(self) -> set[str]:
        return {
            each["id"]
            for made in self.volumes.values()
            for each in self.backups_of(made)
        }

    def unwanted(self) -> set[str]:
        return {
            self.ids[row["backup_id"]]
            for volume in self.old.values()
            for row in volume.backups
            if row["backup_completed"] == 0 and row["backup_id"] in self.ids
        }

    def assert_nothing_lost(
        self, deployment: base.Deployment, unwanted: set[str]
    ) -> None:
        left = self.in_cinder()
        planted = {
            self.ids[row["backup_id"]]
            for volume in self.old.values()
            for row in _to_make(volume)
        }
        self.assertEqual(planted - unwanted, planted & left)
        self.assertEqual(
            left, {row["id"] for row in deployment.show("backup", "list")}
        )
        due = sum(not volume.runs for volume in self.old.values())
        self.assertEqual(due, len(left - planted))

    def assert_goes_back(self, deployment: base.Deployment) -> None:
        """Into tables that a reader of the old schema understands."""
        self.run_command(deployment, "db_manage", "export-2x")
        with contextlib.closing(deployment.connect()) as connection:
            found = dict(
                connection.execute(
                    "SELECT backup_id, backup_completed FROM backup_data"
                ).fetchall()
            )
        self.assertEqual(dict.fromkeys(self.in_cinder(), 1), found)


def _to_make(volume: old_rows.OldVolume) -> list[old_rows.Row]:
    """The backups that Cinder has of it, oldest first."""
    rows = list(volume.backups)
    if volume.runs and volume.queued:
        rows.append(volume.queued)
    return rows
