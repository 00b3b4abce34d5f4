# SPDX-License-Identifier: Apache-2.0
"""Sockets of the server, and which of them answers what."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from typing import Any

from staffeln.api import serving, sockets
from staffeln.domain import errors
from staffeln.tests import base


def settings(*ports: int, host: str = "127.0.0.1") -> serving.Settings:
    return serving.Settings(
        addresses=tuple(
            sockets.Address(host, port, "host, port", secure=False)
            for port in ports
        ),
        tls=None,
        workers=1,
        threads=1,
        request_timeout=3,
        worker_timeout=30,
        graceful_timeout=30,
        metrics=False,
    )


class SocketTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = serving.Server()
        self.addCleanup(self.server.drop)

    def taken(self) -> int:
        other = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(other.close)
        return int(other.getsockname()[1])

    def free(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as other:
            return int(other.getsockname()[1])

    def adopt(self) -> list[Any]:
        _, found = self.server.adopt()
        for each in found:
            self.addCleanup(each.close)
        return list(found)

    def test_a_port_in_use_may_be_free_later(self) -> None:
        port = self.taken()
        error = self.assertRaises(
            sockets.AddressError, self.server.prepare, settings(port)
        )
        self.assertEqual(
            f"[api] host, port: http://127.0.0.1:{port} is in use already",
            str(error),
        )

    def test_of_two_addresses_none_is_kept_where_one_is_in_use(self) -> None:
        free = self.free()
        self.assertRaises(
            sockets.AddressError,
            self.server.prepare,
            settings(free, self.taken()),
        )
        socket.create_server(("127.0.0.1", free)).close()

    def test_a_name_that_is_not_known(self) -> None:
        for host in ("nowhere.invalid", "x" * 64):
            error = self.assertRaises(
                sockets.AddressError,
                self.server.prepare,
                settings(1, host=host),
            )
            self.assertIn(f"http://{host}:1 cannot be listened", str(error))

    def test_an_address_of_another_host(self) -> None:
        self.assertRaises(
            sockets.AddressError,
            self.server.prepare,
            settings(self.free(), host="192.0.2.1"),
        )

    def test_a_privileged_port_is_no_passing_trouble(self) -> None:
        denied = PermissionError(13, "Permission denied")
        self.patch(sockets.Listener, "bind", _raising(denied))
        error = self.assertRaises(
            errors.ConfigurationError, self.server.prepare, settings(80)
        )
        self.assertIn("Permission denied", str(error))

    def test_a_socket_in_use_stays_the_same(self) -> None:
        first, second = self.free(), self.free()
        self.server.prepare(settings(first))
        (one,) = self.adopt()
        self.server.prepare(settings(first, second))
        again, more = self.adopt()
        self.assertIs(one, again)
        self.assertEqual(second, more.getsockname()[1])
        self.server.prepare(settings(second))
        (last,) = self.adopt()
        self.assertIs(more, last)
        self.assertEqual(-1, one.fileno())

    def test_what_is_not_used_is_closed(self) -> None:
        first, second = self.free(), self.free()
        self.server.prepare(settings(first))
        self.adopt()
        self.server.prepare(settings(second))
        self.server.drop()
        socket.create_server(("127.0.0.1", second)).close()

    def test_an_address_of_ipv6_is_shown_as_a_url_has_it(self) -> None:
        shown = sockets.Address("::1", 5, "host, port", secure=True)
        self.assertEqual("https://[::1]:5", str(shown))


class MetricsApartTest(base.TestCase):
    def ask(self, port: str, path: str) -> bytes:
        def application(*_: object) -> Iterable[bytes]:
            return [b"answered"]

        told: list[str] = []
        made = serving.with_metrics_apart(application, 9)
        (body,) = made(
            {"SERVER_PORT": port, "PATH_INFO": path},
            lambda status, _: told.append(status),
        )
        if told:
            self.assertEqual(["404 Not Found"], told)
            error = json.loads(body)["error"]
            self.assertEqual(404, error["code"])
            self.assertRegex(error["request_id"], "^req-")
            return b"none"
        return body

    def test_each_address_answers_its_own(self) -> None:
        self.assertEqual(b"answered", self.ask("9", "/metrics"))
        self.assertEqual(b"answered", self.ask("8", "/v1/backup"))
        self.assertEqual(b"none", self.ask("8", "/metrics"))
        self.assertEqual(b"none", self.ask("9", "/v1/backup"))
        self.assertEqual(b"none", self.ask("9", "/metrics/"))


def _raising(error: Exception) -> Callable[..., None]:
    def act(*_: object) -> None:
        raise error

    return act
