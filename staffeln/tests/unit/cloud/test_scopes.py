# SPDX-License-Identifier: Apache-2.0
"""Tokens: few, shared, renewed, and never taken for something else."""

import concurrent.futures
import dataclasses
import datetime
import socket
import threading
from unittest import mock

from staffeln.cloud import scopes
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply, fault

PROJECT = "ab" * 16
OTHER = "cd" * 16
VOLUME = "11111111-1111-1111-1111-111111111111"
EMPTY = Reply(200, {"backups": []})
LIST = "/backups/detail"


class TestScopes(base.TestCase):
    """With real HTTP to Keystone."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.services.projects |= {PROJECT, OTHER}
        self.services.reply("GET", LIST, EMPTY)
        self.clock = loopback.SteppedClock()
        self.cloud = self.services.cloud(self.clock)

    def read(self, project_id: str = PROJECT) -> None:
        self.cloud.backups_of_volume(project_id, VOLUME)

    def test_each_scope_has_one_token(self) -> None:
        for _ in range(3):
            self.read()
            self.read(OTHER)
            list(self.cloud.backup_pages())
        self.assertEqual(
            {PROJECT: 1, OTHER: 1, loopback.SERVICE_PROJECT: 1},
            dict(self.services.tokens),
        )
        self.assertEqual(
            [f"token-{PROJECT}-1", f"token-{OTHER}-1"],
            [
                request.headers["x-auth-token"]
                for request in self.services.asked("GET", LIST)[:2]
            ],
        )

    def test_the_services_own_project_needs_no_second_token(self) -> None:
        self.read(loopback.SERVICE_PROJECT)
        self.assertEqual(1, self.services.tokens.total())

    def test_many_threads_ask_once(self) -> None:
        together = threading.Barrier(12)

        def read() -> None:
            together.wait(30)
            self.read()

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for done in [pool.submit(read) for _ in range(12)]:
                done.result()
        self.assertEqual(1, self.services.tokens[PROJECT])
        self.assertEqual(1, self.services.tokens[loopback.SERVICE_PROJECT])
        self.assertEqual(1, len(self.services.asked("GET", "/volume/v3/")))

    def test_a_token_about_to_expire_is_renewed(self) -> None:
        self.services.token_lifetime = datetime.timedelta(seconds=100)
        self.read()
        self.read()
        self.assertEqual(2, self.services.tokens[PROJECT])

    def test_a_refused_token_is_renewed_once(self) -> None:
        refused = Reply(401, {"error": {"message": "token", "code": 401}})
        self.services.reply("GET", LIST, refused, EMPTY)
        self.read()
        self.assertEqual(2, self.services.tokens[PROJECT])
        self.services.reply("GET", LIST, refused)
        error = self.assertRaises(errors.CloudError, self.read)
        self.assertIs(errors.TokenRefusedError, type(error))
        self.assertEqual(3, self.services.tokens[PROJECT])

    def test_the_least_used_project_is_forgotten(self) -> None:
        with mock.patch.object(scopes, "PROJECTS_KEPT", 1):
            self.read()
            self.read(OTHER)
            self.read()
        self.assertEqual(2, self.services.tokens[PROJECT])

    def test_a_missing_role_names_the_project(self) -> None:
        self.services.projects.remove(PROJECT)
        error = self.assertRaises(errors.NoRoleError, self.read)
        self.assertIn(f"no role in project {PROJECT}", str(error))
        self.assertEqual([], self.services.asked("GET", LIST))
        self.read(OTHER)

    def test_a_missing_role_is_not_asked_about_again_at_once(self) -> None:
        self.services.projects.remove(PROJECT)
        for _ in range(5):
            self.assertRaises(errors.NoRoleError, self.read)
        self.assertEqual(1, self.services.tokens[PROJECT])
        self.services.projects.add(PROJECT)
        self.clock.now += scopes.REFUSAL_KEPT
        self.read()
        self.assertEqual(2, self.services.tokens[PROJECT])

    def test_a_changed_password_is_no_missing_role(self) -> None:
        self.read(OTHER)
        self.services.password = "another"
        error = self.assertRaises(errors.CloudError, self.read)
        self.assertIs(errors.ForbiddenError, type(error))
        self.assertIn("refuses the service user's credentials", str(error))

    def test_a_wrong_password_is_told_in_one_line(self) -> None:
        self.services.password = "another"
        error = self.assertRaises(errors.CloudError, self.cloud.identity)
        self.assertIs(errors.ForbiddenError, type(error))
        self.assertNotIn("\n", str(error))
        self.assertNotIn(loopback.PASSWORD, str(error) + self.log.output)

    def test_keystone_out_of_order_is_no_missing_role(self) -> None:
        list(self.cloud.backup_pages())
        for reply in (Reply(reset=True), Reply(503, "x"), Reply(500, "x")):
            self.services.token_replies = [reply]
            error = self.assertRaises(errors.CloudError, self.read)
            self.assertIs(errors.NotSentError, type(error))
            self.assertIn("Keystone", str(error))

    def test_an_odd_answer_of_keystone_is_an_error_of_ours(self) -> None:
        for reply in (
            Reply(200, "<html>login</html>"),
            Reply(201, {"token": {}}),
            Reply(201, [], {"X-Subject-Token": "x"}),
            Reply(302, "", {"Location": "/v3/auth/tokens"}),
            Reply(201, "[" * 100_000, {"X-Subject-Token": "x"}),
        ):
            self.services.token_replies = [reply] * 50
            cloud = self.services.cloud(self.clock)
            self.assertRaises(errors.CloudError, cloud.identity)

    def test_a_token_of_an_application_credential_is_refused(self) -> None:
        self.services.extra = {"application_credential": {"id": "x"}}
        error = self.assertRaises(errors.CloudError, self.cloud.identity)
        self.assertIn("application credential", str(error))

    def test_no_administrator(self) -> None:
        self.services.reply(
            "GET", "/os-services", fault("forbidden", 403, "not you")
        )
        error = self.assertRaises(
            errors.NotAdministratorError, self.cloud.backup_services
        )
        self.assertIn("administrator", str(error))

    def test_a_role_that_is_given_back_counts_at_once(self) -> None:
        """A token that was given without it has to go."""
        self.services.reply(
            "GET",
            "/os-services",
            Reply(403, {"forbidden": {"message": "no", "code": 403}}),
            Reply(body={"services": []}),
        )
        self.assertRaises(
            errors.NotAdministratorError, self.cloud.backup_services
        )
        before = len(self.services.asked("POST", "/v3/auth/tokens"))
        self.assertEqual([], self.cloud.backup_services())
        after = len(self.services.asked("POST", "/v3/auth/tokens"))
        self.assertEqual(before + 1, after)

    def test_nothing_secret_is_logged(self) -> None:
        self.read()
        self.assertNotIn(loopback.PASSWORD, self.log.output)
        self.assertNotIn(f"token-{PROJECT}", self.log.output)
        self.assertIn("GET http://127.0.0.1", self.log.output)
        self.assertNotIn(loopback.PASSWORD, repr(self.services.settings()))

    def test_a_password_in_the_address_of_keystone_is_not_logged(self) -> None:
        known = self.services.credentials()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        url = f"http://me:url-word@127.0.0.1:{port}"
        known = dataclasses.replace(
            known, auth={**known.auth, "auth_url": url}
        )
        cloud = self.services.cloud(self.clock, credentials=known)
        error = self.assertRaises(errors.CloudError, cloud.identity)
        self.assertNotIn("url-word", f"{error} {self.log.output}")
