# SPDX-License-Identifier: Apache-2.0
"""Whatever a service or the wire does becomes one of our errors."""

import datetime
import email.utils
import socket

import requests

from staffeln.cloud import answers, openstack
from staffeln.domain import errors, model
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply, fault

ID = "11111111-1111-1111-1111-111111111111"
PATH = f"/backups/{ID}"

LOGIN_PAGE = "<html><head><title>x</title></head><body>Sign in</body></html>"

# what is answered to GET of a backup -> kind, and a part of the text
TABLE = [
    (fault("badRequest", 400, "odd"), errors.InvalidRequestError, "odd"),
    (fault("forbidden", 403, "no"), errors.ForbiddenError, "no"),
    (fault("itemNotFound", 404, "gone"), errors.NotFoundError, "gone"),
    (Reply(404, {"error": "x"}), errors.NoAnswerError, "404"),
    (Reply(404, {"itemNotFound": "x"}), errors.NoAnswerError, "404"),
    (Reply(404, LOGIN_PAGE), errors.NoAnswerError, "Sign in"),
    (Reply(405, {}), errors.RefusedError, "405"),
    (fault("conflictingRequest", 409, "x"), errors.RefusedError, "409"),
    (
        fault("overLimit", 413, "too much", **{"Retry-After": "0"}),
        errors.OverQuotaError,
        "too much",
    ),
    (Reply(413, LOGIN_PAGE), errors.RefusedError, "413"),
    (Reply(429, "slow"), errors.NotSentError, "429"),
    (Reply(500, "oops"), errors.NoAnswerError, "500"),
    (fault("itemNotFound", 503, "x"), errors.NoAnswerError, "503"),
    (Reply(504, LOGIN_PAGE), errors.NoAnswerError, "504"),
    (
        Reply(302, "", {"Location": "http://login.example/"}),
        errors.MalformedAnswerError,
        "redirection",
    ),
    (Reply(200, LOGIN_PAGE), errors.MalformedAnswerError, "not JSON"),
    (Reply(200, "[" * 100000), errors.MalformedAnswerError, "not JSON"),
    (Reply(200, []), errors.MalformedAnswerError, "'backup'"),
    (Reply(200, {"b": 1}), errors.MalformedAnswerError, "'backup'"),
    (Reply(200, {"backup": None}), errors.MalformedAnswerError, "read"),
    (Reply(200, {"backup": {}}), errors.MalformedAnswerError, "read"),
    (Reply(reset=True), errors.NoAnswerError, "no answer from http://127"),
]


class TestTranslation(base.TestCase):
    """By a real socket."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())

    def failure(
        self, cloud: openstack.OpenStackCloud | None = None
    ) -> errors.CloudError:
        cloud = cloud or self.services.cloud()
        return self.assertRaises(errors.CloudError, cloud.backup, ID)

    def test_every_answer_has_its_kind(self) -> None:
        cloud = self.services.cloud()
        for reply, kind, part in TABLE:
            with self.subTest(reply=str(reply)[:80]):
                self.services.reply("GET", PATH, reply)
                error = self.failure(cloud)
                self.assertIs(kind, type(error))
                self.assertIn(part, str(error))
                self.assertIn(f"GET {PATH}", str(error))
                self.assertNotIn("<", str(error))
                self.assertNotIn("\n", str(error))
                self.assertLess(len(str(error)), 500)
                if not reply.reset:
                    self.assertEqual(
                        None if "read" in part else reply.status,
                        error.status,
                    )

    def test_the_request_id_is_kept(self) -> None:
        self.services.reply("GET", PATH, fault("badRequest", 400, "odd"))
        error = self.failure()
        self.assertEqual("req-1", error.request_id)
        self.assertIn("req-1", str(error))

    def test_silence_is_no_answer(self) -> None:
        self.services.reply("GET", PATH, Reply(silent=True))
        error = self.failure(self.services.cloud(read_timeout=0.2))
        self.assertIs(errors.NoAnswerError, type(error))
        self.assertIn("no answer in time", str(error))

    def test_a_body_cut_off_is_no_answer(self) -> None:
        self.services.reply(
            "GET",
            PATH,
            Reply(200, "{", {"Content-Length": "9", "Connection": "close"}),
        )
        self.assertIsInstance(self.failure(), errors.NoAnswerError)

    def test_a_refused_connection_was_not_sent(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = self._at(url)
        self.assertIs(errors.NotSentError, type(error))
        self.assertIn(f"not reached at {url}: connection refused", str(error))

    def test_a_name_that_is_not_known_was_not_sent(self) -> None:
        error = self._at("http://cinder.invalid:1")
        self.assertIs(errors.NotSentError, type(error))

    def _at(self, url: str) -> errors.CloudError:
        cloud = self.services.cloud()
        self.services.reply("GET", PATH, fault("itemNotFound", 404, "gone"))
        self.failure(cloud)
        catalogue = cloud._session._catalogue
        found = catalogue._endpoints["block-storage"]
        catalogue._endpoints["block-storage"] = type(found)(
            url, found.region, found.in_project, found.headers
        )
        return self.failure(cloud)

    def test_an_older_error_of_the_caller_does_not_matter(self) -> None:
        self.services.reply("GET", PATH, Reply(reset=True))
        cloud = self.services.cloud()
        try:
            requests.get("http://cinder.invalid:1", timeout=1)
        except requests.ConnectionError:
            error = self.failure(cloud)
        self.assertIs(errors.NoAnswerError, type(error))

    def test_tls_to_a_plain_port_is_not_taken_for_an_answer(self) -> None:
        error = self._at(self.services.url.replace("http:", "https:"))
        self.assertIsInstance(error, errors.CloudError)
        self.assertNotIsInstance(error, errors.RefusedError)

    def test_a_create_call_tells_what_it_came_to(self) -> None:
        asked = model.BackupRequest(
            project_id=loopback.SERVICE_PROJECT,
            volume_id=ID,
            name="n",
            incremental=False,
            force=False,
            metadata={},
        )
        table = [
            (Reply(202, {}), errors.MalformedAnswerError),
            (Reply(202, {"backup": {}}), errors.MalformedAnswerError),
            (Reply(502, "bad gateway"), errors.NoAnswerError),
            (Reply(reset=True), errors.NoAnswerError),
            (Reply(429, "later"), errors.NotSentError),
            (fault("itemNotFound", 404, "volume"), errors.NotFoundError),
        ]
        for reply, kind in table:
            with self.subTest(reply=str(reply)):
                self.services.reply("POST", "/backups", reply)
                cloud = self.services.cloud()
                error = self.assertRaises(
                    errors.CloudError, cloud.create_backup, asked
                )
                self.assertIs(kind, type(error))


class TestWords(base.TestCase):
    """One line for an operator."""

    def test_what_must_not_be_printed_is_not(self) -> None:
        token = "gAAAAABm" + "x" * 60
        text = answers.one_line(
            f"no\n<b>way</b>\x00\x1b[31m {token} http://u:pw@h/ s3cret",
            ["s3cret"],
        )
        self.assertEqual("no way [31m *** http://***@h/ ***", text)

    def test_long_texts_are_cut(self) -> None:
        self.assertLessEqual(len(answers.one_line("ab " * 500)), 300)

    def test_markup_in_entities_is_still_a_line(self) -> None:
        self.assertEqual("a b", answers.one_line("a&#10;b"))

    def test_retry_after_is_seconds_or_a_date(self) -> None:
        now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        later = email.utils.format_datetime(
            now + datetime.timedelta(seconds=90), usegmt=True
        )
        for text, seconds in (
            ("7", 7.0),
            (later, 90.0),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
            ("soon", None),
            ("", None),
            ("9" * 40, None),
        ):
            self.assertEqual(
                seconds, answers.retry_after_of({"Retry-After": text}, now)
            )
