# SPDX-License-Identifier: Apache-2.0
"""The fake cloud keeps the contract of the real one."""

from staffeln import ports
from staffeln.tests import base
from staffeln.tests.fakes import fake_cloud
from staffeln.tests.functional.cloud import contract


class FakeWorld(contract.World):
    """Nothing but memory."""

    def __init__(self) -> None:
        self.fake = fake_cloud.FakeCloud(page_size=contract.PAGE_SIZE)
        self.cloud = self.fake

    def project(self, *, role: bool = True) -> str:
        """A project."""
        return self.fake.add_project(has_role=role)

    def volume(self, project_id: str, name: str) -> str:
        """A volume."""
        return self.fake.add_volume(project_id, name=name)

    def server(self, project_id: str, volume_id: str, name: str) -> str:
        """A server."""
        return self.fake.add_server(
            project_id,
            name=name,
            volume_ids=[volume_id],
            metadata={"kept": "TRUE"},
        )

    def set_backup_quota(self, project_id: str, backups: int) -> None:
        """A limit."""
        self.fake.change_project(project_id, max_backups=backups)

    def settle(self, backup_id: str) -> None:
        """The end of what goes on."""
        self.fake.finish(backup_id)

    def without_administrator(self) -> ports.Cloud:
        """A cloud for a user who is none."""
        fake = fake_cloud.FakeCloud()
        fake.administrator = False
        return fake


class TestFakeCloud(contract.CloudContract, base.TestCase):
    """In memory."""

    def make_world(self) -> contract.World:
        """A new one for each test."""
        return FakeWorld()
