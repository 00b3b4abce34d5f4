# SPDX-License-Identifier: Apache-2.0
"""Keystone is found wherever it is, and tells which projects there are."""

from typing import Any

from staffeln.cloud import openstack
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply

PROJECT = "ab" * 16
PATH = f"/projects/{PROJECT}"


def project(project_id: str = PROJECT, **changes: Any) -> dict[str, Any]:
    """A project as Keystone shows it."""
    row = {"id": project_id, "name": "p", "enabled": True, "domain_id": "d"}
    return {**row, **changes}


def gone(words: str) -> Reply:
    """A 404 in Keystone's form."""
    title = {"code": 404, "title": "Not Found"}
    return Reply(404, {"error": {**title, "message": words}})


class ProjectsCase(base.TestCase):
    """Common ground."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.cloud = self.services.cloud()


class TestProject(ProjectsCase):
    """One of them."""

    def test_it_is_enabled_or_not(self) -> None:
        for enabled in (True, False):
            row = project(enabled=enabled)
            self.services.reply("GET", PATH, Reply(200, {"project": row}))
            self.assertIs(enabled, self.cloud.project(PROJECT))
        request = self.services.asked("GET", PATH)[0]
        self.assertEqual(
            f"token-{loopback.SERVICE_PROJECT}-1",
            request.headers["x-auth-token"],
        )
        self.assertNotIn("openstack-api-version", request.headers)

    def test_only_keystones_own_words_prove_that_it_is_gone(self) -> None:
        words = f"Could not find project: {PROJECT}."
        self.services.reply("GET", PATH, gone(words))
        error = self.assertRaises(
            errors.NotFoundError, self.cloud.project, PROJECT
        )
        self.assertIn(words, str(error))
        for reply in (
            gone("The requested URL was not found."),
            Reply(404, f"<html>{words}</html>"),
            Reply(404, {"message": words}),
            Reply(404, {"error": words}),
            loopback.fault("itemNotFound", 404, words),
        ):
            with self.subTest(reply=str(reply)):
                self.services.reply("GET", PATH, reply)
                unproved = self.assertRaises(
                    errors.CloudError, self.cloud.project, PROJECT
                )
                self.assertIs(errors.NoAnswerError, type(unproved))

    def test_what_keystone_calls_an_error_is_none_of_cinders(self) -> None:
        words = f"Backup {PROJECT} could not be found."
        self.services.reply("GET", f"/backups/{PROJECT}", gone(words))
        error = self.assertRaises(
            errors.CloudError, self.cloud.backup, PROJECT
        )
        self.assertIs(errors.NoAnswerError, type(error))

    def test_a_refusal_is_told(self) -> None:
        fault = {"code": 403, "title": "Forbidden", "message": "not you"}
        for path, call in (
            (PATH, lambda: self.cloud.project(PROJECT)),
            ("/projects", self.cloud.projects),
        ):
            self.services.reply("GET", path, Reply(403, {"error": fault}))
            error = self.assertRaises(errors.ForbiddenError, call)
            self.assertIn("Keystone: not you", str(error))

    def test_a_malformed_project_is_no_answer(self) -> None:
        rows: list[Any] = [
            None,
            [],
            {},
            project(enabled="false"),
            project(enabled=None),
            project(7),  # type: ignore[arg-type]
        ]
        for row in rows:
            self.services.reply("GET", PATH, Reply(200, {"project": row}))
            self.assertRaises(
                errors.MalformedAnswerError, self.cloud.project, PROJECT
            )

    def test_an_id_is_no_path(self) -> None:
        self.services.reply(
            "GET", "/projects/a%2Fb%3Fc", Reply(200, {"project": project()})
        )
        self.assertIs(True, self.cloud.project("a/b?c"))


class TestProjects(ProjectsCase):
    """All of them."""

    def serve(self, rows: Any, **more: Any) -> None:
        self.services.reply(
            "GET", "/projects", Reply(200, {"projects": rows, **more})
        )

    def test_one_call_tells_all(self) -> None:
        rows = [project(str(n), enabled=n != 2) for n in range(5)]
        self.serve(rows, truncated=True, links={"next": "http://x/"})
        self.assertEqual(
            {"0": True, "1": True, "2": False, "3": True, "4": True},
            self.cloud.projects(),
        )
        (request,) = self.services.asked("GET", "/projects")
        self.assertEqual({}, request.query)

    def test_what_cannot_be_read_is_left_out(self) -> None:
        bad: list[Any] = [None, 7, {}, project("a", enabled=1), project("")]
        self.serve([*bad, project("good")])
        self.assertEqual({"good": True}, self.cloud.projects())

    def test_a_list_must_be_a_list(self) -> None:
        shapes: list[Any] = [{}, None, "x"]
        for rows in shapes:
            self.serve(rows)
            self.assertRaises(errors.MalformedAnswerError, self.cloud.projects)


class TestKeystonesPlace(ProjectsCase):
    """The catalogue need not be right."""

    def place(self, **changes: Any) -> str:
        """Where a fresh cloud asks for the projects."""
        cloud = self.services.cloud(
            credentials=self.services.credentials(**changes)
        )
        body: dict[str, Any] = {"projects": []}
        for base_path in ("", "/identity/v3"):
            self.services.reply(
                "GET", f"{base_path}/projects", Reply(200, body)
            )
        self.services.requests.clear()
        cloud.projects()
        return self.services.requests[-1].path

    def test_the_version_may_be_missing_or_old(self) -> None:
        for path in ("", "/", "/v3", "/v3/", "/v2.0"):
            with self.subTest(path=path):
                self.services.identity = path
                self.assertEqual("/v3/projects", self.place())
        self.services.identity = "/v3/identity"
        self.assertEqual("/v3/identity/v3/projects", self.place())

    def test_where_the_catalogue_is_silent_it_gave_the_token(self) -> None:
        self.services.identity = None
        self.assertEqual("/v3/projects", self.place())
        self.services.identity = "/v3/identity"
        for changes in ({"region": "West"}, {"interface": "internal"}):
            with self.subTest(**changes):
                self.assertEqual("/v3/projects", self.place(**changes))

    def test_the_place_may_be_set(self) -> None:
        url = f"{self.services.url}/v3/identity"
        self.assertEqual(
            "/v3/identity/v3/projects",
            self.place(endpoints={"identity": url}),
        )

    def test_calls_are_named_for_the_observer(self) -> None:
        seen: list[tuple[object, ...]] = []
        cloud = openstack.OpenStackCloud(
            self.services.settings(), observe=lambda *call: seen.append(call)
        )
        self.services.reply("GET", PATH, gone(f"no project {PROJECT}"))
        self.assertRaises(errors.NotFoundError, cloud.project, PROJECT)
        self.assertEqual(
            [
                ("identity", "GET", "/v3", 200),
                ("identity", "POST", "/v3/auth/tokens", 201),
                ("identity", "GET", "/v3/projects/{id}", 404),
            ],
            [call[:4] for call in seen],
        )

    def test_no_document_of_versions_is_read(self) -> None:
        self.place()
        self.assertEqual(
            ["/v3", "/v3/auth/tokens", "/v3/projects"],
            [request.path for request in self.services.requests],
        )
