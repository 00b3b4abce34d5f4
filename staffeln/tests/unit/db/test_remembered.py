# SPDX-License-Identifier: Apache-2.0
"""A file that hangs keeps no answer, and makes none a yes."""

from __future__ import annotations

import threading

import fixtures

from staffeln.db import remembered, seen
from staffeln.domain import checking, recognition
from staffeln.tests import base
from staffeln.tests.unit.db.test_seen import age

US = "11111111-2222-3333-4444-555555555555"
THEM = "99999999-2222-3333-4444-555555555555"
LIMIT = 60
"""Seconds for what another thread does, on a busy machine."""


class File:
    """A ``ports.Seen`` that hangs as long as a test likes."""

    def __init__(self) -> None:
        self.strange: checking.Strange | None = None
        self.term: int | None = None
        self.failure: Exception | None = None
        self.asked: list[tuple[str, int]] = []
        self.is_asked = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def recognise(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        self.asked.append((deployment_uuid, age.term))
        self.is_asked.set()
        self.goes_on.wait(LIMIT)
        if self.failure is not None:
            raise self.failure
        if self.strange is None:
            self.term = age.term
        return self.strange


def strange(why: str) -> checking.Strange:
    return checking.Strange(doubt=checking.Doubt.EXCHANGED, why=why)


LOWER = strange("its term is lower")
RESTORED = strange("restored")


class RememberedCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = 0.0
        self.file = File()
        self.addCleanup(self.file.goes_on.set)
        self.memory = remembered.Remembered(self.file, lambda: self.clock)
        self.be_patient(LIMIT)

    def recognise(
        self, deployment_uuid: str, term: int, seq: int = 0
    ) -> checking.Strange | None:
        """As a question does: it looks again where that is wanted."""
        for _ in range(2):
            asked = age(term, seq, known=self.memory.term)
            found = self.memory.recognise(deployment_uuid, asked)
            if found is not recognition.AGAIN:
                break
        return found

    def be_patient(self, seconds: float) -> None:
        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.remembered.PATIENCE", seconds)
        )

    def hang(self) -> None:
        """From now on, and nothing that was read is fresh."""
        self.file.goes_on.clear()
        self.be_patient(0.01)
        self.clock += remembered.FRESH

    def wake(self) -> None:
        self.be_patient(LIMIT)
        self.file.goes_on.set()


class AnswersTest(RememberedCase):
    def test_the_file_decides(self) -> None:
        self.assertIsNone(self.recognise(US, 3))
        self.file.strange = LOWER
        self.assertEqual(LOWER, self.recognise(US, 2))
        self.assertEqual([(US, 3), (US, 2)], self.file.asked)

    def test_it_is_asked_once_a_second(self) -> None:
        for _ in range(3):
            self.recognise(US, 3)
        self.clock = remembered.FRESH
        self.recognise(US, 3)
        self.assertEqual(2, len(self.file.asked))

    def test_nobody_waits_for_a_look_before_its_time(self) -> None:
        self.recognise(US, 3)
        self.file.is_asked.clear()
        self.file.goes_on.clear()
        self.clock = remembered.RENEWED
        for _ in range(3):
            self.assertIsNone(self.recognise(US, 3))
        self.assertTrue(self.file.is_asked.wait(LIMIT))
        self.assertEqual(2, len(self.file.asked))
        self.file.strange = LOWER
        self.file.goes_on.set()
        self.clock = remembered.FRESH
        self.assertEqual(LOWER, self.recognise(US, 3))

    def test_another_term_is_asked_at_once(self) -> None:
        for term in (3, 4, 3):
            self.recognise(US, term)
        self.assertEqual([3, 4, 3], [term for _, term in self.file.asked])

    def test_a_bug_is_no_yes(self) -> None:
        self.file.failure = ZeroDivisionError("x")
        self.assertEqual(remembered.UNREAD, self.recognise(US, 3))
        self.assertIn("ZeroDivisionError", self.log.output)
        self.file.failure = None
        self.clock = remembered.FRESH
        self.assertIsNone(self.recognise(US, 3))

    def test_no_thread_to_be_had(self) -> None:
        def refuse(_thread: object) -> None:
            raise RuntimeError("can't start new thread")

        self.be_patient(0.01)
        with fixtures.MonkeyPatch("threading.Thread.start", refuse):
            self.assertEqual(remembered.UNREAD, self.recognise(US, 3))
        self.be_patient(LIMIT)
        self.assertIsNone(self.recognise(US, 3))

    def test_over_a_real_file(self) -> None:
        path = self.home / seen.FILE
        self.memory = remembered.Remembered(
            seen.SeenFile(path), lambda: self.clock
        )
        self.assertIsNone(self.recognise(US, 3))
        self.assertIsNotNone(self.recognise(THEM, 9))
        path.unlink()
        self.clock = remembered.FRESH
        self.assertIsNone(self.recognise(THEM, 9))

    def test_writes_go_on_without_the_file(self) -> None:
        for seq in (3, 4, 9):
            self.assertIsNone(self.recognise(US, 3, seq))
        self.assertEqual(1, len(self.file.asked))

    def test_fewer_writes_are_for_the_file_to_judge(self) -> None:
        self.recognise(US, 3, 9)
        self.file.strange = LOWER
        self.assertEqual(LOWER, self.recognise(US, 3, 8))

    def test_the_same_term_of_another_is_for_the_file_to_judge(self) -> None:
        self.recognise(US, 3)
        self.file.strange = RESTORED
        self.assertEqual(
            RESTORED, self.memory.recognise(US, age(3, holder="another"))
        )

    def test_what_is_to_be_asked_again_is_no_answer_for_others(self) -> None:
        self.recognise(US, 3)
        self.file.strange, self.file.term = recognition.AGAIN, 5
        self.assertEqual(recognition.AGAIN, self.recognise(US, 6))
        self.assertEqual(5, self.memory.term)
        self.file.strange = None
        self.assertIsNone(self.recognise(US, 6))

    def test_after_a_start_the_term_of_the_file_becomes_known(self) -> None:
        path = self.home / seen.FILE
        seen.SeenFile(path).recognise(US, age(3))
        self.memory = remembered.Remembered(
            seen.SeenFile(path), lambda: self.clock
        )
        self.assertIsNone(self.memory.term)
        self.assertIsNone(self.recognise(US, 6))
        self.assertEqual(6, self.memory.term)


class HangingTest(RememberedCase):
    def test_what_was_never_read_is_a_doubt(self) -> None:
        self.hang()
        for _ in range(3):
            self.assertEqual(remembered.UNREAD, self.recognise(US, 3))
        self.wake()
        self.assertIsNone(self.recognise(US, 3))

    def test_what_was_read_holds(self) -> None:
        self.recognise(US, 3)
        self.hang()
        self.assertIsNone(self.recognise(US, 3))
        self.assertIsNone(self.recognise(US, 5))
        for uuid, term in ((US, 4), (US, 3), (THEM, 5), (THEM, 9)):
            self.assertEqual(remembered.UNREAD, self.recognise(uuid, term))
        self.assertIsNone(self.recognise(US, 5))

    def test_a_difference_holds(self) -> None:
        self.file.strange = RESTORED
        self.recognise(US, 3)
        self.hang()
        for term in (2, 3, 4):
            self.assertEqual(RESTORED, self.recognise(US, term))

    def test_the_file_is_told_when_it_answers_again(self) -> None:
        self.recognise(US, 3)
        self.hang()
        for term in (3, 5, 6):
            self.assertIsNone(self.recognise(US, term))
        self.wake()
        self.assertIsNone(self.recognise(US, 6))
        asked = [term for _, term in self.file.asked]
        self.assertEqual([3, 3, 5, 6], asked[:4])
        self.assertEqual(6, self.file.term)

    def test_an_old_answer_makes_no_later_term_forgotten(self) -> None:
        """What is answered at last is about a term before the last one."""
        self.recognise(US, 3)
        self.hang()
        self.recognise(US, 3)
        self.recognise(US, 5)
        self.wake()
        self.recognise(US, 5)
        self.hang()
        self.assertIsNotNone(self.recognise(US, 3))

    def test_one_thread_hangs_and_no_other_waits(self) -> None:
        self.recognise(US, 3)
        self.file.is_asked.clear()
        self.hang()
        self.recognise(US, 3)
        self.assertTrue(self.file.is_asked.wait(LIMIT))
        self.clock += remembered.PATIENCE
        self.be_patient(0.001)
        waits: list[float] = []

        def wait(_event: object, seconds: float | None = None) -> bool:
            waits.append(seconds or 0)
            return False

        with fixtures.MonkeyPatch("threading.Event.wait", wait):
            for term in range(3, 20):
                self.assertIsNone(self.recognise(US, term))
        self.assertEqual([], waits)
        self.assertEqual(2, len(self.file.asked))

    def test_a_fork_is_no_yes(self) -> None:
        self.recognise(US, 3)
        self.hang()
        for found in (
            age(3, holder="another"),
            checking.Age(term=4, holder="x", known_term=3, known_holder="y"),
        ):
            self.assertEqual(
                remembered.UNREAD, self.memory.recognise(US, found)
            )

    def test_questions_are_not_kept_without_end(self) -> None:
        self.recognise(US, 3)
        self.hang()
        self.be_patient(0.0)
        for seq in range(remembered.MOST_QUESTIONS + 9):
            self.assertIsNone(self.recognise(US, 3, seq))
        self.assertEqual(
            remembered.MOST_QUESTIONS, len(self.memory._questions)
        )
