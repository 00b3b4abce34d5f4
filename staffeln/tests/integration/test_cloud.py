# SPDX-License-Identifier: Apache-2.0
"""The contract of a cloud, kept by a real one."""

from __future__ import annotations

import os
import uuid

import requests
from openstack.identity.v3 import _proxy as identity_proxy

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
        self._above: dict[str, str] = {}
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

    def project(self, *, role: bool = True, nested: bool = False) -> str:
        name = f"contract-{uuid.uuid4().hex[:8]}"
        above = self.project() if nested else None
        tenant = self._sandbox.project(
            name, service_role=role, parent_id=above
        )
        self._tenants[tenant.id] = tenant
        if above:
            self._above[tenant.id] = above
        return tenant.id

    def name_of(self, project_id: str) -> str:
        return self._tenants[project_id].name

    def user(self, email: str | None, *, enabled: bool = True) -> str:
        name = f"contract-{uuid.uuid4().hex[:8]}"
        return self._ask(
            "POST",
            "/users",
            {"user": {"name": name, "email": email, "enabled": enabled}},
            "user",
        )

    def grant(
        self,
        user_id: str,
        project_id: str,
        way: contract.Way,
        role: str = "member",
    ) -> None:
        found = self._identity.find_role(role, ignore_missing=False)
        actor = f"users/{user_id}"
        if "GROUP" in way.name:
            name = f"contract-{uuid.uuid4().hex[:8]}"
            group = self._ask(
                "POST", "/groups", {"group": {"name": name}}, "group"
            )
            self._ask("PUT", f"/groups/{group}/users/{user_id}")
            actor = f"groups/{group}"
        place, inherited = f"projects/{project_id}", False
        if "ABOVE" in way.name:
            place, inherited = f"projects/{self._above[project_id]}", True
        if "DOMAIN" in way.name:
            place, inherited = "domains/default", True
        path = f"/{place}/{actor}/roles/{found.id}"
        if inherited:
            path = f"/OS-INHERIT{path}/inherited_to_projects"
        self._ask("PUT", path)

    @property
    def _identity(self) -> identity_proxy.Proxy:
        found = self._sandbox.admin.identity
        assert isinstance(found, identity_proxy.Proxy)
        return found

    def _ask(
        self, method: str, path: str, body: object = None, key: str = ""
    ) -> str:
        """Ask Keystone; the id of what was made."""
        answer = self._identity.request(path, method, json=body)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.text}")
        return str(answer.json()[key]["id"]) if key else ""

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
