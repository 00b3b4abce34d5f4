# SPDX-License-Identifier: Apache-2.0
"""The main job: tagged volumes, full, then incremental, bytes equal."""

from __future__ import annotations

from staffeln.tests.integration import base


class MainJobTest(base.IntegrationTestCase):
    def test_restored_bytes_are_those_that_were_backed_up(self) -> None:
        tenant = self.sandbox.project(self.key)
        root = tenant.volume("root", random_mebibytes=3)
        data = tenant.volume("data", random_mebibytes=3)
        tenant.server("web", root, data, metadata=self.tag)
        checksum = {"full": self.sandbox.sha256(data)}
        conductor = self.deployment(conductor={"backup_min_interval": 20})
        conductor.start()
        self.wait_for_backups(root, "full")
        self.wait_for_backups(data, "full")
        self.sandbox.scribble(data, 1, at=500)
        checksum["incremental"] = self.sandbox.sha256(data)
        full, incremental = self.wait_for_backups(data, "full", "incremental")
        self.assertEqual(0, conductor.stop())

        for backup in (full, incremental):
            mode = "incremental" if backup["is_incremental"] else "full"
            restored = self.sandbox.restore(backup["id"], mode)
            self.assertEqual(checksum[mode], self.sandbox.sha256(restored))
        self.assertEqual(tenant.id, full["os-backup-project-attr:project_id"])
        visible = {
            each.id for each in tenant.connection.block_storage.backups()
        }
        self.assertLessEqual({full["id"], incremental["id"]}, visible)

    def test_a_volume_of_two_servers_is_backed_up_once(self) -> None:
        tenant = self.sandbox.project(self.key)
        shared = tenant.volume("shared", volume_type="multiattach")
        first = tenant.server("a", tenant.volume(), shared, metadata=self.tag)
        second = tenant.server("b", tenant.volume(), metadata=self.tag)
        tenant.attach(second, shared)
        conductor = self.deployment()
        conductor.start()
        (backup,) = self.wait_for_backups(shared, "full")
        lowest = "a" if first < second else "b"
        self.assertRegex(backup["name"], f"^{lowest}_shared_[0-9TZ]+$")
        task = self.wait_for_task(conductor, "succeeded", shared)
        self.assertEqual(0, conductor.stop())
        self.assertEqual(1, len(self.backups_of(shared)))
        self.assertIn("full backup", task["reason"])

    def test_backups_are_found_by_their_metadata(self) -> None:
        tenant = self.sandbox.project(self.key)
        volume = tenant.volume("v")
        tenant.server("s", volume, metadata=self.tag)
        conductor = self.deployment()
        conductor.start()
        (backup,) = self.wait_for_backups(volume, "full")
        task = self.wait_for_task(conductor, "succeeded", volume)
        self.assertEqual(task["id"], backup["metadata"]["staffeln_task"])
        self.assertEqual("1", backup["metadata"]["staffeln_attempt"])
        self.assertIn("staffeln_deployment", backup["metadata"])
