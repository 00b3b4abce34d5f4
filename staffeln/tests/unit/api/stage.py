# SPDX-License-Identifier: Apache-2.0
"""The application, with doors that say what a test says."""

from __future__ import annotations

from typing import Any

import werkzeug.test

from staffeln.api import app
from staffeln.domain import checking
from staffeln.tests import base

ID = "0a1b2c3d-1111-2222-3333-444455556666"
CHECK = f"/v1/backup?backup_id={ID}"
REQUEST = "req-0a1b2c3d-1111-2222-3333-444455556666"


class Check:
    """Allows everything, until it is told not to."""

    def __init__(self) -> None:
        self.allowed: Any = True
        self.failure: BaseException | None = None
        self.asked: list[checking.DeletionQuestion] = []

    def may_delete(
        self, asked: checking.DeletionQuestion
    ) -> checking.DeletionAnswer:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure
        return checking.DeletionAnswer(allowed=self.allowed, why="said so")


class Health:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self.failure: Exception | None = None

    def live(self) -> None:
        if self.failure is not None:
            raise self.failure

    def ready(self) -> list[str]:
        self.live()
        return self.problems


class ApiCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.check, self.health = Check(), Health()
        self.client = self.new_client()

    def new_client(self, **changes: Any) -> werkzeug.test.Client:
        parts = {
            "check": self.check,
            "health": self.health,
            "metrics": None,
            **changes,
        }
        made = app.create_app(app.Parts(**parts))
        return werkzeug.test.Client(made.wsgi_app)

    def ask(
        self, path: str = CHECK, method: str = "POST", **how: Any
    ) -> werkzeug.test.TestResponse:
        """One request; its answer is of the form that all have."""
        environ = {"REMOTE_ADDR": "127.0.0.1"}
        environ |= how.pop("environ_overrides", {})
        answer = self.client.open(
            path, method=method, environ_overrides=environ, **how
        )
        self.assertRegex(
            answer.headers["X-Openstack-Request-Id"], "^req-[0-9a-fA-F-]{36}$"
        )
        if answer.status_code != 200:
            self.assertNotEqual("True", answer.text.strip('"'))
        return answer

    def assert_refused(
        self, status: int, answer: werkzeug.test.TestResponse
    ) -> None:
        self.assertEqual(status, answer.status_code, answer.text)
        self.assertEqual("application/json", answer.content_type)
        found = answer.get_json()["error"]
        self.assertEqual(
            {"code", "title", "message", "request_id"}, found.keys()
        )
        self.assertEqual(status, found["code"])
        self.assertEqual(
            answer.headers["X-Openstack-Request-Id"], found["request_id"]
        )
