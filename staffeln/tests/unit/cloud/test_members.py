# SPDX-License-Identifier: Apache-2.0
"""Who is written to about a project, and what its quotas are."""

from typing import Any

from staffeln.domain import errors, report
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply

PROJECT = "ab" * 16
ABOVE = "cd" * 16
ANN = "a1" * 16
BOB = "b2" * 16
ROLE = "e0" * 16
V3 = "http://keystone.example/identity/v3"


def assignment(
    user: str = ANN,
    link: str = f"/projects/{PROJECT}/users/{ANN}/roles/{ROLE}",
    role: str = "member",
    **changes: Any,
) -> dict[str, Any]:
    """A role assignment as Keystone shows it, effective and with names."""
    row = {
        "role": {"id": ROLE, "name": role},
        "user": {"id": user, "name": "u", "domain": {"id": "default"}},
        "scope": {"project": {"id": PROJECT, "name": "p"}},
        "links": {"assignment": V3 + link},
    }
    return {**row, **changes}


def user(user_id: str, **changes: Any) -> Reply:
    """A user as Keystone shows them."""
    row = {
        "id": user_id,
        "name": "Ann",
        "email": "ann@demo.example",
        "enabled": True,
    }
    return Reply(200, {"user": {**row, **changes}})


class TestMembers(base.TestCase):
    """Keystone's answers, read."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.cloud = self.services.cloud()
        self.services.reply("GET", f"/users/{ANN}", user(ANN))

    def members(
        self, *rows: Any, roles: tuple[str, ...] = ("member",)
    ) -> list[report.Member]:
        self.services.reply(
            "GET",
            "/role_assignments",
            Reply(200, {"role_assignments": list(rows)}),
        )
        return self.cloud.members(PROJECT, roles)

    def test_what_is_asked(self) -> None:
        (found,) = self.members(assignment())
        self.assertEqual(
            report.Member(user_id=ANN, name="Ann", email="ann@demo.example"),
            found,
        )
        (request,) = self.services.asked("GET", "/role_assignments")
        self.assertEqual(PROJECT, request.query["scope.project.id"])
        self.assertIn("effective", request.query)
        self.assertIn("include_names", request.query)
        self.assertNotIn("openstack-api-version", request.headers)

    def test_where_an_assignment_comes_from(self) -> None:
        users, groups = f"users/{ANN}", f"groups/{BOB}"
        good = [
            f"/projects/{PROJECT}/{users}/roles/{ROLE}",
            f"/projects/{PROJECT}/{groups}/roles/{ROLE}",
            f"/OS-INHERIT/projects/{ABOVE}/{users}/roles/{ROLE}"
            "/inherited_to_projects",
            f"/OS-INHERIT/projects/{ABOVE}/{groups}/roles/{ROLE}"
            "/inherited_to_projects",
        ]
        bad = [
            f"/OS-INHERIT/domains/default/{users}/roles/{ROLE}"
            "/inherited_to_projects",
            f"/OS-INHERIT/domains/default/{groups}/roles/{ROLE}"
            "/inherited_to_projects",
            f"/domains/default/{users}/roles/{ROLE}",
            f"/system/{users}/roles/{ROLE}",
            "/projects",
            "",
        ]
        for link in good:
            self.assertEqual(1, len(self.members(assignment(link=link))), link)
        for link in bad:
            self.assertEqual([], self.members(assignment(link=link)), link)
        found = self.members(*(assignment(link=each) for each in good + bad))
        self.assertEqual(1, len(found))

    def test_roles_are_compared_by_name_in_any_case(self) -> None:
        row = assignment(role="Member")
        self.assertEqual(1, len(self.members(row)))
        self.assertEqual(1, len(self.members(row, roles=("x", "MEMBER"))))
        self.assertEqual([], self.members(row, roles=("membe",)))
        self.assertEqual([], self.members(row, roles=()))

    def test_the_service_user_is_left_out(self) -> None:
        self.services.reply(
            "GET", f"/users/{loopback.USER}", user(loopback.USER)
        )
        self.assertEqual([], self.members(assignment(loopback.USER)))
        self.assertEqual(
            [], self.services.asked("GET", f"/users/{loopback.USER}")
        )

    def test_who_cannot_be_written_to_is_left_out(self) -> None:
        for changes in (
            {"enabled": False},
            {"enabled": "true"},
            {"email": None},
            {"email": ""},
            {"email": " "},
            {"email": 7},
            {"email": ["a@b"]},
        ):
            reply = user(ANN, **changes)
            self.services.reply("GET", f"/users/{ANN}", reply)
            self.assertEqual([], self.members(assignment()), str(changes))
        title = {"code": 404, "title": "Not Found"}
        words = f"Could not find user: {ANN}."
        gone = Reply(404, {"error": {**title, "message": words}})
        self.services.reply("GET", f"/users/{ANN}", gone)
        self.assertEqual([], self.members(assignment()))

    def test_one_that_cannot_be_read_keeps_no_other_away(self) -> None:
        rows: list[Any] = [
            None,
            [],
            {},
            assignment(user=7),  # type: ignore[arg-type]
            assignment(role=None),  # type: ignore[arg-type]
            assignment(links={}),
            assignment(scope={"system": {"all": True}}),
            assignment(scope={"project": {"id": ABOVE}}),
        ]
        self.assertEqual(1, len(self.members(*rows, assignment())))
        self.assertIn("a role assignment cannot be read", self.log.output)

    def test_assignments_of_groups_alone_are_nobody(self) -> None:
        row = assignment()
        del row["user"]
        self.assertEqual([], self.members({**row, "group": {"id": BOB}}))

    def test_by_name_then_id(self) -> None:
        self.services.reply("GET", f"/users/{BOB}", user(BOB, name="Aaron"))
        found = self.members(assignment(ANN), assignment(BOB))
        self.assertEqual([BOB, ANN], [each.user_id for each in found])

    def test_a_failure_is_no_empty_list(self) -> None:
        fault = {"code": 403, "title": "Forbidden", "message": "not you"}
        for path, reply, expected in (
            (
                "/role_assignments",
                Reply(403, {"error": fault}),
                errors.ForbiddenError,
            ),
            (
                "/role_assignments",
                Reply(200, {"role_assignments": None}),
                errors.MalformedAnswerError,
            ),
            (f"/users/{ANN}", Reply(503, "busy"), errors.NoAnswerError),
            (
                f"/users/{ANN}",
                Reply(404, "<html>nothing here</html>"),
                errors.NoAnswerError,
            ),
        ):
            self.services.reply(
                "GET",
                "/role_assignments",
                Reply(200, {"role_assignments": [assignment()]}),
            )
            self.services.reply("GET", path, reply)
            self.assertRaises(
                expected, self.cloud.members, PROJECT, ["member"]
            )


class TestProjectList(base.TestCase):
    """Names of projects."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.cloud = self.services.cloud()

    def listed(self, *rows: Any, **more: Any) -> report.ProjectList:
        body = {"projects": list(rows), "links": {"next": None}, **more}
        self.services.reply("GET", "/projects", Reply(200, body))
        return self.cloud.project_list()

    def test_names_as_they_are(self) -> None:
        row = {"id": PROJECT, "name": "<script>\n ", "enabled": False}
        found = self.listed(row)
        self.assertEqual(
            (report.Project(id=PROJECT, name="<script>\n ", enabled=False),),
            found.projects,
        )
        self.assertTrue(found.complete)
        self.assertEqual(1, len(found))

    def test_a_list_that_is_cut_off_is_not_complete(self) -> None:
        row = {"id": PROJECT, "name": "demo", "enabled": True}
        self.assertFalse(self.listed(row, truncated=True).complete)
        self.assertFalse(self.listed(row, None).complete)
        self.assertTrue(self.listed(row, truncated=False).complete)

    def test_a_project_without_a_name_is_one(self) -> None:
        for name in (None, 7, ""):
            row = {"id": PROJECT, "name": name, "enabled": True}
            (found,) = self.listed(row)
            self.assertEqual("", found.name)


class TestQuotas(base.TestCase):
    """Cinder's quotas."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.cloud = self.services.cloud()

    def reply(self, **changes: Any) -> None:
        row = {"limit": 10, "in_use": 3, "reserved": 1, "allocated": 0}
        body = {
            "id": PROJECT,
            "backups": row,
            "backup_gigabytes": {**row, "limit": -1, "in_use": 300},
            **changes,
        }
        self.services.reply(
            "GET", f"/os-quota-sets/{PROJECT}", Reply(200, {"quota_set": body})
        )

    def test_limits_and_use(self) -> None:
        self.reply()
        found = self.cloud.quotas(PROJECT)
        self.assertEqual(
            report.Quotas(
                backups=report.Quota(limit=10, in_use=3, reserved=1),
                gigabytes=report.Quota(
                    limit=report.UNLIMITED, in_use=300, reserved=1
                ),
            ),
            found,
        )
        (request,) = self.services.asked("GET", f"/os-quota-sets/{PROJECT}")
        self.assertEqual({"usage": "true"}, request.query)
        self.assertEqual(
            f"token-{loopback.SERVICE_PROJECT}-1",
            request.headers["x-auth-token"],
        )

    def test_zero_is_a_limit(self) -> None:
        self.reply(backups={"limit": 0, "in_use": 0, "reserved": 0})
        self.assertEqual(0, self.cloud.quotas(PROJECT).backups.limit)

    def test_what_cannot_be_read(self) -> None:
        for bad in (
            None,
            7,
            {},
            {"limit": "10", "in_use": 0, "reserved": 0},
            {"limit": True, "in_use": 0, "reserved": 0},
            {"limit": 1, "in_use": None, "reserved": 0},
        ):
            self.reply(backups=bad)
            self.assertRaises(
                errors.MalformedAnswerError, self.cloud.quotas, PROJECT
            )
