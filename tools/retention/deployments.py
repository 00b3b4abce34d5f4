# SPDX-License-Identifier: Apache-2.0
"""The deployments that are watched, and what is done to them."""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import uuid
from collections.abc import Callable

import openstack

from sandbox.scenery import Sandbox, Tenant
from staffeln.tests import oracle
from staffeln.tests.integration.base import Deployment

RETENTION_KEY = "__staffeln_retention"
VALUES: tuple[str | None, ...] = ("20s", "2min", None, "soon")
"""What the servers say; the last one is no duration."""
RETENTION_TIME = "45s"
UNTIL_READ = datetime.timedelta(seconds=6)
"""Within that a longer value is read, surely, by a round."""

PLANTS = {
    "order": "STAFFELN_PLANT_ORDER",
    "keep-last": "STAFFELN_PLANT_KEEP_LAST",
    "expiry": "STAFFELN_PLANT_EXPIRY",
}
"""Rules that can be broken, with the variable that says so."""

_SITE = pathlib.Path(__file__).parent / "planted"


class Scene:
    """A deployment with its servers, and all that was ever said in it."""

    def __init__(
        self,
        cloud: Sandbox,
        tenant: Tenant,
        folder: pathlib.Path,
        depth: int,
        options: oracle.Options,
        plant: str | None,
    ) -> None:
        self.name = f"depth {depth}, keep {options.keep_last}"
        self.tenant = tenant
        self.options = options
        self.key = f"backup-{uuid.uuid4().hex[:8]}"
        self.volumes: dict[str, str] = {}
        """Servers by their volumes."""
        self.values: dict[str, str | None] = {}
        """What each server says now."""
        self._servers: dict[str | None, str] = {}
        self._own = self._unwanted = ""
        """A user's backup; and the same when it is to be deleted."""
        self._pending: tuple[datetime.datetime, str, str | None] | None = None
        self.changes: list[oracle.Observation] = []
        folder.mkdir()
        self.deployment = Deployment(
            folder,
            cloud.clouds_file,
            {
                "conductor": {
                    "backup_metadata_key": self.key,
                    "full_backup_depth": depth,
                    "backup_min_interval": 15,
                    "retention_time": options.retention_time,
                    "retention_keep_last": options.keep_last,
                    "retention_shortening_grace": (
                        f"{int(options.grace.total_seconds())}s"
                    ),
                    "max_running_backups": 4,
                }
            },
            _planted(plant),
        )
        self.deployment.create_schema()
        for value in VALUES:
            self._add_server(value)

    def _add_server(self, value: str | None) -> None:
        volume = self.tenant.volume(f"{value}", random_mebibytes=1)
        told = {} if value is None else {RETENTION_KEY: value}
        server = self.tenant.server(
            f"{value}", volume, metadata={self.key: "true", **told}
        )
        self.volumes[volume] = server
        self.values[server] = value
        self._servers[value] = server

    def observation(self) -> oracle.Observation:
        """What a round would see at this moment."""
        return oracle.Observation(
            at=now(),
            options=self.options,
            values=dict(self.values),
            selected=frozenset(self.volumes),
        )

    def says(self, before: str, after: str | None) -> Callable[[], None]:
        """The server that said one thing is to say another.

        What becomes longer counts when it was surely read, what becomes
        shorter from now on.
        """

        def change() -> None:
            server = self._servers[before]
            longer = (before, after) == ("20s", "2min")
            if not longer:
                self._note(server, after)
            if after is None:
                self.tenant.connection.compute.delete_server_metadata(
                    server, [RETENTION_KEY]
                )
            else:
                self.tenant.tag(server, **{RETENTION_KEY: after})
            if longer:
                self._pending = (now() + UNTIL_READ, server, after)

        return change

    def take_over(self) -> None:
        """Let what became longer count once it was surely read."""
        if self._pending and self._pending[0] <= now():
            self._note(self._pending[1], self._pending[2])
            self._pending = None
        if self._unwanted:
            # Refused while one of ours builds on it: tried again.
            with contextlib.suppress(openstack.exceptions.HttpException):
                self.tenant.connection.block_storage.delete_backup(
                    self._unwanted
                )

    def _note(self, server: str, value: str | None) -> None:
        self.changes.append(self.observation())
        self.values[server] = value
        self.changes.append(self.observation())

    def own_incremental(self) -> Callable[[], None]:
        """The project's member makes an incremental of their own."""

        def make() -> None:
            volume = next(
                volume
                for volume, server in self.volumes.items()
                if server == self._servers["20s"]
            )
            # The volume may be backed up at this moment: then there is none.
            with contextlib.suppress(openstack.exceptions.HttpException):
                made = self.tenant.connection.block_storage.create_backup(
                    volume_id=volume,
                    name="my own",
                    is_incremental=True,
                    force=True,
                )
                self._own = str(made.id)

        return make

    def forget_own(self) -> Callable[[], None]:
        """The member deletes it again."""

        def delete() -> None:
            self._unwanted = self._own

        return delete

    def end(self) -> None:
        """Stop the conductor."""
        self.deployment.kill()


def begin(
    cloud: Sandbox, folder: pathlib.Path, plant: str | None
) -> list[Scene]:
    """All deployments, with their conductors started."""
    tenant = cloud.project(f"watched-{uuid.uuid4().hex[:8]}")
    cloud.admin.block_storage.update_quota_set(
        tenant.id, backups=-1, backup_gigabytes=-1
    )
    scenes = []
    for depth in (2, 4):
        for grace, keep_last in ((0, 0), (7, 1)):
            options = oracle.Options(
                retention_time=RETENTION_TIME,
                keep_last=keep_last,
                grace=datetime.timedelta(days=grace),
            )
            place = folder / f"{depth}-{keep_last}"
            scenes.append(Scene(cloud, tenant, place, depth, options, plant))
    for scene in scenes:
        scene.deployment.start()
    return scenes


def _planted(plant: str | None) -> dict[str, str]:
    if plant is None:
        return {}
    root = pathlib.Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(_SITE), str(root)])
    return {"PYTHONPATH": path, PLANTS[plant]: "1"}


def now() -> datetime.datetime:
    """UTC without a zone."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
