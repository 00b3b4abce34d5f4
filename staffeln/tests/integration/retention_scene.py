# SPDX-License-Identifier: Apache-2.0
"""The scene of retention's disasters: chains, and what befalls a cloud."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping

from openstack.block_storage.v3 import _proxy as storage_proxy
from openstack.identity.v3 import _proxy as identity_proxy

from sandbox.scenery import Tenant, wait_for
from staffeln.tests.integration import base

PLAIN: dict[str, object] = {
    "full_backup_depth": 20,
    "backup_min_interval": 3600,
    "retention_time": "30d",
    "retention_shortening_grace": "0s",
    "retention_keep_last": 0,
    "failure_backoff": "1s",
    "failure_backoff_max": "1s",
    "reconciliation_period": 1,
    "retention_service_period": 1,
    "backup_service_period": 1,
}
"""What a server says holds at once; nothing expires by itself."""


@dataclasses.dataclass(frozen=True)
class Chain:
    """A server with one volume, and the backups of that."""

    server: str
    volume: str
    backups: frozenset[str]


class Scene:
    """Chains made once, and the database that knows what is left of them."""

    def __init__(self, directory: pathlib.Path, count: int) -> None:
        self.cloud = base.sandbox()
        self.key = f"disaster-{uuid.uuid4().hex[:8]}"
        self.tenant: Tenant = self.cloud.project(self.key)
        self.options = {**PLAIN, "backup_metadata_key": self.key}
        self.master = base.Deployment(
            directory,
            self.cloud.clouds_file,
            {"conductor": {**self.options, "backup_min_interval": 0}},
        )
        self.master.create_schema()
        self.fresh = self._make(count)

    def there(self) -> set[str]:
        """Ids of the backups that Cinder has, all of them available."""
        return {
            each["id"]
            for each in self.cloud.backups(project_id=self.tenant.id)
            if each["status"] == "available"
        }

    def _make(self, count: int) -> list[Chain]:
        servers = dict(self.tenant.servers(count, {self.key: "true"}))
        self.master.start()
        try:
            wait_for("two backups each", lambda: self._all_have_two(servers))
            self.master.come_to_rest({"conductor": self.options})
        finally:
            self.master.kill()
        if leaks := self.master.leaks():
            raise AssertionError(leaks)
        return [
            Chain(
                server,
                volume,
                frozenset(
                    each["id"] for each in self.cloud.backups(volume_id=volume)
                ),
            )
            for server, volume in servers.items()
        ]

    def _all_have_two(self, servers: Mapping[str, str]) -> bool:
        made = [
            each["volume_id"]
            for each in self.cloud.backups(project_id=self.tenant.id)
            if each["status"] == "available"
        ]
        return all(made.count(volume) > 1 for volume in servers.values())

    # -- what befalls the cloud ----------------------------------------------

    @property
    def _identity(self) -> identity_proxy.Proxy:
        identity = self.cloud.admin.identity
        assert isinstance(identity, identity_proxy.Proxy)
        return identity

    @property
    def _storage(self) -> storage_proxy.Proxy:
        storage = self.cloud.admin.block_storage
        assert isinstance(storage, storage_proxy.Proxy)
        return storage

    @property
    def cinder_port(self) -> int | None:
        """Where Cinder listens."""
        return urllib.parse.urlsplit(str(self._storage.get_endpoint())).port

    def services(self) -> bytes:
        """Cinder's answer with the backup services that are up."""
        answer = self._storage.get(
            "/os-services", params={"binary": "cinder-backup"}
        )
        answer.raise_for_status()
        return bytes(answer.content)

    @contextlib.contextmanager
    def another_region(self, name: str) -> Iterator[None]:
        """A region with the same services."""
        identity = self._identity
        identity.create_region(id=name)
        made = [
            identity.create_endpoint(
                service_id=each.service_id,
                interface=each.interface,
                url=each.url,
                region_id=name,
            )
            for each in list(identity.endpoints(region_id="RegionOne"))
        ]
        try:
            yield
        finally:
            for each in made:
                identity.delete_endpoint(each)
            identity.delete_region(name)

    @contextlib.contextmanager
    def without_administrator_role(self) -> Iterator[None]:
        """The service user is a member like others."""
        identity = self._identity
        project = identity.find_project("service", ignore_missing=False)
        user = identity.find_user("staffeln", ignore_missing=False)
        role = identity.find_role("admin", ignore_missing=False)
        identity.unassign_project_role_from_user(project, user, role)
        try:
            yield
        finally:
            identity.assign_project_role_to_user(project, user, role)

    @contextlib.contextmanager
    def without_backup_services(self) -> Iterator[None]:
        """No cinder-backup takes work, as if all had been stopped."""
        storage = self._storage
        (service,) = [
            each
            for each in storage.services()
            if each.binary == "cinder-backup"
        ]
        storage.disable_service(service)
        try:
            yield
        finally:
            storage.enable_service(service)
