# SPDX-License-Identifier: Apache-2.0
"""What every cloud behind ports.Cloud does, the fake and the real ones.

A test class inherits :class:`CloudContract` and gives it a
:class:`World`. Nothing here assumes that the cloud holds nothing else.
"""

from __future__ import annotations

import abc
import datetime
import enum
import uuid
from collections.abc import Iterator

import testtools

from staffeln import ports
from staffeln.domain import errors, model, report

PAGE_SIZE = 2

UNKNOWN = "11111111-2222-3333-4444-555555555555"


class Way(enum.Enum):
    """How a user comes by a role in a project."""

    USER = "it is assigned to them there"
    GROUP = "it is assigned to a group of theirs there"
    ABOVE = "it is inherited from the project above"
    GROUP_ABOVE = "it is inherited by a group from the project above"
    DOMAIN = "it is inherited from the domain"
    GROUP_OF_DOMAIN = "it is inherited by a group from the domain"


class World(abc.ABC):
    """A cloud and what a test may do to it besides the port.

    :ivar cloud: the port; its pages hold :data:`PAGE_SIZE` items.
    """

    cloud: ports.Cloud

    @abc.abstractmethod
    def project(self, *, role: bool = True, nested: bool = False) -> str:
        """A new project; with or without a role of the service user.

        :param nested: in another new project.
        """

    @abc.abstractmethod
    def name_of(self, project_id: str) -> str:
        """A project's name."""

    @abc.abstractmethod
    def user(self, email: str | None, *, enabled: bool = True) -> str:
        """A new user with an address."""

    @abc.abstractmethod
    def grant(
        self,
        user_id: str,
        project_id: str,
        way: Way,
        role: str = "member",
    ) -> None:
        """Give a user a role that counts in a project."""

    @abc.abstractmethod
    def volume(self, project_id: str, name: str) -> str:
        """A new volume of 1 GiB, available."""

    @abc.abstractmethod
    def server(self, project_id: str, volume_id: str, name: str) -> str:
        """A new server with that volume and metadata ``kept=TRUE``."""

    @abc.abstractmethod
    def set_backup_quota(self, project_id: str, backups: int) -> None:
        """Limit the number of backups of a project."""

    @abc.abstractmethod
    def settle(self, backup_id: str) -> None:
        """Let Cinder end what it does with a backup."""

    @abc.abstractmethod
    def without_administrator(self) -> ports.Cloud:
        """The same cloud seen by a user who is no administrator."""


class CloudContract(testtools.TestCase, abc.ABC):
    """The contract, a part in each test."""

    @abc.abstractmethod
    def make_world(self) -> World:
        """The world of one test."""

    def setUp(self) -> None:
        super().setUp()
        self.world = self.make_world()
        self.cloud = self.world.cloud

    def request(
        self, project_id: str, volume_id: str, **changes: object
    ) -> model.BackupRequest:
        values: dict[str, object] = {
            "project_id": project_id,
            "volume_id": volume_id,
            "name": "Bäckup " + "x" * 200,
            "incremental": False,
            "force": False,
            "metadata": {"staffeln_task": f"täsk of {volume_id}"},
        }
        return model.BackupRequest(**{**values, **changes})  # type: ignore[arg-type]

    def make(
        self, project_id: str, volume_id: str, *, incremental: bool = False
    ) -> str:
        backup_id = self.cloud.create_backup(
            self.request(project_id, volume_id, incremental=incremental)
        )
        self.world.settle(backup_id)
        return backup_id

    def remove(self, backup_id: str) -> None:
        self.cloud.delete_backup(backup_id)
        self.world.settle(backup_id)

    def all_backups(
        self, status: str | None = None
    ) -> Iterator[model.CloudBackup]:
        for page in self.cloud.backup_pages(status=status):
            self.assertEqual((), page.problems)
            self.assertLessEqual(len(page.items), PAGE_SIZE)
            yield from page.items

    # -- reading -----------------------------------------------------------

    def test_the_identity_stays_the_same(self) -> None:
        found = self.cloud.identity()
        self.assertEqual(found, self.cloud.identity())
        for part in (found.auth_url, found.region, found.user_id):
            self.assertNotEqual("", part)
        self.assertNotIn("%", found.block_storage_url)

    def test_backup_services_prove_administrator_rights(self) -> None:
        found = self.cloud.backup_services()
        self.assertTrue(any(each.up and each.enabled for each in found))
        self.assertRaises(
            errors.NotAdministratorError,
            self.world.without_administrator().backup_services,
        )

    def test_cinders_clock_is_that_of_its_backups(self) -> None:
        before = self.cloud.time()
        self.assertIsNone(before.tzinfo)
        project = self.world.project()
        backup_id = self.make(project, self.world.volume(project, "disk"))
        made = self.cloud.backup(backup_id).created_at
        # A Date header has no fractions of seconds.
        second = datetime.timedelta(seconds=1)
        self.assertLess(before - second, made)
        self.assertLess(made, self.cloud.time() + second)

    def test_projects_are_told_to_administrators(self) -> None:
        made = {self.world.project() for _ in range(PAGE_SIZE + 1)}
        found = self.cloud.projects()
        for project in made:
            self.assertIs(True, found[project])
            self.assertIs(True, self.cloud.project(project))
        self.assertNotIn(UNKNOWN, found)
        other = self.world.without_administrator()
        self.assertRaises(errors.ForbiddenError, other.projects)
        self.assertRaises(errors.ForbiddenError, other.project, made.pop())

    def test_projects_are_listed_with_their_names(self) -> None:
        made = self.world.project()
        found = self.cloud.project_list()
        self.assertTrue(found.complete)
        (listed,) = (each for each in found if each.id == made)
        self.assertEqual(self.world.name_of(made), listed.name)
        self.assertTrue(listed.enabled)
        self.assertEqual(
            {each.id: each.enabled for each in found}, self.cloud.projects()
        )
        other = self.world.without_administrator()
        self.assertRaises(errors.ForbiddenError, other.project_list)

    def test_quotas_and_what_is_used_of_them(self) -> None:
        project = self.world.project()
        volume = self.world.volume(project, "disk")
        self.world.set_backup_quota(project, 7)
        self.make(project, volume)
        found = self.cloud.quotas(project)
        self.assertEqual(7, found.backups.limit)
        for each in (found.backups, found.gigabytes):
            self.assertEqual(1, each.in_use)
            self.assertEqual(0, each.reserved)
        self.world.set_backup_quota(project, report.UNLIMITED)
        self.assertEqual(
            report.UNLIMITED, self.cloud.quotas(project).backups.limit
        )
        other = self.world.without_administrator()
        self.assertRaises(errors.ForbiddenError, other.quotas, project)

    def test_members_are_those_whom_it_concerns(self) -> None:
        project = self.world.project(nested=True)
        names = {}
        for way in Way:
            email = f"{way.name.lower()}@people.example"
            names[way] = self.world.user(email)
            self.world.grant(names[way], project, way)
        off = self.world.user("off@people.example", enabled=False)
        mute = self.world.user(None)
        for user in (off, mute, names[Way.USER]):
            self.world.grant(user, project, Way.GROUP)
        reader = self.world.user("reader@people.example")
        self.world.grant(reader, project, Way.USER, "reader")
        chief = self.world.user("chief@people.example")
        self.world.grant(chief, project, Way.USER, "admin")
        self.world.grant(
            self.world.user("elsewhere@people.example"),
            self.world.project(),
            Way.USER,
        )
        self.assertEqual(
            ["above", "chief", "group", "group_above", "user"],
            self._people(project, {"Member"}),
        )
        self.assertEqual(
            ["above", "chief", "group", "group_above", "reader", "user"],
            self._people(project, {"reader", "no such role"}),
        )
        self.assertEqual(["chief"], self._people(project, {"admin"}))
        self.assertEqual([], self._people(project, set()))
        other = self.world.without_administrator()
        self.assertRaises(
            errors.ForbiddenError, other.members, project, {"member"}
        )

    def _people(self, project_id: str, roles: set[str]) -> list[str]:
        """Whom the test made of a project's members."""
        found = self.cloud.members(project_id, roles)
        self.assertNotIn(
            self.cloud.identity().user_id, [each.user_id for each in found]
        )
        return sorted(
            each.email.partition("@")[0]
            for each in found
            if each.email.endswith("@people.example")
        )

    def test_servers_of_all_projects_are_listed(self) -> None:
        made = {}
        for number in range(3):
            project = self.world.project()
            volume = self.world.volume(project, f"disk {number}")
            server = self.world.server(project, volume, f"server {number}")
            made[server] = (project, (volume,), f"server {number}")
        listed: dict[str, model.Server] = {}
        for page in self.cloud.server_pages():
            self.assertEqual((), page.problems)
            self.assertLessEqual(len(page.items), PAGE_SIZE)
            for each in page.items:
                self.assertNotIn(each.id, listed)
                listed[each.id] = each
        for server, (project, volumes, name) in made.items():
            found = listed[server]
            self.assertTrue(found.readable)
            self.assertEqual(project, found.project_id)
            self.assertEqual(volumes, found.volume_ids)
            self.assertEqual(name, found.name)
            self.assertEqual("TRUE", found.metadata["kept"])
            self.assertEqual(found, self.cloud.server(server))

    def test_volumes_of_all_projects_are_listed(self) -> None:
        made = []
        for number in range(3):
            project = self.world.project()
            made.append(self.world.volume(project, f"disk {number}"))
        server = self.world.server(project, made[-1], "server")
        pages = list(self.cloud.volume_pages())
        listed = {each.id: each for page in pages for each in page.items}
        self.assertLessEqual(set(made), set(listed))
        self.assertEqual(len(listed), pages[0].total)
        found = listed[made[-1]]
        self.assertEqual("in-use", found.status)
        self.assertEqual((server,), found.server_ids)
        self.assertEqual(project, found.project_id)
        self.assertEqual(1, found.size)
        self.assertEqual(found, self.cloud.volume(made[-1]))

    def test_what_is_not_there_is_not_found(self) -> None:
        project = self.world.project()
        for call in (
            lambda: self.cloud.project(UNKNOWN),
            lambda: self.cloud.server(UNKNOWN),
            lambda: self.cloud.volume(UNKNOWN),
            lambda: self.cloud.backup(UNKNOWN),
            lambda: self.cloud.delete_backup(UNKNOWN),
            lambda: self.cloud.create_backup(self.request(project, UNKNOWN)),
        ):
            self.assertRaises(errors.NotFoundError, call)
        self.assertEqual([], self.cloud.backups_of_volume(project, UNKNOWN))

    # -- the life of backups -----------------------------------------------

    def test_the_life_of_a_chain(self) -> None:
        project = self.world.project()
        volume = self.world.volume(project, "disk")
        full = self.make(project, volume)
        first = self.make(project, volume, incremental=True)
        second = self.make(project, volume, incremental=True)
        shown = [self.cloud.backup(each) for each in (full, first, second)]
        self.assertEqual(
            [False, True, True], [each.incremental for each in shown]
        )
        for each in shown:
            self.assertEqual("available", each.status)
            self.assertEqual(project, each.project_id)
            self.assertEqual(volume, each.volume_id)
            self.assertEqual(1, each.size)
            self.assertEqual(self.cloud.identity().user_id, each.user_id)
            self.assertEqual(
                f"täsk of {volume}", each.metadata["staffeln_task"]
            )
        newest_first = [second, first, full]
        self.assertEqual(
            newest_first,
            [
                each.id
                for each in self.cloud.backups_of_volume(project, volume)
            ],
        )
        listed = [each for each in self.all_backups() if each in shown]
        self.assertEqual(newest_first, [each.id for each in listed])
        self.assertEqual("available", self.cloud.volume(volume).status)
        error = self.assertRaises(
            errors.DependentsError, self.cloud.delete_backup, full
        )
        self.assertEqual((first,), error.backups)
        self.assertIn(f"held by backup {first}", str(error))
        for backup_id in newest_first:
            self.remove(backup_id)
            self.assertRaises(
                errors.NotFoundError, self.cloud.backup, backup_id
            )

    def test_what_goes_on_is_listed_by_its_status(self) -> None:
        project = self.world.project()
        volume = self.world.volume(project, "disk")
        done = self.make(project, volume)
        listed = {each.id for each in self.all_backups("available")}
        self.assertIn(done, listed)
        listed = {each.id for each in self.all_backups("creating")}
        self.assertNotIn(done, listed)

    def test_the_place_of_a_backup(self) -> None:
        project = self.world.project()
        volume = self.world.volume(project, "disk")
        for _ in range(3):
            self.make(project, volume)
        listed = [each.id for each in self.all_backups()]
        for place in (0, 1, 2):
            found = self.cloud.newest_backup(place)
            assert found is not None
            self.assertEqual(listed[place], found.id)
        self.assertIsNone(self.cloud.newest_backup(len(listed)))

    def test_a_volume_in_use_needs_force(self) -> None:
        project = self.world.project()
        volume = self.world.volume(project, "disk")
        self.world.server(project, volume, "server")
        plain = self.request(project, volume)
        self.assertRaises(
            errors.InvalidRequestError, self.cloud.create_backup, plain
        )
        forced = self.request(project, volume, force=True)
        self.world.settle(self.cloud.create_backup(forced))
        self.assertEqual("in-use", self.cloud.volume(volume).status)

    def test_an_incremental_needs_a_parent(self) -> None:
        project = self.world.project()
        volume = self.world.volume(project, "disk")
        self.assertRaises(
            errors.InvalidRequestError,
            self.cloud.create_backup,
            self.request(project, volume, incremental=True),
        )

    def test_a_project_without_a_role_is_named(self) -> None:
        project = self.world.project(role=False)
        error = self.assertRaises(
            errors.NoRoleError,
            self.cloud.create_backup,
            self.request(project, UNKNOWN),
        )
        self.assertIn(project, str(error))
        self.assertRaises(
            errors.NoRoleError,
            self.cloud.backups_of_volume,
            project,
            str(uuid.uuid4()),
        )

    def test_a_quota_that_is_full_says_so(self) -> None:
        project = self.world.project()
        volume = self.world.volume(project, "disk")
        self.world.set_backup_quota(project, 1)
        self.make(project, volume)
        error = self.assertRaises(
            errors.OverQuotaError,
            self.cloud.create_backup,
            self.request(project, volume),
        )
        self.assertEqual(413, error.status)
        self.assertIn("backups", str(error))
