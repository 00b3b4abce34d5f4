# SPDX-License-Identifier: Apache-2.0
"""``POST /v1/backup``: what is asked, and with what it is answered."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib import parse

from staffeln.domain import checking
from staffeln.tests.unit.api import stage
from staffeln.tests.unit.api.stage import CHECK, ID

SECRET = "s3cr3t-token"
OTHER = ID[:-1] + "7"


def both(target: Any) -> list[dict[str, Any]]:
    """A policy check in both content types of oslo.policy."""
    credentials = {"auth_token": SECRET, "roles": ["member"]}
    return [
        {
            "data": {
                "rule": json.dumps("backup:delete"),
                "target": json.dumps(target),
                "credentials": json.dumps(credentials),
            }
        },
        {
            "json": {
                "rule": "backup:delete",
                "target": target,
                "credentials": credentials,
            }
        },
    ]


class AnswerTest(stage.ApiCase):
    def test_yes(self) -> None:
        answer = self.ask()
        self.assertEqual(200, answer.status_code)
        self.assertEqual(b"True", answer.data)
        self.assertEqual("text/plain; charset=utf-8", answer.content_type)
        self.assertEqual("no-store", answer.headers["Cache-Control"])

    def test_no(self) -> None:
        self.check.allowed = False
        answer = self.ask()
        self.assertEqual((200, b"False"), (answer.status_code, answer.data))

    def test_only_true_is_a_yes(self) -> None:
        for strange in (1, "True", "x", None, [1]):
            self.check.allowed = strange
            self.assertEqual(b"False", self.ask().data, repr(strange))

    def test_what_reaches_the_rule(self) -> None:
        self.ask(headers={"X-Openstack-Request-Id": stage.REQUEST})
        self.assertEqual(
            [
                checking.DeletionQuestion(
                    backup_id=ID, request_id=stage.REQUEST
                )
            ],
            self.check.asked,
        )

    def test_a_failure_is_told_without_details(self) -> None:
        self.check.failure = ValueError(f"about {SECRET}")
        answer = self.ask()
        self.assert_refused(500, answer)
        self.assertNotIn("ValueError", answer.text)
        self.assertIn("ValueError", self.log.output)
        self.assertIn("may_delete", self.log.output)
        self.assertNotIn(SECRET, answer.text + self.log.output)
        self.assertIn(
            answer.headers["X-Openstack-Request-Id"], self.log.output
        )


class BackupIdTest(stage.ApiCase):
    def test_spellings(self) -> None:
        for text in (ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"{ID} "):
            self.ask(f"/v1/backup?backup_id={parse.quote(text)}")
            self.assertEqual(ID, self.check.asked[-1].backup_id, text)

    def test_refused(self) -> None:
        for query in (
            "",
            "backup_id",
            "backup_id=",
            "backup_id=True",
            f"backup_id={ID}&backup_id={ID}",
            f"backup_id={ID}&backup_id=",
            f"backup_id={ID}&other=1",
            f"backup_id={ID}&",
            f"backup_id={ID}&x",
            f"backup_id={ID};backup_id={ID}",
            f"BACKUP_ID={ID}",
            f"other={ID}",
            f"backup_id={ID}%00",
            f"backup_id={ID}%0A",
            f"backup_id=%00{ID}",
            f"backup_id={ID}{'+' * 29}",
            f"backup_id={'a' * 65}",
            f"backup_id={'0' * 100_000}",
            f"backup_id={ID}%FF",
            f"backup_id=%ED%A0%80{ID[1:]}",
            f"backup_id[]={ID}",
            "&".join(["backup_id=1"] * 100),
        ):
            answer = self.ask(f"/v1/backup?{query}")
            self.assert_refused(400, answer)
        self.assertEqual([], self.check.asked)

    def test_nothing_of_it_is_repeated(self) -> None:
        answer = self.ask("/v1/backup?backup_id=<b>strange</b>&q=odd")
        self.assertNotIn("strange", answer.text + self.log.output)
        self.assertNotIn("odd", answer.text + self.log.output)


class TargetTest(stage.ApiCase):
    def asked(self, **how: Any) -> checking.DeletionQuestion:
        answer = self.ask(**how)
        self.assertEqual(200, answer.status_code)
        return self.check.asked[-1]

    def test_no_body(self) -> None:
        bodies: list[dict[str, Any]] = [
            {},
            {"data": b""},
            {"data": b"", "content_type": "text/html"},
        ]
        for how in bodies:
            found = self.asked(**how)
            self.assertIsNone(found.target)
            self.assertTrue(found.readable)

    def test_a_target(self) -> None:
        for how in both({"id": ID, "user_id": "u", "size": 1, "x": [{}]}):
            found = self.asked(**how)
            self.assertEqual(
                checking.DeletionTarget(id=ID, user_id="u"), found.target
            )
            self.assertTrue(found.readable)

    def test_bodies_without_a_target(self) -> None:
        bodies: list[dict[str, Any]] = [
            {"data": {"rule": '"x"'}},
            {"json": {}},
            {"json": {"rule": "x"}},
        ]
        for how in bodies:
            found = self.asked(**how)
            self.assertIsNone(found.target)
            self.assertTrue(found.readable)

    def test_content_types_in_other_words(self) -> None:
        body = json.dumps({"target": {"user_id": "u"}})
        for kind in (
            "application/json; charset=utf-8",
            "Application/JSON",
            " application/json ;x=y",
        ):
            found = self.asked(data=body, content_type=kind)
            self.assertEqual(
                checking.DeletionTarget(user_id="u"), found.target
            )

    def assert_unreadable(self, **how: Any) -> None:
        found = self.asked(**how)
        self.assertIs(False, found.readable, str(how)[:300])
        self.assertIsNone(found.target)

    def test_targets_that_nobody_can_read(self) -> None:
        odd: list[Any] = [None, 7, "text", [], {"id": 7}, {"metadata": 7}]
        for target in odd:
            for how in both(target):
                self.assert_unreadable(**how)

    def test_forms_that_nobody_can_read(self) -> None:
        form = "application/x-www-form-urlencoded"
        for body in (
            "target=",
            "target={",
            "target",
            "x",
            "target={}&target={}",
            'target={"id":"a","id":"a"}',
            'target={"x":{"id":1,"id":2}}',
            'target={"x":NaN}',
            'target={"x":-Infinity}',
            "target={}%FF",
            "target=%FF",
            b"target={}\xff",
            "&".join(["x=1"] * 50),
            "target=" + "[" * 100_000,
            "target=" + '{"a":' * 33 + "1" + "}" * 33,
            "target={} {}",
            'target={"x":' + "1" * 5000 + "}",
        ):
            self.assert_unreadable(data=body, content_type=form)

    def test_json_that_nobody_can_read(self) -> None:
        for body in (
            "{",
            "[]",
            "7",
            "null",
            "True",
            '"target"',
            '{"target":{},"target":{}}',
            '{"x":{},"x":{}}',
            '\ufeff{"target":{}}',
            '{"target":{}}'.encode("utf-16"),
            b'{"target":{"id":"\xff"}}',
            '{"target":' * 50_000,
            '{"x":' + "[" * 33 + "]" * 33 + "}",
        ):
            self.assert_unreadable(data=body, content_type="application/json")

    def test_as_deep_as_may_be(self) -> None:
        deep = "[" * 31 + "1" + "]" * 31
        found = self.asked(
            data=f'{{"x":{deep}}}', content_type="application/json"
        )
        self.assertTrue(found.readable)
        wide = ",".join(["{}"] * 500)
        found = self.asked(
            data=f'{{"x":[{wide}]}}', content_type="application/json"
        )
        self.assertTrue(found.readable)

    def test_other_content_types(self) -> None:
        for kind in ("text/plain", "", "multipart/form-data", "text/json"):
            self.assert_unreadable(data=b"target={}", content_type=kind)

    def test_encodings(self) -> None:
        for encoding, readable in (
            ("gzip", False),
            ("identity", True),
            ("Identity", True),
            (" identity ", True),
            ("", True),
        ):
            found = self.asked(
                data=b"rule=1",
                content_type="application/x-www-form-urlencoded",
                headers={"Content-Encoding": encoding},
            )
            self.assertEqual(readable, found.readable, encoding)

    def test_a_body_whose_end_nobody_tells(self) -> None:
        self.assert_unreadable(
            environ_overrides={"HTTP_TRANSFER_ENCODING": "chunked"}
        )

    def test_chunks_whose_end_the_server_tells(self) -> None:
        for how in both({"user_id": "u"}):
            found = self.asked(
                **how,
                environ_overrides={
                    "HTTP_TRANSFER_ENCODING": "chunked",
                    "wsgi.input_terminated": True,
                },
            )
            self.assertEqual(
                checking.DeletionTarget(user_id="u"), found.target
            )

    def test_a_length_that_is_no_number(self) -> None:
        for length in ("x", "-1", "1_0", "\u0661", "+5"):
            answer = self.ask(environ_overrides={"CONTENT_LENGTH": length})
            self.assert_refused(400, answer)

    def test_a_body_that_is_too_large(self) -> None:
        self.client = self.new_client(max_body=100)
        for size, status in ((100, 200), (101, 413)):
            answer = self.ask(data=b"x" * size, content_type="text/plain")
            self.assertEqual(status, answer.status_code)
        self.assert_refused(413, answer)

    def test_chunks_that_are_too_many(self) -> None:
        """Cut off it would be a form that says nothing of a target."""
        self.client = self.new_client(max_body=100)
        chunked = {
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "",
        }
        for size, status in ((100, 200), (101, 413), (100_000, 413)):
            answer = self.ask(
                input_stream=io.BytesIO(b"rule=" + b"y" * (size - 5)),
                content_type="application/x-www-form-urlencoded",
                environ_overrides=chunked,
            )
            self.assertEqual(status, answer.status_code, answer.text)
        self.assert_refused(413, answer)
        self.assertTrue(self.check.asked[-1].readable)

    def test_a_body_that_was_cut(self) -> None:
        """What is left of it may be a form without a target, or nothing."""
        form = b"rule=1&target=%7B%22user_id%22%3A%22u%22%7D"
        for is_terminated in (True, False):
            for size in (0, 6, len(form) - 1):
                answer = self.ask(
                    input_stream=io.BytesIO(form[:size]),
                    content_type="application/x-www-form-urlencoded",
                    environ_overrides={
                        "CONTENT_LENGTH": str(len(form)),
                        "wsgi.input_terminated": is_terminated,
                    },
                )
                self.assert_refused(400, answer)
        self.assertEqual([], self.check.asked)

    def test_a_body_that_breaks(self) -> None:
        """Servers raise what they like; none of it is a bug of ours."""

        class Broken(io.BytesIO):
            def read(self, _size: int | None = -1) -> bytes:
                raise LookupError(SECRET)

        for changes in (
            {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""},
            {"CONTENT_LENGTH": "5"},
        ):
            answer = self.ask(
                input_stream=Broken(),
                environ_overrides={"wsgi.input_terminated": True, **changes},
            )
            self.assert_refused(400, answer)
        self.assertEqual([], self.check.asked)
        self.assertNotIn("Traceback", self.log.output)
        self.assertNotIn(SECRET, self.log.output)

    def test_a_length_of_very_many_digits(self) -> None:
        answer = self.ask(environ_overrides={"CONTENT_LENGTH": "9" * 5000})
        self.assert_refused(413, answer)

    def test_nothing_of_a_body_is_logged(self) -> None:
        for target in ({"id": SECRET}, SECRET, {"metadata": SECRET}):
            for how in both(target):
                self.ask(**how)
        self.ask(data=SECRET * 10, content_type="application/json")
        self.assertNotIn(SECRET, self.log.output)

    def test_other_paths_are_free(self) -> None:
        for path in ("/v1/backup/", f"/v1/backup/{ID}", "//v1/backup", "/"):
            answer = self.ask(f"http://localhost{path}?backup_id={ID}")
            self.assert_refused(404, answer)
        self.assertEqual([], self.check.asked)

    def test_other_methods(self) -> None:
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "TRACE", "ODD"):
            answer = self.ask(CHECK, method)
            self.assert_refused(405, answer)
            self.assertEqual("POST", answer.headers["Allow"])
        self.assertEqual([], self.check.asked)
