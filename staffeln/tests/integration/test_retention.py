# SPDX-License-Identifier: Apache-2.0
"""Retention on a real Cinder: chains, servers' values, refusals."""

from __future__ import annotations

import os
import random
import threading

from testtools import content

from staffeln.tests.integration import base
from staffeln.tests.integration.proxy import Proxy

KILLS = 10

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

    def test_a_users_own_incremental_holds_what_it_builds_on(self) -> None:
        volume = self.tenant.volume("v", random_mebibytes=1)
        self.tenant.server("s", volume, metadata=self.tag)
        conductor = self.deployment(
            conductor={"full_backup_depth": 1, "backup_min_interval": 0}
        )
        conductor.start()
        self.wait_for_backups(volume, FULL, INCREMENTAL, FULL)
        conductor.come_to_rest(self._expired())
        made = self.backups_of(volume)
        last_full = max(
            number
            for number, each in enumerate(made)
            if not each["is_incremental"]
        )
        storage = self.tenant.connection.block_storage
        own = storage.create_backup(
            volume_id=volume, is_incremental=True, force=True, name="mine"
        ).id
        self.wait_until(
            "the user's own backup is available",
            lambda: storage.get_backup(own).status == "available",
        )
        held = [each["id"] for each in made[last_full:]]
        conductor.configure(self._expired(retention_time="1s"))
        conductor.start()
        self.wait_for_log(conductor, f"{held[-1]} is not gone: .*held by")
        self.wait_until(
            "all others are gone",
            lambda: self._ids(volume) == {*held, own},
        )
        # Cinder is done with a backup a moment before its row is gone.
        self.wait_until(
            "nothing else is to be deleted",
            lambda: set(held) == self._to_be_deleted(conductor).keys(),
        )
        # Between two tries it says so, and during one that it is under way.
        self.wait_until(
            "the plan says what holds them",
            lambda: (
                f"held by backup {own}"
                in self._to_be_deleted(conductor).get(held[-1], "")
            ),
        )
        self.assertIn(f"held by backup {own}", conductor.log())
        self.assertEqual({*held, own}, self._ids(volume))
        storage.delete_backup(own)
        self.wait_until_gone(conductor, volume)

    def test_killed_ten_times_while_it_deletes(self) -> None:
        """Nothing extra is deleted, and nothing is forgotten."""
        seed = os.environ.get("STAFFELN_SEED", "4")
        dice = random.Random(seed)
        self.addDetail("seed", content.text_content(seed))
        kept = self.tenant.volume("kept")
        self.tenant.server(
            "kept", kept, metadata={**self.tag, "__staffeln_retention": "1y"}
        )
        gone = [self.tenant.volume(f"v{number}") for number in range(4)]
        self.tenant.server("s", *gone, metadata=self.tag)
        proxy = self.enterContext(Proxy())
        conductor = self.deployment(
            {"http_proxy": proxy.url, "no_proxy": ""},
            conductor={"full_backup_depth": 20, "backup_min_interval": 0},
        )
        conductor.start()
        for volume in (kept, *gone):
            self.wait_for_backups(volume, FULL, *[INCREMENTAL] * 3)
        conductor.come_to_rest(self._expired())
        stays = self._ids(kept)
        conductor.configure(
            self._expired(
                retention_time="1s",
                max_running_deletes=2,
                heartbeat_timeout="1s",
            )
        )
        hits = 0
        for _ in range(KILLS):
            proxy.forget()
            conductor.start()
            self.wait_until(
                "it deletes, or all is gone",
                lambda: (
                    proxy.calls("DELETE")
                    or not any(self._ids(volume) for volume in gone)
                ),
            )
            hits += bool(proxy.calls("DELETE"))
            threading.Event().wait(dice.uniform(0, 1))
            conductor.kill()
            self.assertEqual(stays, self._ids(kept))
        self.assertGreater(hits, KILLS / 2)
        conductor.start()
        # Killed between Cinder's yes and its record, nobody knows that the
        # delete was accepted: such a row stays for a while, as vanished.
        self.wait_until(
            "all others are gone",
            lambda: (
                not any(self._ids(volume) for volume in gone)
                and stays
                == {
                    each["id"]
                    for each in conductor.show("backup", "list")
                    if each["state"] != "vanished"
                }
            ),
        )
        self.assertEqual(stays, self._ids(kept))
        self.assertEqual([], conductor.show("plan", "--action", "delete"))

    @staticmethod
    def _to_be_deleted(conductor: base.Deployment) -> dict[str, str]:
        """Why, by the backup's id."""
        return {
            each["backup_id"]: each["reason"]
            for each in conductor.show("plan", "--action", "delete")
        }

    def _expired(self, **options: object) -> dict[str, dict[str, object]]:
        """Options by which nothing more is made, and grace is none."""
        return {
            "conductor": {
                **AT_ONCE,
                "backup_metadata_key": self.key,
                "retention_time": "30d",
                "failure_backoff_max": "1s",
                "retention_service_period": 1,
                **options,
            }
        }

    def _ids(self, volume_id: str) -> set[str]:
        return {each["id"] for each in self.backups_of(volume_id)}
