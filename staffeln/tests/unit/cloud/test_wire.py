# SPDX-License-Identifier: Apache-2.0
"""What a session takes from the environment."""

from __future__ import annotations

import fixtures
import requests
from requests import utils

from staffeln.cloud import wire
from staffeln.ports import occasion
from staffeln.tests import base


class EnvironmentTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.asked: list[str] = []
        real = utils.get_environ_proxies

        def ask(url: str, **others: str | None) -> dict[str, str]:
            self.asked.append(url)
            return real(url, **others)

        for name, value in (
            ("http_proxy", "http://proxy.example:3128"),
            ("no_proxy", "near.example"),
        ):
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        self.useFixture(
            fixtures.MonkeyPatch("requests.sessions.get_environ_proxies", ask)
        )
        self.session = wire.requests_session(wire.Wire(1, 1))

    def proxies(self, url: str) -> dict[str, str]:
        found = self.session.merge_environment_settings(
            url, {}, None, True, None
        )
        proxies: dict[str, str] = found["proxies"]
        return proxies

    def test_each_host_has_its_own_proxies(self) -> None:
        for _ in range(2):
            far = self.proxies("http://far.example/a")
            self.assertEqual("http://proxy.example:3128", far["http"])
            self.assertNotIn("http", self.proxies("http://near.example/a"))

    def test_the_environment_is_read_once_for_a_host(self) -> None:
        for path in "abc":
            self.proxies(f"http://far.example/{path}")["http"] = "changed"
        self.assertEqual(["http://far.example/a"], self.asked)
        self.assertEqual(
            "http://proxy.example:3128",
            self.proxies("http://far.example/d")["http"],
        )


class RequestIdTest(base.TestCase):
    """Services write the id of what we do into logs of their own."""

    def sent(self, **headers: str) -> str | None:
        request = requests.Request(
            "GET", "http://127.0.0.1:1/", headers=headers
        ).prepare()
        self.assertRaises(
            requests.ConnectionError, wire.Wire(1, 1).send, request
        )
        found = request.headers.get("x-openstack-request-id")
        return None if found is None else str(found)

    def test_it_goes_with_each_request(self) -> None:
        with occasion.about(request="req-1"):
            self.assertEqual("req-1", self.sent())

    def test_one_that_is_there_stays(self) -> None:
        with occasion.about(request="req-1"):
            self.assertEqual(
                "req-2", self.sent(**{"X-Openstack-Request-Id": "req-2"})
            )

    def test_without_an_occasion_there_is_none(self) -> None:
        self.assertIsNone(self.sent())
