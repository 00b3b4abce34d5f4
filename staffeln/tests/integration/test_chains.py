# SPDX-License-Identifier: Apache-2.0
"""Full or incremental: chains on a real Cinder."""

from __future__ import annotations

from staffeln.tests.integration import base

FULL, INCREMENTAL = "full", "incremental"


class ChainTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tenant = self.sandbox.project(self.key)

    def _tagged_volume(self, key: str) -> str:
        volume = self.tenant.volume("v", random_mebibytes=1)
        self.tenant.server("s", volume, metadata={key: "true"})
        return volume

    def test_each_full_is_followed_by_at_most_depth_incrementals(self) -> None:
        wanted = {
            0: (FULL, FULL, FULL),
            1: (FULL, INCREMENTAL, FULL, INCREMENTAL),
            2: (FULL, INCREMENTAL, INCREMENTAL, FULL),
        }
        volumes = {}
        for depth in wanted:
            key = f"{self.key}-{depth}"
            volumes[depth] = self._tagged_volume(key)
            self.deployment(
                conductor={
                    "backup_metadata_key": key,
                    "full_backup_depth": depth,
                    "backup_min_interval": 0,
                }
            ).start()
        for depth, modes in wanted.items():
            self.wait_for_backups(volumes[depth], *modes)

    def test_no_backup_before_the_minimum_interval_has_passed(self) -> None:
        volume = self._tagged_volume(self.key)
        conductor = self.deployment(conductor={"backup_min_interval": 3600})
        conductor.start()
        self.wait_for_backups(volume, FULL)
        self.wait_for_task(conductor, "succeeded", volume)
        self.wait_for_log(conductor, r"0 to back up .* 1 not due", times=2)
        self.assertEqual(1, len(self.backups_of(volume)))
        (decision,) = conductor.show("plan")
        self.assertIn("younger than the minimum interval", decision["reason"])

    def test_an_incremental_that_cinder_refuses_is_made_full(self) -> None:
        volume = self._tagged_volume(self.key)
        conductor = self.deployment()
        conductor.start()
        (first,) = self.wait_for_backups(volume, FULL)
        self.wait_for_task(conductor, "succeeded", volume)
        conductor.stop()
        self.delete_all_backups(volume)
        options = {"backup_metadata_key": self.key, "backup_min_interval": 5}
        conductor.configure({"conductor": options})
        conductor.start()
        second = self.wait_for_backups(volume, FULL)[0]
        self.assertNotEqual(first["id"], second["id"])
        self.wait_for_log(
            conductor, "full instead of incremental: Cinder refused it"
        )

    def test_an_incremental_that_fails_later_is_made_full(self) -> None:
        volume = self._tagged_volume(self.key)
        self.fault(
            "--only", INCREMENTAL, "--volume", volume, "--fail", "disk on fire"
        )
        conductor = self.deployment(
            conductor={"backup_min_interval": 0, "full_backup_depth": 5}
        )
        conductor.start()
        self.wait_for_backups(volume, FULL, FULL, FULL, FULL)
        log = conductor.log()
        self.assertIn("full instead of incremental", log)
        self.assertIn("disk on fire", log)
        self.assertIn("incrementals in a row failed, full only until", log)
        self.assertEqual(2, log.count("full instead of incremental"))
        self.wait_until(
            "failed incrementals are removed from Cinder",
            lambda: all(
                each["status"] != "error" for each in self.backups_of(volume)
            ),
        )
