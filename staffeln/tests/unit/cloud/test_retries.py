# SPDX-License-Identifier: Apache-2.0
"""What is transient is tried again, what is not is not."""

import dataclasses
import threading
from collections.abc import Callable

from staffeln.cloud import openstack
from staffeln.domain import errors, model
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply, Request, fault

ID = "11111111-1111-1111-1111-111111111111"
PATH = f"/backups/{ID}"
GONE = fault("itemNotFound", 404, "gone")
REQUEST = model.BackupRequest(
    project_id=loopback.SERVICE_PROJECT,
    volume_id=ID,
    name="n",
    incremental=False,
    force=False,
    metadata={},
)


class TestRetries(base.TestCase):
    """The policy, with a clock that only waiting moves."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.clock = loopback.SteppedClock()
        self.cloud = self.services.cloud(
            self.clock, retry_timeout=300, max_retry_interval=30
        )

    def test_reading_goes_on_until_it_succeeds(self) -> None:
        self.services.reply(
            "GET", PATH, Reply(reset=True), Reply(503), Reply(500), GONE
        )
        self.assertRaises(errors.NotFoundError, self.cloud.backup, ID)
        self.assertEqual(4, len(self.services.asked("GET", PATH)))
        self.assertEqual(3, len(self.clock.waits))
        self.assertIn("trying again", self.log.output)

    def test_the_waits_grow_and_end_with_the_timeout(self) -> None:
        self.services.reply("GET", PATH, Reply(503, "down"))
        self.assertRaises(errors.NoAnswerError, self.cloud.backup, ID)
        self.assertAlmostEqual(300, sum(self.clock.waits))
        self.assertLessEqual(max(self.clock.waits), 30)
        for number, wait in enumerate(self.clock.waits[:4]):
            self.assertLessEqual(wait, 2**number)
            self.assertGreaterEqual(wait, 2**number / 2)

    def test_answers_are_final(self) -> None:
        for reply in (
            fault("badRequest", 400, "x"),
            fault("forbidden", 403, "x"),
            GONE,
            Reply(404, "a proxy"),
            fault("overLimit", 413, "x", **{"Retry-After": "0"}),
            Reply(200, "login"),
            Reply(302, ""),
        ):
            self.services.reply("GET", PATH, reply)
            self.assertRaises(errors.CloudError, self.cloud.backup, ID)
        self.assertEqual([], self.clock.waits)

    def test_codes_that_are_never_tried_again(self) -> None:
        cloud = self.services.cloud(
            self.clock,
            retry_timeout=300,
            skip_retry_codes=frozenset({404, 503}),
        )
        self.services.reply("GET", PATH, Reply(503))
        self.assertRaises(errors.NoAnswerError, cloud.backup, ID)
        self.assertEqual([], self.clock.waits)

    def test_a_wait_that_the_service_asks_for_is_kept(self) -> None:
        busy = Reply(429, "later", {"Retry-After": "47"})
        self.services.reply("GET", PATH, busy, GONE)
        self.assertRaises(errors.NotFoundError, self.cloud.backup, ID)
        self.assertEqual([47], self.clock.waits)

    def test_a_wait_beyond_the_timeout_is_not_begun(self) -> None:
        self.services.reply(
            "GET", PATH, Reply(429, "later", {"Retry-After": "301"})
        )
        self.assertRaises(errors.NotSentError, self.cloud.backup, ID)
        self.assertEqual([], self.clock.waits)

    def test_a_create_call_is_repeated_only_if_it_was_not_read(self) -> None:
        self.services.reply(
            "POST",
            "/backups",
            Reply(429, "later", {"Retry-After": "1"}),
            Reply(429, "later"),
            Reply(502, "x"),
        )
        self.assertRaises(
            errors.NoAnswerError, self.cloud.create_backup, REQUEST
        )
        self.assertEqual(3, len(self.services.asked("POST", "/backups")))

    def test_a_create_call_without_a_token_was_not_sent(self) -> None:
        self.services.token_replies = [Reply(reset=True)] * 1000
        error = self.assertRaises(
            errors.CloudError, self.cloud.create_backup, REQUEST
        )
        self.assertIs(errors.NotSentError, type(error))
        self.assertEqual([], self.services.asked("POST", "/backups"))
        self.assertAlmostEqual(300, sum(self.clock.waits))

    def test_deleting_is_repeated(self) -> None:
        self.services.reply("GET", "/backups", Reply(200, {"backups": []}))
        self.services.reply("DELETE", PATH, Reply(reset=True), Reply(202))
        self.cloud.delete_backup(ID)
        self.assertEqual(2, len(self.services.asked("DELETE", PATH)))

    def test_a_stop_ends_the_waiting(self) -> None:
        self.clock.stopping = True
        self.services.reply("GET", PATH, Reply(503))
        self.assertRaises(errors.NoAnswerError, self.cloud.backup, ID)
        self.assertEqual(1, len(self.clock.waits))

    def test_a_stop_while_nothing_was_sent_is_told(self) -> None:
        self.clock.stopping = True
        self.services.reply("POST", "/backups", Reply(429, "later"))
        error = self.assertRaises(
            errors.StoppedError, self.cloud.create_backup, REQUEST
        )
        self.assertIn("later", str(error))
        self.assertEqual(1, len(self.clock.waits))

    def test_a_stop_after_a_call_without_an_answer_is_none(self) -> None:
        self.clock.stopping = True
        self.services.reply("POST", "/backups", Reply(502))
        error = self.assertRaises(
            errors.NoAnswerError, self.cloud.create_backup, REQUEST
        )
        self.assertNotIsInstance(error, errors.NotSentError)

    def test_nothing_is_begun_while_stopping(self) -> None:
        stop = threading.Event()
        stop.set()
        cloud = openstack.OpenStackCloud(
            self.services.settings(retry_timeout=300), stop=stop
        )
        self.assertRaises(errors.StoppedError, cloud.backup, ID)
        self.assertRaises(errors.StoppedError, cloud.create_backup, REQUEST)
        self.assertEqual([], self.services.requests)

    def test_nobody_begins_to_wait_while_stopping(self) -> None:
        stop = threading.Event()
        cloud = openstack.OpenStackCloud(
            self.services.settings(retry_timeout=300), stop=stop
        )
        self.services.reply("GET", PATH, stopping(stop, Reply(503)))
        self.assertRaises(errors.NoAnswerError, cloud.backup, ID)
        self.assertEqual(1, len(self.services.asked("GET", PATH)))

    def test_a_stop_that_comes_with_the_token_is_in_time(self) -> None:
        stop = threading.Event()
        cloud = openstack.OpenStackCloud(self.services.settings(), stop=stop)
        self.services.reply("POST", "/backups", Reply(202, "made"))
        versions = "/volume/v3/"
        answer = self.services.answer

        def stop_at_versions(request: Request) -> Reply:
            if request.path == versions:
                stop.set()
            return answer(request)

        self.services.answer = stop_at_versions  # type: ignore[method-assign]
        self.assertRaises(errors.StoppedError, cloud.create_backup, REQUEST)
        self.assertEqual([], self.services.asked("POST", "/backups"))


class TestLateCreates(base.TestCase):
    """Whoever asked may be taken for dead by now."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.clock = loopback.SteppedClock()

    def cloud(self, **changes: float) -> openstack.OpenStackCloud:
        return self.services.cloud(
            self.clock, retry_timeout=300, max_retry_interval=30, **changes
        )

    def test_a_create_call_has_a_time_of_its_own(self) -> None:
        cloud = self.cloud(create_retry_timeout=20)
        self.services.reply("POST", "/backups", Reply(429, "later"))
        self.services.reply("GET", PATH, Reply(503))
        self.assertRaises(errors.NotSentError, cloud.create_backup, REQUEST)
        self.assertAlmostEqual(20, sum(self.clock.waits))
        self.clock.waits.clear()
        self.assertRaises(errors.NoAnswerError, cloud.backup, ID)
        self.assertAlmostEqual(300, sum(self.clock.waits))

    def test_a_time_of_zero_is_one_try(self) -> None:
        cloud = self.cloud(create_retry_timeout=0)
        self.services.reply("POST", "/backups", self.later(1, Reply(429)))
        self.assertRaises(errors.NotSentError, cloud.create_backup, REQUEST)
        self.assertEqual(1, len(self.services.asked("POST", "/backups")))

    def test_a_token_that_took_too_long_is_not_used(self) -> None:
        cloud = self.cloud()
        cloud.identity()
        self.services.projects.add("ab" * 16)
        wanted = dataclasses.replace(REQUEST, project_id="ab" * 16)
        answer = self.services.answer

        def slow(request: Request) -> Reply:
            if request.path == "/v3/auth/tokens":
                self.clock.now += 21
            return answer(request)

        self.services.answer = slow  # type: ignore[method-assign]
        limit = self.clock.now + 20
        error = self.assertRaises(
            errors.LateError,
            cloud.create_backup,
            wanted,
            lambda: self.clock.now < limit,
        )
        self.assertIn("too much time had passed", str(error))
        self.assertEqual([], self.services.asked("POST", "/backups"))

    def test_a_delete_that_would_come_late_is_not_sent(self) -> None:
        """What looks for its dependents has taken too long."""
        cloud = self.cloud()
        cloud.identity()
        answer = self.services.answer

        def slow(request: Request) -> Reply:
            self.clock.now += 21
            return answer(request)

        self.services.answer = slow  # type: ignore[method-assign]
        limit = self.clock.now + 20
        self.services.reply("GET", "/backups", Reply(body={"backups": []}))
        self.assertRaises(
            errors.LateError,
            cloud.delete_backup,
            "b1",
            lambda: self.clock.now < limit,
        )
        self.assertEqual([], self.services.asked("DELETE", "/backups/b1"))

    def later(
        self, seconds: float, reply: Reply
    ) -> Callable[[Request], Reply]:
        """An answer that takes its time."""

        def answer(_asked: Request) -> Reply:
            self.clock.now += seconds
            return reply

        return answer


def stopping(
    stop: threading.Event, reply: Reply
) -> Callable[[Request], Reply]:
    """An answer while which the process is told to end."""

    def answer(_asked: Request) -> Reply:
        stop.set()
        return reply

    return answer
