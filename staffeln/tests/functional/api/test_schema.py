# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document says is what is answered, to whatever is sent.

schemathesis makes the requests, of the document's form and not of it, and
holds each answer against it: statuses, content types, headers, schemas.
"""

from __future__ import annotations

from typing import Any

import hypothesis
import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from staffeln import ports
from staffeln.api import app
from staffeln.domain import checking, errors
from staffeln.metrics import prometheus
from staffeln.tests.fakes.memory_lookup import MemoryLookup
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.functional.db import store_case
from staffeln.workflow import requests

EXAMPLES = 150
"""Of each route and of each way to make them."""

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


class SchemaTest(store_case.StoreCase):
    """The application over the fake database; a few states of that."""

    def new_store(self) -> ports.Store:
        return MemoryStore()

    def setUp(self) -> None:
        super().setUp()
        self.store.bind_cloud(store_case.IDENTITY)
        self.lookup = MemoryLookup(self.store)
        made = app.create_app(
            app.Parts(
                requests.DeletionRequests(self.lookup, None),
                requests.Readiness(self.lookup, None),
                prometheus.render,
            )
        )
        self.schema = schemathesis.openapi.from_wsgi(
            "/openapi.json", made.wsgi_app
        )
        self.texts: list[str] = []

    def attack(self, path: str, method: str) -> None:
        """Send much to a route, and look at what comes back."""
        operation = self.schema[path][method]
        modes = [schemathesis.GenerationMode.POSITIVE]
        if len(operation.query) or len(operation.body):
            # Without parameters there is nothing to be wrong.
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for mode in modes:
            strategy = operation.as_strategy(generation_mode=mode)
            self._attack_with(strategy, path, method)

    def _attack_with(
        self, strategy: st.SearchStrategy[Any], path: str, method: str
    ) -> None:
        @hypothesis.settings(
            max_examples=EXAMPLES,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(strategy)
        def one(case: Any) -> None:
            answer = case.call()
            # Documented, and never to be seen; 503 is.
            self.assertNotEqual(500, answer.status_code)
            case.validate_response(answer, checks=CHECKS)
            self.texts.append(answer.text)
            if (path, method) != ("/v1/backup", "POST"):
                self.assertNotEqual("True", answer.text.strip('"'))
            if answer.status_code != 200:
                self.assertNotEqual("True", answer.text.strip('"'))

        one()

    def test_the_check(self) -> None:
        self.attack("/v1/backup", "POST")
        self.assertIn("True", self.texts)

    def test_the_check_without_a_database(self) -> None:
        self.lookup.failure = errors.StoreError("away")
        self.attack("/v1/backup", "POST")
        self.assertNotIn("True", self.texts)
        self.assertIn("False", self.texts)

    def test_the_check_of_another_schema(self) -> None:
        self.lookup.schema_is_current = False
        self.attack("/v1/backup", "POST")
        self.assertNotIn("True", self.texts)

    def test_health(self) -> None:
        self.attack("/v1/health", "GET")

    def test_bad_health(self) -> None:
        self.lookup.failure = errors.StoreError("away")
        self.attack("/v1/health", "GET")
        self.assertTrue(
            any(str(checking.Doubt.NO_ANSWER) in text for text in self.texts)
        )

    def test_the_document(self) -> None:
        self.attack("/openapi.json", "GET")

    def test_metrics(self) -> None:
        self.attack("/metrics", "GET")
