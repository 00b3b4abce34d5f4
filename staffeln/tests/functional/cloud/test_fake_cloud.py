# SPDX-License-Identifier: Apache-2.0
"""The fake cloud keeps the contract of the real one."""

import datetime

from staffeln import ports
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.fakes import fake_cloud
from staffeln.tests.functional.cloud import contract


class FakeWorld(contract.World):
    """Nothing but memory."""

    def __init__(self) -> None:
        self.fake = fake_cloud.FakeCloud(page_size=contract.PAGE_SIZE)
        self.cloud = self.fake

    def project(
        self,
        *,
        role: bool = True,
        nested: bool = False,
    ) -> str:
        """A project."""
        name = f"project {len(self.fake.known_projects)}"
        return self.fake.add_project(has_role=role, name=name)

    def name_of(self, project_id: str) -> str:
        """Its name."""
        return self.fake.known_projects[project_id].name

    def user(self, email: str | None, *, enabled: bool = True) -> str:
        """Somebody."""
        return self.fake.add_user("somebody", email, enabled=enabled)

    def grant(
        self,
        user_id: str,
        project_id: str,
        way: contract.Way,
        role: str = "member",
    ) -> None:
        """A role."""
        from_above = way in {
            contract.Way.DOMAIN,
            contract.Way.GROUP_OF_DOMAIN,
        }
        self.fake.assign(user_id, project_id, role, from_above=from_above)

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


class TestWhatTestsSetUp(base.TestCase):
    """What no contract can bring about in a real cloud."""

    def setUp(self) -> None:
        super().setUp()
        self.fake = fake_cloud.FakeCloud()
        self.project = self.fake.add_project()
        self.volume = self.fake.add_volume(self.project)

    def test_a_clock_that_is_wrong(self) -> None:
        self.fake.clock_error = datetime.timedelta(hours=-1)
        self.assertEqual(
            self.fake.now(), self.fake.time() + datetime.timedelta(hours=1)
        )

    def test_projects_that_are_disabled_cut_off_or_gone(self) -> None:
        off = self.fake.add_project(enabled=False)
        self.assertEqual(
            {self.project: True, off: False}, self.fake.projects()
        )
        self.fake.hidden.add(off)
        self.fake.change_project(self.project, enabled=False)
        self.assertEqual({self.project: False}, self.fake.projects())
        self.assertIs(False, self.fake.project(off))
        self.fake.delete_project(off)
        self.assertRaises(errors.NotFoundError, self.fake.project, off)

    def test_the_service_user_is_no_reader(self) -> None:
        self.fake.add_user(
            "staffeln", "s@cloud.example", user_id="service-user"
        )
        self.fake.assign("service-user", self.project)
        self.assertEqual([], self.fake.members(self.project, ["member"]))

    def test_a_list_that_is_cut_off(self) -> None:
        self.assertTrue(self.fake.project_list().complete)
        self.fake.list_is_cut_off = True
        self.assertFalse(self.fake.project_list().complete)

    def test_a_server_that_is_in_no_list(self) -> None:
        server = self.fake.add_server(self.project, status="SOFT_DELETED")
        self.fake.hidden.add(server)
        self.assertEqual((), next(self.fake.server_pages()).items)
        self.assertEqual("SOFT_DELETED", self.fake.server(server).status)

    def test_a_child_that_is_in_no_list(self) -> None:
        full = self.fake.add_backup(self.project, self.volume)
        self.fake.pass_time(datetime.timedelta(hours=1))
        child = self.fake.add_backup(
            self.project, self.volume, incremental=True, user_id="somebody"
        )
        self.assertEqual("somebody", self.fake.backup(child).user_id)
        error = self.assertRaises(
            errors.DependentsError, self.fake.delete_backup, full
        )
        self.assertEqual((child,), error.backups)
        self.fake.hidden.add(child)
        refusal = self.assertRaises(
            errors.InvalidRequestError, self.fake.delete_backup, full
        )
        self.assertIs(errors.InvalidRequestError, type(refusal))
