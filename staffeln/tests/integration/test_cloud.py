# SPDX-License-Identifier: Apache-2.0
"""The contract of a cloud, kept by a real one."""

from __future__ import annotations

import os
import uuid

import requests

from sandbox.scenery import SERVICE_CLOUD, Sandbox, Tenant, wait_for
from staffeln import ports
from staffeln.cloud import credentials, openstack, settings
from staffeln.tests.functional.cloud import contract
from staffeln.tests.integration import base


class RealWorld(contract.World):
    """The sandbox through the door that conductors use."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._tenants: dict[str, Tenant] = {}
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(sandbox.clouds_file)
        self.cloud = self._door(credentials.find(None, SERVICE_CLOUD))

    def _door(self, found: settings.Credentials) -> ports.Cloud:
        return openstack.OpenStackCloud(
            settings.CloudSettings(
                credentials=found,
                page_size=contract.PAGE_SIZE,
                retry_timeout=20,
                max_retry_interval=2,
            )
        )

    def project(self, *, role: bool = True) -> str:
        name = f"contract-{uuid.uuid4().hex[:8]}"
        tenant = self._sandbox.project(name, service_role=role)
        self._tenants[tenant.id] = tenant
        return tenant.id

    def volume(self, project_id: str, name: str) -> str:
        return self._tenants[project_id].volume(name)

    def server(self, project_id: str, volume_id: str, name: str) -> str:
        return self._tenants[project_id].server(
            name, volume_id, metadata={"kept": "TRUE"}
        )

    def set_backup_quota(self, project_id: str, number: int) -> None:
        self._sandbox.admin.block_storage.update_quota_set(
            project_id, backups=number
        )

    def settle(self, backup_id: str) -> None:
        def settled() -> bool:
            answer: requests.Response = self._sandbox.admin.block_storage.get(
                f"/backups/{backup_id}"
            )
            if answer.status_code == requests.codes.not_found:
                return True
            status = answer.json()["backup"]["status"]
            return status not in ("creating", "deleting")

        wait_for(f"backup {backup_id} settles", settled)

    def without_administrator(self) -> ports.Cloud:
        tenant = self._tenants[self.project()]
        return self._door(
            settings.Credentials(
                auth_type="password",
                auth={
                    **self._sandbox.admin.config.config["auth"],
                    "username": tenant.name,
                    "password": f"secret of {tenant.name}",
                    "project_name": tenant.name,
                },
                source="the member's",
            )
        )


class CloudContractTest(contract.CloudContract, base.IntegrationTestCase):
    """The suite that the fake passes as well."""

    def make_world(self) -> contract.World:
        return RealWorld(self.sandbox)
