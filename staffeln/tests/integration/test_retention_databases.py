# SPDX-License-Identifier: Apache-2.0
"""Two databases of one deployment: a copy beside it, an old one restored."""

from __future__ import annotations

import datetime

from staffeln.tests.integration import base

RETENTION_KEY = "__staffeln_retention"

PLAIN: dict[str, object] = {
    "backup_service_period": 1,
    "backup_min_interval": 3600,
    "full_backup_depth": 20,
    "retention_time": "30d",
    "retention_shortening_grace": "0s",
    "retention_keep_last": 0,
    "retention_service_period": 1,
    "failure_backoff": "1s",
    "failure_backoff_max": "1s",
    "reconciliation_period": 1,
}


class DatabaseTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tenant = self.sandbox.project(self.key)

    def test_a_deployment_on_a_copy_deletes_nothing_of_the_other(self) -> None:
        """What the first one made since then, the second does not know."""
        volume, server = self._volume()
        first = self.deployment(conductor=PLAIN)
        self._make(first, {volume: 2})
        known = self.backups_of(volume)
        second = self.deployment(copy_of=first, conductor=PLAIN)
        self._make(first, {volume: len(known) + 1})
        kept = {each["id"] for each in self.backups_of(volume)}
        newest = datetime.datetime.fromisoformat(known[-1]["created_at"])
        age = _now() - newest
        self.tenant.tag(
            server, **{RETENTION_KEY: f"{int(age.total_seconds()) + 1}s"}
        )
        unknown = self.backups_of(volume)[len(known)]["id"]
        first.start()
        second.start()
        self.wait_for_log(second, rf"held by backup {unknown}")
        self.assertEqual(kept, self._there(volume))
        for each in (first, second):
            self.wait_until(
                "what expired is gone, whoever deleted it",
                lambda each=each: (  # type: ignore[misc]
                    not self._there(volume)
                    and not self._rows(each, volume, "available", "deleting")
                ),
            )

    def test_an_old_database_costs_nothing_that_was_made_since(self) -> None:
        kept, _ = self._volume()
        gone, server = self._volume()
        later = self.deployment(conductor=PLAIN)
        self._make(later, {kept: 2, gone: 2})
        earlier = self.deployment(copy_of=later, conductor=PLAIN)
        self.tenant.tag(server, **{RETENTION_KEY: "1s"})
        later.start()
        self.wait_until_gone(later, gone)
        later.kill()
        compute = self.tenant.connection.compute
        compute.delete_server_metadata(server, [RETENTION_KEY, self.key])
        self._make(later, {kept: len(self.backups_of(kept)) + 1})
        there = self._there(kept)
        lost = self._rows(earlier, gone, "available")
        self.assertTrue(lost)
        earlier.start()
        self.wait_for_log(
            earlier, r"0 adopted, 0 back again, [1-9]\d* too young"
        )
        self.wait_until(
            "what is gone has vanished",
            lambda: self._rows(earlier, gone, "vanished") == lost,
        )
        self.assertEqual(there, self._there(kept))
        self.assertLess(self._rows(earlier, kept, "available"), there)
        earlier.kill()
        earlier.configure(
            {
                "conductor": {
                    **PLAIN,
                    "backup_metadata_key": self.key,
                    "orphan_settle_time": "5s",
                }
            }
        )
        earlier.start()
        self.wait_until(
            "the others are adopted",
            lambda: self._rows(earlier, kept, "available") == there,
        )
        self.assertEqual(there, self._there(kept))

    def _volume(self) -> tuple[str, str]:
        """A volume with its server."""
        volume = self.tenant.volume("v", random_mebibytes=1)
        return volume, self.tenant.server("s", volume, metadata=self.tag)

    def _make(
        self, conductor: base.Deployment, wanted: dict[str, int]
    ) -> None:
        """Let it make so many backups at least, and leave it at rest."""
        options = {**PLAIN, "backup_metadata_key": self.key}
        conductor.configure(
            {"conductor": {**options, "backup_min_interval": 0}}
        )
        conductor.run("cli", "resume", "backups")
        conductor.start()
        for volume, count in wanted.items():
            self.wait_until(
                f"{count} backups of {volume}",
                lambda volume=volume, count=count: (  # type: ignore[misc]
                    len(self.backups_of(volume)) >= count
                ),
            )
        conductor.come_to_rest({"conductor": options})

    def _there(self, volume: str) -> set[str]:
        return {each["id"] for each in self.backups_of(volume)}

    def _rows(
        self, conductor: base.Deployment, volume: str, *states: str
    ) -> set[str]:
        return {
            each["id"]
            for each in conductor.show("backup", "list", "--volume", volume)
            if each["state"] in states
        }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
