# SPDX-License-Identifier: Apache-2.0
"""Backups that fail: the reason is told, and nothing stays behind."""

from __future__ import annotations

from staffeln.tests.integration import base


class FailureTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tenant = self.sandbox.project(self.key)

    def _tagged_volume(self, size: int = 1) -> str:
        volume = self.tenant.volume("v", size=size)
        self.tenant.server("s", volume, metadata=self.tag)
        return volume

    def test_an_error_of_the_driver_is_told_and_cleaned_up(self) -> None:
        volume = self._tagged_volume()
        self.fault("--volume", volume, "--fail", "disk on fire")
        conductor = self.deployment(conductor={"failure_backoff": "1h"})
        conductor.start()
        task = self.wait_for_task(conductor, "failed", volume)
        self.assertIn("disk on fire", task["reason"])
        self.wait_until_gone(conductor, volume)
        (waiting,) = conductor.show("plan")
        self.assertIn("failed, next try at", waiting["reason"])

    def test_over_quota_the_larger_volumes_are_skipped(self) -> None:
        small = self._tagged_volume()
        large = [self._tagged_volume(size=2) for _ in range(3)]
        self.sandbox.admin.block_storage.update_quota_set(
            self.tenant.id, backup_gigabytes=1
        )
        conductor = self.deployment(
            conductor={"failure_backoff": "1h", "backup_workers": 1}
        )
        conductor.start()
        self.wait_for_backups(small, "full")
        self.wait_for_log(
            conductor, r"is over quota: skipped \d other planned volume"
        )
        failed = conductor.show("task", "list", "--state", "failed")
        self.assertIn("over quota", failed[0]["reason"])
        self.assertIn(failed[0]["volume_id"], large)
        posts = sum(len(self.backups_of(volume)) for volume in large)
        self.assertEqual(0, posts)

    def test_a_backup_that_times_out_is_removed_once_cinder_allows(
        self,
    ) -> None:
        volume = self._tagged_volume()
        self.fault("--volume", volume, "--delay", "15")
        conductor = self.deployment(
            conductor={"backup_cycle_timout": "5s", "failure_backoff": "3s"}
        )
        conductor.start()
        task = self.wait_for_task(conductor, "failed", volume)
        self.assertIn("timed out: still creating after 5s", task["reason"])
        (backup,) = self.backups_of(volume)
        self.assertEqual("creating", backup["status"])
        (row,) = conductor.show("backup", "list", "--volume", volume)
        self.assertEqual("unwanted", row["state"])
        self.heal()
        self.wait_until(
            "the backup that timed out is removed",
            lambda: (
                backup["id"]
                not in {each["id"] for each in self.backups_of(volume)}
            ),
        )

    def test_a_volume_deleted_under_its_backup_fails_its_task(self) -> None:
        """Cinder leaves such a backup creating until it is restarted."""
        volume = self._tagged_volume()
        self.fault("--volume", volume, "--delay", "4")
        conductor = self.deployment(
            conductor={"backup_cycle_timout": "8s", "failure_backoff": "1s"}
        )
        conductor.start()
        self.wait_for_task(conductor, "running", volume)
        self.sandbox.vanish(volume)
        task = self.wait_for_task(conductor, "failed", volume)
        self.assertIn("timed out: still creating", task["reason"])
        self.wait_for_log(conductor, "planned: .*next try at", times=2)
        self.restart_cinder()
        self.wait_until_gone(conductor, volume)
        self.assertNotIn("Traceback", conductor.log())

    def test_a_missing_role_fails_that_project_only(self) -> None:
        foreign = self.sandbox.project(f"f-{self.key}", service_role=False)
        lost = foreign.volume("lost")
        foreign.server("lost", lost, metadata=self.tag)
        volume = self._tagged_volume()
        conductor = self.deployment()
        conductor.start()
        self.wait_for_backups(volume, "full")
        task = self.wait_for_task(conductor, "failed", lost)
        self.assertIn("no role in project", task["reason"])
        self.assertIn(foreign.id, task["reason"])

    def test_a_volume_in_an_odd_state_fails_once(self) -> None:
        volume = self._tagged_volume()
        self.sandbox.admin.block_storage.reset_volume_status(
            volume, "error", "attached", None
        )
        conductor = self.deployment()
        conductor.start()
        task = self.wait_for_task(conductor, "failed", volume)
        self.assertEqual(f"volume {volume} is in error status", task["reason"])
        self.wait_for_log(conductor, r"Plan in .* 0 failed at once", times=2)
        tasks = conductor.show("task", "list", "--volume", volume)
        self.assertEqual(1, len(tasks))
