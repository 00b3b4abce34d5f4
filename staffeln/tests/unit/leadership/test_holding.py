# SPDX-License-Identifier: Apache-2.0
"""How long a holder believes its backend, and who hears of a loss."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from staffeln.domain import errors
from staffeln.leadership.holding import Holding
from staffeln.tests import base

DEADLINE = 10.0


class Backend:
    """A backend that answers what it is told to, when it is told to."""

    description = "lock of a test"

    def __init__(self, *, expires: bool) -> None:
        self.expires = expires
        self.free = True
        self.answers: queue.Queue[bool | Exception] = queue.Queue()
        self.asked = threading.Semaphore(0)
        self.released = 0
        self.closed = 0
        self.while_acquiring: Callable[[], object] = lambda: None

    def probe(self, timeout: float) -> None:
        """Not asked here."""

    def acquire(self, timeout: float) -> bool:
        """Had if it is free."""
        self.while_acquiring()
        return self.free

    def renew(self, timeout: float) -> bool:
        """The next answer that the test gives."""
        self.asked.release()
        answer = self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def release(self, timeout: float) -> None:
        """Count it."""
        self.released += 1

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class HoldingTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.time = 1000.0
        self.losses: queue.Queue[str] = queue.Queue()

    def hold(self, *, expires: bool = True, retry: float = 0.0) -> Holding:
        self.backend = Backend(expires=expires)
        made = Holding(
            self.backend,
            local=False,
            renew_deadline=DEADLINE,
            retry_period=retry,
            clock=lambda: self.time,
        )
        made.watch(self.losses.put)
        self.addCleanup(made.close)
        # A renewal that waits for an answer at the end gets one.
        self.addCleanup(self.backend.answers.put, False)
        return made

    def renewed(self, *answers: bool | Exception) -> None:
        """Answer so many renewals; returns when one more was asked for."""
        for answer in answers:
            self.backend.asked.acquire()
            self.backend.answers.put(answer)
        self.backend.asked.acquire()
        self.backend.asked.release()

    def test_an_answer_is_believed_until_the_deadline(self) -> None:
        office = self.hold(retry=3600)
        self.assertTrue(office.acquire())
        self.time += DEADLINE - 0.01
        self.assertTrue(office.held())
        self.time += 0.01
        self.assertFalse(office.held())

    def test_the_deadline_counts_from_before_the_question(self) -> None:
        office = self.hold(retry=3600)
        self.backend.while_acquiring = self.pass_six_seconds
        self.assertTrue(office.acquire())
        self.time += 4
        self.assertFalse(office.held())

    def pass_six_seconds(self) -> None:
        self.time += 6

    def test_an_answer_that_comes_too_late_is_given_back(self) -> None:
        office = self.hold()

        def sleep() -> None:
            self.time += DEADLINE

        self.backend.while_acquiring = sleep
        self.assertRaises(errors.CoordinationError, office.acquire)
        self.assertFalse(office.held())
        self.assertEqual(1, self.backend.released)

    def test_each_renewal_moves_the_deadline(self) -> None:
        office = self.hold()
        self.assertTrue(office.acquire())
        self.backend.asked.acquire()
        self.time += 6
        self.backend.answers.put(True)
        self.renewed(True)
        self.time += 6
        self.assertTrue(office.held())

    def test_a_failed_renewal_changes_nothing_until_the_deadline(self) -> None:
        office = self.hold()
        self.assertTrue(office.acquire())
        self.renewed(errors.CoordinationError("away"), True)
        self.assertTrue(office.held())
        self.assertEqual(1, self.log.output.count("not renewed: away"))
        self.assertIn("renewed again", self.log.output)

    def test_an_unexpected_error_ends_no_thread(self) -> None:
        office = self.hold()
        self.assertTrue(office.acquire())
        self.renewed(ZeroDivisionError(), True)
        self.assertTrue(office.held())

    def test_an_answer_after_the_deadline_revives_nothing(self) -> None:
        office = self.hold()
        self.assertTrue(office.acquire())
        self.backend.asked.acquire()
        self.time += DEADLINE
        self.backend.answers.put(True)
        self.assertFalse(office.held())
        self.assertTrue(office.acquire())
        # Had again at once, it was lost all the same, and that is told.
        self.assertIn("not renewed for 10 s", self.losses.get(timeout=60))
        self.time += DEADLINE - 0.01
        self.assertTrue(office.held())

    def test_the_loss_is_told_once_with_its_reason(self) -> None:
        office = self.hold()
        self.assertTrue(office.acquire())
        self.backend.asked.acquire()
        self.backend.answers.put(False)
        self.assertIn("is not ours any more", self.losses.get(timeout=60))
        self.assertFalse(office.held())
        office.release()
        self.assertEqual(0, self.backend.released)
        self.assertTrue(self.losses.empty())

    def test_a_backend_that_never_expires_is_believed(self) -> None:
        office = self.hold(expires=False)
        self.assertTrue(office.acquire())
        self.renewed(errors.CoordinationError("away"))
        self.time += 1000 * DEADLINE
        self.assertTrue(office.held())

    def test_held_it_is_not_acquired_again(self) -> None:
        office = self.hold(retry=3600)
        self.assertTrue(office.acquire())
        self.backend.free = False
        self.assertTrue(office.acquire())

    def test_release_gives_back_once(self) -> None:
        office = self.hold(retry=3600)
        self.assertTrue(office.acquire())
        office.release()
        office.release()
        self.assertEqual(1, self.backend.released)
        self.assertFalse(office.held())
        self.assertTrue(self.losses.empty())


class GuardTest(base.TestCase):
    def test_the_deadline_is_noticed_while_a_call_hangs(self) -> None:
        losses: queue.Queue[str] = queue.Queue()
        backend = Backend(expires=True)
        office = Holding(
            backend, local=False, renew_deadline=0.3, retry_period=0.05
        )
        office.watch(losses.put)
        self.assertTrue(office.acquire())
        self.assertIn("not renewed for 0.3 s", losses.get(timeout=60))
        self.assertFalse(office.held())
        backend.answers.put(False)
        office.close()
        self.assertEqual(1, backend.closed)
