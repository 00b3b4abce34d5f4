# SPDX-License-Identifier: Apache-2.0
"""What all requests have in common, and the other routes."""

from __future__ import annotations

import concurrent.futures
import logging
from typing import Any

import werkzeug.test
from openapi_spec_validator import OpenAPIV31SpecValidator

from staffeln.api import app, openapi, routes
from staffeln.metrics import prometheus
from staffeln.tests.unit.api import stage
from staffeln.tests.unit.api.stage import CHECK, ID, REQUEST


class ErrorTest(stage.ApiCase):
    def test_as_text(self) -> None:
        for accept, kind in (
            ("text/plain", "text/plain; charset=utf-8"),
            ("text/plain, application/json", "text/plain; charset=utf-8"),
            ("application/json, text/plain", "application/json"),
            ("TEXT/Plain", "text/plain; charset=utf-8"),
            ("*/*", "application/json"),
            ("image/png", "application/json"),
            ("\xff;q=x", "application/json"),
        ):
            answer = self.ask("/none", headers={"Accept": accept})
            self.assertEqual(404, answer.status_code)
            self.assertEqual(kind, answer.content_type, accept)
        answer = self.ask("/none", headers={"Accept": "text/plain"})
        name = answer.headers["X-Openstack-Request-Id"]
        self.assertEqual(
            f"404 Not Found: There is nothing at this path. [{name}]\n",
            answer.text,
        )

    def test_what_is_wrong_is_said(self) -> None:
        for query, message in (
            ("", "backup_id is missing."),
            ("backup_id=x", "backup_id is not of its form."),
            (f"backup_id={ID}&x=1", "There is an unknown parameter."),
            ("x", "The query string cannot be read."),
            (f"backup_id={ID}&{'x' * 2000}", "The query string is too long."),
            (
                f"backup_id={ID}&backup_id={ID}",
                "backup_id is given more than once.",
            ),
        ):
            answer = self.ask(f"/v1/backup?{query}")
            self.assert_refused(400, answer)
            self.assertEqual(message, answer.get_json()["error"]["message"])

    def test_strange_hosts(self) -> None:
        made = app.create_app(app.Parts(self.check, self.health, None))
        for host in ("\xff", "a b", "x" * 5000, "[", "h:99999999", ""):
            # The test client wants a host of which it can make a URL.
            environ = werkzeug.test.create_environ(CHECK, method="POST")
            environ["HTTP_HOST"] = host
            _, status, _ = werkzeug.test.run_wsgi_app(made, environ)
            self.assertIn(status[:3], ("200", "400"))

    def test_strange_paths(self) -> None:
        for path in ("/\xff\xfe", "/%00", "/..", "/%", "/" + "a" * 9000):
            self.assert_refused(
                404, self.ask("/", environ_overrides={"PATH_INFO": path})
            )

    def test_a_failure_outside_of_requests(self) -> None:
        made = app.create_app(app.Parts(self.check, self.health, None))
        said: list[Any] = []
        body = made.wsgi_app({}, lambda *what: said.append(what))  # type: ignore[arg-type]
        ((status, headers),) = said
        self.assertEqual("500 Internal Server Error", status)
        self.assertIn(b'"code": 500', b"".join(body))
        self.assertIn("X-Openstack-Request-Id", dict(headers))

    def test_a_server_that_is_to_stop_is_not_kept_from_it(self) -> None:
        self.check.failure = SystemExit(0)
        self.assertRaises(SystemExit, self.client.open, CHECK, method="POST")


class RequestIdTest(stage.ApiCase):
    def test_taken_over(self) -> None:
        for name in (REQUEST, "req-" + ID.upper()):
            answer = self.ask(headers={"X-Openstack-Request-Id": name})
            self.assertEqual(name, answer.headers["X-Openstack-Request-Id"])
            self.assertIn(f"[{name}]", self.log.output)

    def test_made(self) -> None:
        given = ("", "x", f"{REQUEST}0", f"x{REQUEST}", ID, "req-\xff")
        names = {
            self.ask(headers={"X-Openstack-Request-Id": name}).headers[
                "X-Openstack-Request-Id"
            ]
            for name in given
        }
        self.assertEqual(len(given), len(names - set(given)))


class LogTest(stage.ApiCase):
    def lines(self) -> list[str]:
        return [
            line
            for line in self.log.output.splitlines()
            if "staffeln.api.trace" in line
        ]

    def test_one_line(self) -> None:
        self.ask(headers={"X-Openstack-Request-Id": REQUEST})
        (line,) = self.lines()
        self.assertRegex(
            line,
            r"^INFO staffeln\.api\.trace: 127\.0\.0\.1 POST /v1/backup "
            rf"backup_id={ID} 200 True \d+\.\d ms \[{REQUEST}\]$",
        )

    def test_a_refused_one(self) -> None:
        self.ask("/v1/backup?backup_id=strange")
        (line,) = self.lines()
        self.assertRegex(line, r" POST /v1/backup 400 \d")
        self.assertNotIn("strange", line)

    def test_strange_characters(self) -> None:
        for path in ("/a\nb", "/a b", "/\x1b[31m", "/\u2028", "/\x7f", "/é"):
            self.ask(
                environ_overrides={
                    "PATH_INFO": path.encode().decode("latin-1")
                }
            )
        self.assertEqual(6, len(self.lines()))
        for line in self.lines():
            self.assertTrue(line.isascii() and line.isprintable(), line)
            self.assertEqual(9, len(line.split(" ")), line)

    def test_long_ones(self) -> None:
        self.ask(environ_overrides={"PATH_INFO": "/" + "a" * 9000})
        (line,) = self.lines()
        self.assertLess(len(line), 400)

    def test_nothing_below_its_level(self) -> None:
        logger = logging.getLogger("staffeln.api.trace")
        logger.setLevel(logging.WARNING)
        self.addCleanup(logger.setLevel, logging.NOTSET)
        self.ask()
        self.assertEqual([], self.lines())

    def test_the_address_that_a_proxy_says(self) -> None:
        forged = {"X-Forwarded-For": "10.9.9.9, 10.0.0.1"}
        self.ask(headers=forged)
        self.client = self.new_client(proxied=True)
        self.ask(headers=forged)
        self.ask(headers={"X-Forwarded-For": "\x1b[31m x"})
        self.ask(headers={"X-Forwarded-Host": "h", "X-Forwarded-Proto": "y"})
        direct, proxied, odd, other = self.lines()
        self.assertIn(": 127.0.0.1 POST", direct)
        self.assertIn(": 10.0.0.1 POST", proxied)
        self.assertIn("\\x1b", odd)
        self.assertIn(": 127.0.0.1 POST", other)


class HealthTest(stage.ApiCase):
    def test_ready(self) -> None:
        for path in ("/v1/health", "/v1/health?probe=ready"):
            answer = self.ask(path, "GET")
            self.assertEqual(200, answer.status_code)
            self.assertEqual(
                {"status": "ready", "problems": []}, answer.get_json()
            )

    def test_not_ready_but_alive(self) -> None:
        self.health.problems = ["the database does not answer"]
        answer = self.ask("/v1/health", "GET")
        self.assertEqual(503, answer.status_code)
        self.assertEqual(
            {
                "status": "not ready",
                "problems": ["the database does not answer"],
            },
            answer.get_json(),
        )
        answer = self.ask("/v1/health?probe=live", "GET")
        self.assertEqual(200, answer.status_code)
        self.assertEqual("live", answer.get_json()["status"])

    def test_refused(self) -> None:
        for query in ("probe=", "probe=LIVE", "x=1", "probe=live&probe=live"):
            self.assert_refused(400, self.ask(f"/v1/health?{query}", "GET"))
        self.assert_refused(405, self.ask("/v1/health", "POST"))

    def test_a_bug(self) -> None:
        self.health.failure = RuntimeError("x")
        self.assert_refused(500, self.ask("/v1/health", "GET"))


class MetricsTest(stage.ApiCase):
    def test_not_here(self) -> None:
        self.assert_refused(404, self.ask("/metrics", "GET"))

    def test_numbers(self) -> None:
        self.client = self.new_client(metrics=prometheus.render)
        self.ask()
        self.ask("/none/1")
        self.ask("/none/2", "ODD")
        answer = self.ask("/metrics", "GET")
        self.assertEqual(200, answer.status_code)
        self.assertEqual(prometheus.CONTENT_TYPE, answer.content_type)
        text = answer.text
        for labels in (
            'method="POST",route="/v1/backup",status="200"',
            'method="POST",route="none",status="404"',
            'method="other",route="none",status="404"',
        ):
            self.assertIn(f"staffeln_api_requests_total{{{labels}}}", text)
            self.assertIn(
                f"staffeln_api_request_seconds_count{{{labels}}}", text
            )
        self.assertNotIn("/none", text)


class OpenApiTest(stage.ApiCase):
    def test_valid(self) -> None:
        self.client = self.new_client(metrics=prometheus.render)
        document = self.ask("/openapi.json", "GET").get_json()
        OpenAPIV31SpecValidator(document).validate()
        self.assertEqual("3.1.0", document["openapi"])
        self.assertEqual(
            {"/v1/backup", "/v1/health", "/metrics", "/openapi.json"},
            document["paths"].keys(),
        )

    def test_it_says_what_is_there(self) -> None:
        document = self.ask("/openapi.json", "GET").get_json()
        self.assertNotIn("/metrics", document["paths"])
        for metrics in (True, False):
            table = routes.table(metrics=metrics)
            OpenAPIV31SpecValidator(openapi.document(table)).validate()

    def test_each_row_is_there_once(self) -> None:
        table = routes.table(metrics=True)
        rows = [(row.method, row.path) for row in table]
        self.assertEqual(len(rows), len(set(rows)))


class ThreadsTest(stage.ApiCase):
    def test_requests_do_not_mix(self) -> None:
        def ask(number: int) -> bool:
            name = f"req-{number:08}{ID[8:]}"
            client = self.new_client()
            answer = client.post(
                CHECK, headers={"X-Openstack-Request-Id": name}
            )
            return answer.headers["X-Openstack-Request-Id"] == name

        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            self.assertTrue(all(threads.map(ask, range(64))))
