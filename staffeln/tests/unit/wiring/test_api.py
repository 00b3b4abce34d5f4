# SPDX-License-Identifier: Apache-2.0
"""From a configuration to the REST API."""

from __future__ import annotations

from oslo_config import cfg

from staffeln import conf
from staffeln.api import serving, sockets
from staffeln.conf import logs
from staffeln.db import check
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.wiring import api

ID = "0e1b9a04-4a0f-4d8c-9d52-5d6d4e2c7fd5"


class ApiTest(base.TestCase):
    def read(self, text: str = "") -> cfg.ConfigOpts:
        path = self.home / "staffeln.conf"
        path.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\n"
            f"[database]\nconnection = sqlite:///{self.home}/x.sqlite\n"
            f"{text}"
        )
        return conf.load(
            ["--config-file", str(path)], prog="x", reader=conf.Reader.API
        )

    def test_a_database_that_is_away_is_no_reason_not_to_be_made(
        self,
    ) -> None:
        made = api.application(self.read())
        asked = made.test_client().post(f"/v1/backup?backup_id={ID}")
        self.assertEqual((200, "False"), (asked.status_code, asked.text))
        self.assertEqual(404, made.test_client().get("/metrics").status_code)

    def test_metrics_are_answered_where_they_are_handed_in(self) -> None:
        made = api.application(self.read(), lambda: b"x 1\n")
        self.assertEqual("x 1\n", made.test_client().get("/metrics").text)

    def test_options_reach_the_application(self) -> None:
        made = api.application(self.read("[api]\nmax_body = 1024\n"))
        asked = made.test_client().post(
            f"/v1/backup?backup_id={ID}", data=b"x" * 1025
        )
        self.assertEqual(413, asked.status_code)

    def test_a_database_without_a_file_keeps_the_server_from_starting(
        self,
    ) -> None:
        self.assertRaises(errors.SchemaError, api.check, self.read())

    def test_a_url_that_its_driver_cannot_use_does_as_well(self) -> None:
        for url in ("mysql+nothing://h/d", "mysql://h/d?connect_timeout=abc"):
            wrong = self.read(f"[database]\nconnection = {url}\n")
            self.assertRaises(errors.ConfigurationError, api.check, wrong)

    def test_each_thread_has_a_connection(self) -> None:
        sizes: list[int] = []
        real = check.SqlLookup

        def note(found: cfg.ConfigOpts, size: int) -> check.SqlLookup:
            sizes.append(size)
            return real(found, size)

        self.patch(check, "SqlLookup", note)
        for threads in (1, 40, 256):
            api.application(self.read(f"[api]\nthreads = {threads}\n"))
        self.assertEqual([1, 40, check.LARGEST_POOL], sizes)

    def test_a_state_path_that_cannot_be_used_keeps_it_from_starting(
        self,
    ) -> None:
        (self.home / "x.sqlite").touch()
        api.check(self.read())
        found = self.read()
        found.set_override("state_path", f"{self.home}/none")
        error = self.assertRaises(errors.ConfigurationError, api.check, found)
        self.assertIn(f"state_path {self.home}/none: No such", str(error))

    def test_each_option_reaches_the_server(self) -> None:
        found: list[serving.Settings] = []
        self.patch(
            serving.Server, "prepare", lambda _, made: found.append(made)
        )
        self.patch(serving.Server, "run", lambda *_: 0)
        self.patch(api, "check", lambda _: None)
        self.patch(logs, "begin", lambda _: None)
        text = (
            "[api]\nhost = ::1\nport = 1\nworkers = 2\nthreads = 3\n"
            "request_timeout = 4\nworker_timeout = 5\ngraceful_timeout = 6\n"
            "metrics_enabled = true\nmetrics_host = ::2\nmetrics_port = 7\n"
        )
        self.assertEqual(0, api.run(lambda: self.read(text)))
        expected = serving.Settings(
            addresses=(
                sockets.Address("::1", 1, "host, port", secure=False),
                sockets.Address(
                    "::2", 7, "metrics_host, metrics_port", secure=False
                ),
            ),
            tls=None,
            workers=2,
            threads=3,
            request_timeout=4,
            worker_timeout=5,
            graceful_timeout=6,
            metrics=True,
        )
        self.assertEqual([expected], found)
