# SPDX-License-Identifier: Apache-2.0
"""The simulated cloud for load keeps the contract of the real one."""

from __future__ import annotations

from benchmarks.cloud import Shape, Simulated
from staffeln import ports
from staffeln.cloud import openstack
from staffeln.domain import report
from staffeln.tests import base
from staffeln.tests.functional.cloud import contract

SHAPE = Shape(servers=3, volumes=7, unattached=1, projects=3, chain=2)


class SimulatedWorld(contract.World):
    """A process of its own, through the door that conductors use."""

    def __init__(self, simulated: Simulated) -> None:
        self._simulated = simulated
        self._names: dict[str, str] = {}
        self._above: dict[str, str] = {}
        self.cloud = openstack.OpenStackCloud(
            simulated.credentials(contract.PAGE_SIZE, retry_timeout=0)
        )

    def project(self, *, role: bool = True, nested: bool = False) -> str:
        """A project with a name of its own."""
        above = self.project() if nested else None
        name = f"contract-{len(self._names)}"
        made = self._simulated.add_project(name, role=role, parent_id=above)
        self._names[made] = name
        if above:
            self._above[made] = above
        return made

    def name_of(self, project_id: str) -> str:
        """Its name."""
        return self._names[project_id]

    def user(self, email: str | None, *, enabled: bool = True) -> str:
        """Somebody."""
        name = f"somebody {email}"
        return self._simulated.add_user(name, email, enabled=enabled)

    def grant(
        self,
        user_id: str,
        project_id: str,
        way: contract.Way,
        role: str = "member",
    ) -> None:
        """A role, as Keystone keeps it."""
        place, place_id = "projects", project_id
        if "ABOVE" in way.name:
            place_id = self._above[project_id]
        if "DOMAIN" in way.name:
            place, place_id = "domains", "default"
        self._simulated.grant(
            user_id,
            place,
            place_id,
            role,
            by_group="GROUP" in way.name,
            inherited=place_id != project_id,
        )

    def volume(self, project_id: str, name: str) -> str:
        """A volume."""
        return self._simulated.add_volume(project_id, name)

    def server(self, project_id: str, volume_id: str, name: str) -> str:
        """A server."""
        return self._simulated.add_server(
            project_id, name, [volume_id], {"kept": "TRUE"}
        )

    def set_backup_quota(self, project_id: str, backups: int) -> None:
        """A limit."""
        self._simulated.set_quota(
            project_id, backups=backups, gigabytes=report.UNLIMITED
        )

    def settle(self, backup_id: str) -> None:
        """The end of what goes on."""
        self._simulated.settle([backup_id])

    def without_administrator(self) -> ports.Cloud:
        """The door of a new project's only member."""
        project = self.project()
        email = f"{self._names[project]}@members.example"
        user = self.user(email)
        self.grant(user, project, contract.Way.USER)
        settings = self._simulated.credentials(
            contract.PAGE_SIZE,
            name=f"somebody {email}",
            project=self._names[project],
        )
        return openstack.OpenStackCloud(settings)


class TestSimulatedCloud(contract.CloudContract, base.TestCase):
    """Over HTTP."""

    def make_world(self) -> contract.World:
        """A new one for each test."""
        simulated = Simulated(SHAPE)
        simulated.__enter__()
        self.addCleanup(simulated.__exit__, None, None, None)
        return SimulatedWorld(simulated)
