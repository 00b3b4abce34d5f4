# SPDX-License-Identifier: Apache-2.0
"""What lives in a sandbox cloud: projects, members, servers, volumes.

For the demo and the integration tests; needs openstacksdk and a sandbox
that is up. Volumes are files, so their bytes can be written and read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import openstack
from openstack.identity.v3 import _proxy as identity_proxy

MIB = 1 << 20
CLOUD = pathlib.Path(__file__).with_name("cloud")
ADMIN_CLOUD = "sandbox-admin"
SERVICE_CLOUD = "sandbox-staffeln"

T = TypeVar("T")


class SceneryError(Exception):
    """Something in the sandbox did not become what it should."""


def wait_for(
    what: str,
    look: Callable[[], T | None],
    limit: float = 120,
    pause: float = 0.2,
) -> T:
    """Look again until something is found.

    :param limit: seconds; then it is a :class:`SceneryError`.
    """
    end = time.monotonic() + limit
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise SceneryError(f"waited {limit:.0f} s in vain: {what}")
        time.sleep(pause)


class Sandbox:
    """A running sandbox, by its state directory."""

    def __init__(self, state: pathlib.Path) -> None:
        self.state = state
        self.clouds_file = state / "clouds.yaml"
        self.endpoints: dict[str, str] = json.loads(
            (state / "endpoints.json").read_text()
        )
        self.admin = self.connect(ADMIN_CLOUD)
        self.passwords: list[str] = []
        """Those of the members that were made."""

    @classmethod
    def named(
        cls, name: str, environment: Mapping[str, str] | None = None
    ) -> Sandbox:
        """The running sandbox of that name.

        :param environment: what ``sandbox/cloud`` sees; None is our own.
        """
        shown = subprocess.run(
            [str(CLOUD), "env", "--name", name],
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for line in shown.splitlines():
            variable, _, value = line.removeprefix("export ").partition("=")
            if variable == "OS_CLIENT_CONFIG_FILE":
                return cls(pathlib.Path(value.strip("'\"")).parent)
        raise SceneryError(f"sandbox/cloud env names no clouds.yaml: {shown}")

    @classmethod
    @contextlib.contextmanager
    def started(cls, name: str, base_port: int) -> Iterator[Sandbox]:
        """A sandbox of one's own; it is taken down at the end."""
        command = [str(CLOUD), "up", "--name", name]
        subprocess.run(
            [*command, "--base-port", str(base_port)],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        try:
            yield cls.named(name)
        finally:
            subprocess.run(
                [str(CLOUD), "reset", "--name", name],
                stdout=subprocess.DEVNULL,
                check=False,
            )

    def connect(self, cloud: str) -> openstack.connection.Connection:
        """A connection of one of the clouds in the sandbox's file."""
        config = openstack.config.OpenStackConfig(
            config_files=[str(self.clouds_file)], load_envvars=False
        )
        return openstack.connection.Connection(
            config=config.get_one(cloud=cloud)
        )

    def project(
        self,
        name: str,
        *,
        service_role: bool = True,
        parent_id: str | None = None,
    ) -> Tenant:
        """A new project with one member.

        :param service_role: False: in a domain in which the service user
            has no inherited role, so that it cannot act in the project.
        :param parent_id: the project above; None: the domain.
        """
        identity = self.admin.identity
        assert isinstance(identity, identity_proxy.Proxy)
        domain_id = "default"
        if not service_role:
            domain_id = identity.create_domain(name=f"domain of {name}").id
        project = identity.create_project(
            name=name,
            domain_id=domain_id,
            **({"parent_id": parent_id} if parent_id else {}),
        )
        password = f"secret of {name}"
        self.passwords.append(password)
        user = identity.create_user(
            name=name, password=password, domain_id=domain_id
        )
        member = identity.find_role("member", ignore_missing=False)
        identity.assign_project_role_to_user(project, user, member)
        connection = openstack.connection.Connection(
            auth={
                "auth_url": self.admin.config.config["auth"]["auth_url"],
                "username": name,
                "password": password,
                "project_name": name,
                "user_domain_id": domain_id,
                "project_domain_id": domain_id,
            },
            region_name=self.admin.config.region_name,
        )
        return Tenant(self, project.id, name, connection)

    def flavor_id(self) -> str:
        """The one small flavor, made when it is not there."""
        name = "tiny"
        found = self.admin.compute.find_flavor(name)
        if found is None:
            found = self.admin.compute.create_flavor(
                name=name, ram=64, vcpus=1, disk=0
            )
        return str(found.id)

    # -- bytes of volumes --------------------------------------------------

    def volume_file(self, volume_id: str) -> pathlib.Path:
        """The file that is a volume."""
        directory = pathlib.Path(self.endpoints["volumes_dir"])
        return directory / f"volume-{volume_id}"

    def scribble(self, volume_id: str, mebibytes: int, at: int = 0) -> None:
        """Write random bytes into a volume, ``at`` so many MiB."""
        with self.volume_file(volume_id).open("r+b") as volume:
            volume.seek(at * MIB)
            for _ in range(mebibytes):
                volume.write(os.urandom(MIB))

    def sha256(self, volume_id: str) -> str:
        """The checksum of all bytes of a volume."""
        with self.volume_file(volume_id).open("rb") as volume:
            return hashlib.file_digest(volume, "sha256").hexdigest()

    def vanish(self, volume_id: str) -> None:
        """Delete a volume by force, whatever it is doing."""
        storage = self.admin.block_storage
        storage.reset_volume_status(volume_id, "available", "detached", None)
        storage.delete_volume(volume_id, force=True)

    # -- backups -----------------------------------------------------------

    def backups(self, **filters: object) -> list[dict[str, Any]]:
        """All backups of all projects as Cinder shows them, newest first."""
        found: list[dict[str, Any]] = []
        while True:
            query = {
                "all_tenants": 1,
                "sort": "created_at:desc",
                **filters,
                **({"marker": found[-1]["id"]} if found else {}),
            }
            answer = self.admin.block_storage.get(
                "/backups/detail", params=query, microversion="3.64"
            )
            if answer.status_code == 400 and found:
                return self.backups(**filters)  # the marker has vanished
            answer.raise_for_status()
            body = answer.json()
            found += body["backups"]
            if not body.get("backups_links"):
                return found

    def restore(self, backup_id: str, name: str) -> str:
        """Restore a backup into a new volume; the volume's id."""
        storage = self.admin.block_storage
        volume_id = str(storage.restore_backup(backup_id, name=name).volume_id)
        wait_for(
            f"restore of {backup_id}",
            lambda: (
                storage.get_backup(backup_id).status == "available"
                and self.settled(volume_id) == "available"
            ),
        )
        return volume_id

    def settled(self, volume_id: str) -> str | None:
        """A volume's status, None while it is being changed.

        :raises SceneryError: it is in an error status.
        """
        status = str(self.admin.block_storage.get_volume(volume_id).status)
        if status.startswith("error"):
            raise SceneryError(f"volume {volume_id} is in {status} status")
        return None if status.endswith("ing") else status


class Tenant:
    """A project of the sandbox, acted in by its member."""

    def __init__(
        self,
        sandbox: Sandbox,
        project_id: str,
        name: str,
        connection: openstack.connection.Connection,
    ) -> None:
        self.sandbox = sandbox
        self.id = project_id
        self.name = name
        self.connection = connection

    def volume(
        self,
        name: str = "",
        *,
        size: int = 1,
        volume_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        random_mebibytes: int = 0,
    ) -> str:
        """A new volume of so many GiB; its id once it is available."""
        volume = self.connection.block_storage.create_volume(
            name=name,
            size=size,
            volume_type=volume_type,
            metadata=dict(metadata or {}),
        )
        volume_id = str(volume.id)
        wait_for(f"volume {name}", lambda: self.sandbox.settled(volume_id))
        if random_mebibytes:
            self.sandbox.scribble(volume_id, random_mebibytes)
        return volume_id

    def server(
        self,
        name: str,
        boot_volume: str,
        *more_volumes: str,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """A new server booted from a volume, with more attached; its id."""
        storage = self.connection.block_storage
        storage.set_volume_bootable_status(boot_volume, True)
        server = self.connection.compute.create_server(
            name=name,
            flavor_id=self.sandbox.flavor_id(),
            networks="none",
            metadata=dict(metadata or {}),
            block_device_mapping=[
                {
                    "boot_index": 0,
                    "uuid": boot_volume,
                    "source_type": "volume",
                    "destination_type": "volume",
                }
            ],
        )
        server_id = str(server.id)
        wait_for(f"server {name}", lambda: self._active(server_id))
        for volume_id in more_volumes:
            self.attach(server_id, volume_id)
        return server_id

    def servers(
        self,
        count: int,
        metadata: Mapping[str, str],
    ) -> Iterator[tuple[str, str]]:
        """So many servers with one volume each: pairs of their ids."""
        for number in range(count):
            name = f"{self.name}-{number:02}"
            volume_id = self.volume(f"{name}-disk", random_mebibytes=1)
            yield self.server(name, volume_id, metadata=metadata), volume_id

    def add_member(self, email: str, *, enabled: bool = True) -> str:
        """Another member of the project, with an e-mail address; its id."""
        identity = self.sandbox.admin.identity
        assert isinstance(identity, identity_proxy.Proxy)
        user = identity.create_user(
            name=email, email=email, is_enabled=enabled
        )
        member = identity.find_role("member", ignore_missing=False)
        identity.assign_project_role_to_user(self.id, user, member)
        return str(user.id)

    def attach(self, server_id: str, volume_id: str) -> None:
        """Attach a volume to a server."""
        self.connection.compute.create_volume_attachment(
            server_id, volume_id=volume_id
        )

        def attached() -> bool:
            volume = self.connection.block_storage.get_volume(volume_id)
            return volume.status == "in-use" and any(
                each["server_id"] == server_id for each in volume.attachments
            )

        wait_for(f"attachment of {volume_id}", attached)

    def tag(self, server_id: str, **metadata: str) -> None:
        """Set metadata of a server."""
        self.connection.compute.set_server_metadata(server_id, **metadata)

    def _active(self, server_id: str) -> bool:
        server = self.connection.compute.get_server(server_id)
        if server.status == "ERROR":
            raise SceneryError(f"server {server_id}: {server.fault}")
        return bool(server.status == "ACTIVE")
