# SPDX-License-Identifier: Apache-2.0
"""The scene of the demo: a cloud with projects, servers and volumes."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable

from sandbox.scenery import CLOUD, Sandbox, SceneryError, Tenant

NAME = "demo"
TAG = {"__staffeln_backup": "true"}


@dataclasses.dataclass
class Disk:
    """A volume of the scene and what is known of it."""

    id: str
    name: str
    project: str
    servers: str
    expected: str
    """What should become of it, or why nothing should."""
    checksums: dict[str, str] = dataclasses.field(default_factory=dict)
    """sha256 of the volume's bytes at the time of each mode's backup."""
    changed_at: str = ""
    backups: dict[str, str] = dataclasses.field(default_factory=dict)
    """The backup of each mode that is to be restored."""


def cloud(action: str) -> None:
    """Let ``sandbox/cloud`` do something; it tells by itself what it does.

    :raises SceneryError: it failed, and has said why.
    """
    with subprocess.Popen([str(CLOUD), action, "--name", NAME]) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # Asked politely it stops what it has started.
            process.terminate()
            process.wait()
            raise
    if code:
        raise SceneryError(f"sandbox/cloud {action} failed")


class Scene:
    """Makes what is to be backed up, and what is not."""

    def __init__(self, sandbox: Sandbox, say: Callable[[str], None]) -> None:
        self._sandbox = sandbox
        self._say = say
        self.disks: list[Disk] = []

    def make(self) -> None:
        """Two projects with servers, and volumes with random bytes."""
        say = self._say
        apples = self._sandbox.project("apples")
        pears = self._sandbox.project("pears")
        say("projects apples and pears, one member each")
        backed_up = "full, then incremental"
        root = self._disk(apples, "web-root", "web", backed_up)
        data = self._disk(apples, "web-data", "web", backed_up)
        apples.server("web", root.id, data.id, metadata=TAG)
        say("server apples/web, tagged, with two volumes")
        idle = self._disk(apples, "scratch-root", "scratch", "untagged")
        apples.server("scratch", idle.id)
        say("server apples/scratch, not tagged")
        one = self._disk(pears, "db-1-root", "db-1", backed_up)
        two = self._disk(pears, "db-2-root", "db-2", backed_up)
        shared = self._disk(
            pears, "db-shared", "db-1 db-2", backed_up, "multiattach"
        )
        pears.server("db-1", one.id, shared.id, metadata=TAG)
        second = pears.server("db-2", two.id, metadata=TAG)
        pears.attach(second, shared.id)
        say("servers pears/db-1 and pears/db-2, tagged, sharing a volume")
        odd = self._disk(pears, "db-2-broken", "db-2", "odd state")
        pears.attach(second, odd.id)
        self._sandbox.admin.block_storage.reset_volume_status(
            odd.id, "error", "attached", None
        )
        say("volume pears/db-2-broken, attached, in error status")

    def _disk(
        self,
        tenant: Tenant,
        name: str,
        servers: str,
        expected: str,
        volume_type: str | None = None,
    ) -> Disk:
        volume_id = tenant.volume(
            name, random_mebibytes=8, volume_type=volume_type
        )
        disk = Disk(volume_id, name, tenant.name, servers, expected)
        disk.checksums["full"] = self._sandbox.sha256(volume_id)
        self.disks.append(disk)
        return disk
