# SPDX-License-Identifier: Apache-2.0
"""What is in Cinder is what the oracle says, at every observation."""

from __future__ import annotations

import dataclasses
import datetime
import signal
import threading
from collections.abc import Iterable

from staffeln.tests import oracle
from staffeln.tests.integration import base

RETENTION_KEY = "__staffeln_retention"
UNREADABLE = "forever"
SHORT, DEFAULT = 15, 25
"""Seconds."""
VALUES = {
    "short": (None, f"{SHORT}s"),
    "none": (None, None),
    "broken": (UNREADABLE, UNREADABLE),
    "broken later": ("10min", UNREADABLE),
}
"""Of each server, what it says at first and what it says after that."""
PATIENCE = datetime.timedelta(minutes=2)
"""Until what has expired has to be gone, however slow the machine is."""

OPTIONS: dict[str, object] = {
    "full_backup_depth": 1,
    "retention_time": "30d",
    "retention_shortening_grace": "0s",
    "retention_keep_last": 1,
    "retention_service_period": 1,
    "backup_service_period": 1,
    "failure_backoff": "1s",
}


class OracleTest(base.IntegrationTestCase):
    def test_what_is_left_is_what_the_oracle_says(self) -> None:
        tenant = self.sandbox.project(self.key)
        volumes = {name: tenant.volume(name) for name in VALUES}
        servers = {}
        for name, (first, _) in VALUES.items():
            told = {} if first is None else {RETENTION_KEY: first}
            servers[name] = tenant.server(
                name, volumes[name], metadata={**self.tag, **told}
            )
        conductor = self.deployment(
            conductor={**OPTIONS, "backup_min_interval": 0}
        )
        conductor.start()
        for volume in volumes.values():
            self.wait_for_backups(volume, "full", "incremental", "full")
        conductor.come_to_rest(self._options())
        for name, (first, second) in VALUES.items():
            if second is not None and second != first:
                tenant.tag(servers[name], **{RETENTION_KEY: second})
        conductor.configure(self._options(retention_time=f"{DEFAULT}s"))
        world = oracle.World(
            backups=tuple(self._backups(volumes, servers)), observations=()
        )
        world = self._observed(world, servers, keep_last=1)
        conductor.start()
        self._watch(world, self._all_expired(world))
        conductor.configure(
            self._options(retention_time=f"{DEFAULT}s", retention_keep_last=0)
        )
        world = self._observed(world, servers, keep_last=0)
        conductor.signal(signal.SIGHUP)
        left = self._watch(world, _now())
        self.assertEqual(
            {
                each.id
                for each in world.backups
                if each.server_id == servers["broken later"]
            },
            left,
        )

    def _options(self, **options: object) -> dict[str, dict[str, object]]:
        return {
            "conductor": {
                "backup_metadata_key": self.key,
                **OPTIONS,
                **options,
            }
        }

    def _backups(
        self, volumes: dict[str, str], servers: dict[str, str]
    ) -> Iterable[oracle.Backup]:
        for name, volume in volumes.items():
            for each in self.backups_of(volume):
                yield oracle.Backup(
                    id=each["id"],
                    volume_id=volume,
                    project_id=each["os-backup-project-attr:project_id"],
                    server_id=servers[name],
                    created_at=datetime.datetime.fromisoformat(
                        each["created_at"]
                    ),
                    incremental=each["is_incremental"],
                    promised=VALUES[name][0],
                )

    def _observed(
        self, world: oracle.World, servers: dict[str, str], keep_last: int
    ) -> oracle.World:
        """The world with what is to be seen in it from now on."""
        seen = oracle.Observation(
            at=_now(),
            options=oracle.Options(
                retention_time=f"{DEFAULT}s",
                keep_last=keep_last,
                grace=datetime.timedelta(0),
            ),
            values={
                servers[name]: second for name, (_, second) in VALUES.items()
            },
            selected=frozenset(each.volume_id for each in world.backups),
        )
        return dataclasses.replace(
            world, observations=(*world.observations, seen)
        )

    def _all_expired(self, world: oracle.World) -> datetime.datetime:
        """When all of the short times are over, and a little more."""
        youngest = max(each.created_at for each in world.backups)
        return youngest + datetime.timedelta(seconds=DEFAULT + 5)

    def _watch(
        self, world: oracle.World, until: datetime.datetime
    ) -> set[str]:
        """See nothing go too early; what is left when all has gone.

        :param until: when the last of it expires.
        """
        volumes = {each.volume_id for each in world.backups}
        while True:
            there = {
                each["id"]
                for volume in volumes
                for each in self.backups_of(volume)
            }
            now = _now()
            stay = oracle.to_stay(world, now)
            self.assertEqual(set(), stay - there, "deleted too early")
            if now >= until and there == stay:
                return there
            self.assertLess(now, until + PATIENCE, "not deleted")
            threading.Event().wait(0.5)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
