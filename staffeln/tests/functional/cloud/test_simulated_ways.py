# SPDX-License-Identifier: Apache-2.0
"""What the simulated cloud shows, refuses, and lets go wrong."""

from __future__ import annotations

import pathlib
import tempfile

import fixtures
import requests

from benchmarks.cloud import Failure, Simulated
from staffeln import ports
from staffeln.cloud import credentials, openstack
from staffeln.domain import errors, model
from staffeln.tests import base
from staffeln.tests.functional.cloud.test_simulated_shape import SHAPE


class SimulatedCase(base.TestCase):
    """A cloud of SHAPE, and a door to it."""

    def setUp(self) -> None:
        super().setUp()
        self.simulated = Simulated(SHAPE)
        self.simulated.__enter__()
        self.addCleanup(self.simulated.__exit__, None, None, None)
        self.cloud = self.door()

    def door(
        self, name: str = "staffeln", project: str = "service"
    ) -> ports.Cloud:
        return openstack.OpenStackCloud(
            self.simulated.credentials(
                5,
                name=name,
                project=project,
                retry_timeout=0,
                read_timeout=0.5,
            )
        )

    def free_volume(self) -> int:
        """The number of a selected volume that is not backed up now."""
        return SHAPE.selected_volumes[SHAPE.creating]

    def request(self, volume: int, **changes: object) -> model.BackupRequest:
        project = SHAPE.project_of_volume(volume)
        values: dict[str, object] = {
            "project_id": SHAPE.project_id(project),
            "volume_id": SHAPE.volume_id(volume),
            "name": "backup",
            "incremental": True,
            "force": True,
            "metadata": {},
        }
        return model.BackupRequest(**{**values, **changes})  # type: ignore[arg-type]

    def status_of(self, backup_id: str) -> str:
        return self.cloud.backup(backup_id).status


class TestWhatThereIs(SimulatedCase):
    """What is listed is what the shape says."""

    def test_servers(self) -> None:
        pages = list(self.cloud.server_pages())
        found = [each for page in pages for each in page.items]
        self.assertEqual(
            [SHAPE.server_id(each) for each in (5, 4, 3, 2, 1, 0)],
            [each.id for each in found],
        )
        for number, each in zip((5, 4, 3, 2, 1, 0), found, strict=True):
            project = SHAPE.project_of_server(number)
            self.assertEqual(SHAPE.project_id(project), each.project_id)
            self.assertEqual(SHAPE.server_metadata(number), each.metadata)
            self.assertEqual(
                tuple(map(SHAPE.volume_id, SHAPE.volumes_of(number))),
                each.volume_ids,
            )

    def test_volumes(self) -> None:
        pages = list(self.cloud.volume_pages())
        self.assertEqual([5, 5, 3], [len(page.items) for page in pages])
        self.assertEqual(13, pages[0].total)
        found = {each.id: each for page in pages for each in page.items}
        for number in range(SHAPE.volumes):
            each = found[SHAPE.volume_id(number)]
            project = SHAPE.project_of_volume(number)
            self.assertEqual(SHAPE.project_id(project), each.project_id)
        busy = SHAPE.volume_id(SHAPE.selected_volumes[0])
        self.assertEqual("backing-up", found[busy].status)
        self.assertEqual("available", found[SHAPE.volume_id(12)].status)

    def test_chains(self) -> None:
        volume = self.free_volume()
        project = SHAPE.project_id(SHAPE.project_of_volume(volume))
        found = self.cloud.backups_of_volume(project, SHAPE.volume_id(volume))
        self.assertEqual(
            [False, True, True, False],
            [each.incremental for each in reversed(found)],
        )
        for number, each in zip(
            reversed(SHAPE.backups_of(volume)), found, strict=True
        ):
            known = SHAPE.backup(number)
            self.assertEqual(SHAPE.backup_id(number), each.id)
            self.assertEqual(known.created_at, each.created_at)
            self.assertEqual(SHAPE.backup_metadata(number), each.metadata)
            self.assertEqual(SHAPE.service_user_id, each.user_id)
        counted = {
            status: next(iter(self.cloud.backup_pages(status=status))).total
            for status in (None, "available", "creating", "error")
        }
        self.assertEqual(
            {
                None: SHAPE.existing,
                "available": SHAPE.completed,
                "creating": 2,
                "error": 0,
            },
            counted,
        )

    def test_members(self) -> None:
        found = self.cloud.members(SHAPE.project_id(1), ["member"])
        self.assertEqual(
            {SHAPE.user_id(each) for each in SHAPE.members_of(1)},
            {each.user_id for each in found},
        )

    def test_what_it_was_asked_is_counted(self) -> None:
        list(self.cloud.volume_pages())
        volume = self.free_volume()
        for each in (volume, volume + 1):
            self.cloud.create_backup(self.request(each))
        found = self.simulated.counts(reset=True)
        self.assertEqual(3, found.lists)
        self.assertEqual(2, found.of("POST", "/backups", "volume"))
        projects = {
            SHAPE.project_id(SHAPE.project_of_volume(each))
            for each in (volume, volume + 1)
        }
        self.assertEqual(
            dict.fromkeys({*projects, SHAPE.service_project_id}, 1),
            dict(found.tokens),
        )
        self.assertEqual({}, dict(self.simulated.counts().calls))

    def test_it_is_found_by_clouds_yaml_and_by_variables(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name, "clouds.yaml")
        name = self.simulated.write_clouds(path)
        self.useFixture(
            fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", str(path))
        )
        self.assertEqual(
            self.simulated.auth_url,
            credentials.find(None, name).auth["auth_url"],
        )
        for variable, value in self.simulated.environment().items():
            self.useFixture(fixtures.EnvironmentVariable(variable, value))
        self.assertEqual(
            self.simulated.auth_url,
            credentials.find(None, None).auth["auth_url"],
        )


class TestRefusals(SimulatedCase):
    """What Cinder refuses is refused."""

    def refused(
        self, kind: type[errors.CloudError], words: str, **changes: object
    ) -> None:
        asked = self.request(self.free_volume(), **changes)
        error = self.assertRaises(kind, self.cloud.create_backup, asked)
        self.assertIn(words, str(error))

    def test_a_volume_that_is_busy(self) -> None:
        self.cloud.create_backup(self.request(self.free_volume()))
        self.refused(errors.InvalidRequestError, '"backing-up"')
        self.simulated.settle()
        self.cloud.create_backup(self.request(self.free_volume()))

    def test_a_quota_of_gigabytes(self) -> None:
        asked = self.request(self.free_volume())
        used = self.cloud.quotas(asked.project_id).gigabytes.in_use
        self.simulated.set_quota(asked.project_id, gigabytes=used + 9)
        self.refused(errors.OverQuotaError, "Backup gigabytes quota")
        self.simulated.set_quota(asked.project_id, gigabytes=used + 10)
        self.cloud.create_backup(asked)

    def test_a_parent_in_another_project(self) -> None:
        volume = self.simulated.add_volume(SHAPE.project_id(0), "disk")
        asked = self.request(
            0, volume_id=volume, project_id=SHAPE.service_project_id
        )
        self.assertRaises(
            errors.InvalidRequestError, self.cloud.create_backup, asked
        )

    def test_a_project_without_a_role(self) -> None:
        project = SHAPE.project_id(3)
        self.refused(errors.NoRoleError, project, project_id=project)

    def test_another_projects_volume(self) -> None:
        other = SHAPE.project_of_volume(self.free_volume()) ^ 1
        project = SHAPE.project_id(other)
        self.refused(
            errors.NotFoundError, "could not be found", project_id=project
        )

    def test_deleting_what_is_in_the_making(self) -> None:
        backup = SHAPE.backup_id(SHAPE.completed)
        error = self.assertRaises(
            errors.InvalidRequestError, self.cloud.delete_backup, backup
        )
        self.assertIn("must be available or error", str(error))

    def test_deleting_while_no_service_is_up(self) -> None:
        self.simulated.behave(services_up=0)
        self.assertFalse(any(e.up for e in self.cloud.backup_services()))
        newest = SHAPE.backup_id(SHAPE.completed - 1)
        self.assertRaises(
            errors.NotFoundError, self.cloud.delete_backup, newest
        )
        self.assertEqual("available", self.status_of(newest))

    def test_microversions_and_projects_of_others(self) -> None:
        service = SHAPE.service_project_id
        token = self._token("staffeln", service)
        base_url = f"{self.simulated.url}/volume/v3"
        for path, version, status in (
            (f"/{service}/volumes/detail", "volume 3.64", 200),
            (f"/{service}/volumes/detail", "volume 3.99", 406),
            (f"/{SHAPE.project_id(0)}/volumes/detail", "volume 3.64", 400),
            (f"/{service}/volumes/detail?glance=1", "volume 3.64", 400),
            (f"/{service}/volumes/detail?limit=-1", "volume 3.64", 400),
            (f"/{service}/nothing", "volume 3.64", 404),
        ):
            answer = requests.get(
                base_url + path,
                headers={
                    "X-Auth-Token": token,
                    "OpenStack-API-Version": version,
                },
                timeout=10,
            )
            self.assertEqual(status, answer.status_code, path)
            self.assertIn("x-openstack-request-id", answer.headers)

    def test_members_see_their_own(self) -> None:
        member = self.door("member-000001", "project-00000")
        found = [each for page in member.volume_pages() for each in page.items]
        self.assertEqual(
            {SHAPE.project_id(0)}, {each.project_id for each in found}
        )
        self.assertRaises(
            errors.NotFoundError, member.volume, SHAPE.volume_id(2)
        )
        self.assertRaises(errors.ForbiddenError, list, member.server_pages())

    def test_what_others_depend_on(self) -> None:
        # An administrator's door looks for children before it asks.
        volume = next(
            each
            for each in SHAPE.selected_volumes
            if SHAPE.project_of_volume(each) == 0
        )
        full, child, *_ = map(SHAPE.backup_id, SHAPE.backups_of(volume))
        project = SHAPE.project_id(0)
        url = f"{self.simulated.url}/volume/v3/{project}/backups/{full}"
        headers = {"X-Auth-Token": self._token("member-000001", project)}
        refused = requests.delete(url, headers=headers, timeout=10)
        self.assertEqual(400, refused.status_code)
        self.assertIn("Incremental backups exist", refused.text)
        error = self.assertRaises(
            errors.DependentsError, self.cloud.delete_backup, full
        )
        self.assertEqual((child,), error.backups)

    def _token(self, user: str, project_id: str) -> str:
        """A user's token in the scope of a project."""
        password = self.simulated.environment()["OS_PASSWORD"]
        answer = requests.post(
            f"{self.simulated.auth_url}/v3/auth/tokens",
            json={
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "name": user,
                                "domain": {"id": "default"},
                                "password": password,
                            }
                        },
                    },
                    "scope": {"project": {"id": project_id}},
                }
            },
            timeout=10,
        )
        return answer.headers["X-Subject-Token"]


class TestWhatGoesWrong(SimulatedCase):
    """By itself, and as it is told."""

    def test_backups_end_by_themselves(self) -> None:
        self.simulated.behave(backup_time=0.0, delete_time=0.0)
        made = self.cloud.create_backup(self.request(self.free_volume()))
        self.assertEqual("available", self.status_of(made))
        self.cloud.delete_backup(made)
        self.assertRaises(errors.NotFoundError, self.cloud.backup, made)

    def test_backups_fail(self) -> None:
        self.simulated.behave(backup_time=0.0, backup_errors=1.0)
        made = self.cloud.create_backup(self.request(self.free_volume()))
        found = self.cloud.backup(made)
        self.assertEqual("error", found.status)
        self.assertIn("lets it fail", found.fail_reason or "")
        volume = self.cloud.volume(SHAPE.volume_id(self.free_volume()))
        self.assertEqual("in-use", volume.status)
        self.simulated.behave(delete_time=0.0, delete_errors=1.0)
        self.cloud.delete_backup(made)
        self.assertEqual("error_deleting", self.status_of(made))

    def test_requests_fail_so_many_times(self) -> None:
        once = Failure(how="503", path="/volumes/detail", times=1)
        self.simulated.behave(failures=[once])
        error = self.assertRaises(
            errors.NoAnswerError, list, self.cloud.volume_pages()
        )
        self.assertEqual(503, error.status)
        self.assertEqual(3, len(list(self.cloud.volume_pages())))

    def test_answers_that_do_not_come(self) -> None:
        self.cloud.backup_services()
        for how, done in (("cut", 0), ("cut-after", 1), ("silence", 1)):
            volume = self.free_volume()
            asked = self.request(volume)
            before = len(self._backups(asked))
            self.simulated.behave(
                failures=[Failure(how=how, method="POST", service="volume")]
            )
            self.assertRaises(
                errors.NoAnswerError, self.cloud.create_backup, asked
            )
            self.simulated.behave(failures=[])
            self.assertEqual(before + done, len(self._backups(asked)), how)
            self.simulated.settle()

    def _backups(self, asked: model.BackupRequest) -> list[model.CloudBackup]:
        return self.cloud.backups_of_volume(asked.project_id, asked.volume_id)

    def test_tokens_that_are_good_no_longer(self) -> None:
        for _ in range(2):
            self.cloud.backup_services()
            self.simulated.revoke_tokens()
        service = SHAPE.service_project_id
        self.assertEqual(2, self.simulated.counts().tokens[service])

    def test_a_clock_that_is_ahead(self) -> None:
        before = self.cloud.time()
        self.simulated.behave(clock_ahead=86400.0)
        self.assertEqual(1, (self.cloud.time() - before).days)

    def test_pages_that_are_smaller(self) -> None:
        self.simulated.behave(page_limit=4)
        pages = [len(page.items) for page in self.cloud.volume_pages()]
        self.assertEqual([4, 4, 4, 1], pages)

    def test_what_lists_show_after_a_change(self) -> None:
        list(self.cloud.volume_pages())
        volume = SHAPE.volume_id(12)
        self.simulated.change_volume(volume, "maintenance")
        self.simulated.remove_volume(SHAPE.volume_id(11))
        pages = list(self.cloud.volume_pages())
        self.assertEqual(12, pages[0].total)
        self.assertEqual("maintenance", pages[0].items[0].status)
        self.assertRaises(
            errors.NotFoundError, self.cloud.volume, SHAPE.volume_id(11)
        )
