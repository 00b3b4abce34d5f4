# SPDX-License-Identifier: Apache-2.0
"""Retention on a real Cinder: chains, servers' values, refusals."""

from __future__ import annotations

from staffeln.tests.integration import base

FULL, INCREMENTAL = "full", "incremental"
AT_ONCE = {
    "retention_time": "1s",
    "retention_shortening_grace": "0s",
    "retention_keep_last": 0,
    "backup_min_interval": 3600,
    "failure_backoff": "1s",
}
"""What was made before is expired, and nothing more is made."""


class RetentionTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tenant = self.sandbox.project(self.key)

    def _chain(
        self, conductor: base.Deployment, *modes: str
    ) -> tuple[str, list[str]]:
        """A volume with these backups, and their ids, oldest first."""
        volume = self.tenant.volume("v", random_mebibytes=1)
        self.tenant.server("s", volume, metadata=self.tag)
        conductor.start()
        made = self.wait_for_backups(volume, *modes)
        conductor.stop()
        conductor.show("pause", "backups")
        return volume, [each["id"] for each in made]

    def test_a_chain_that_expires_at_once_is_gone_in_one_cycle(self) -> None:
        conductor = self.deployment(
            conductor={"full_backup_depth": 4, "backup_min_interval": 0}
        )
        volume, _ = self._chain(conductor, FULL, *[INCREMENTAL] * 4)
        conductor.configure(
            {
                "conductor": {
                    "backup_metadata_key": self.key,
                    "retention_service_period": 600,
                    **AT_ONCE,
                }
            }
        )
        conductor.start()
        self.wait_until_gone(conductor, volume)
