# SPDX-License-Identifier: Apache-2.0
"""What is asked from outside: answers, and what the log tells of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from staffeln.domain import checking, errors, model, recognition
from staffeln.tests import base
from staffeln.tests.unit.domain.test_guarding import (
    FREE,
    ID,
    STRANGE,
    US,
    VOLUME,
)
from staffeln.workflow import requests


class Looks:
    """A lookup that says what a test says."""

    def __init__(self) -> None:
        self.found: checking.Standing | Exception = FREE
        self.asked: list[tuple[str, str | None]] = []
        self.known: list[int | None] = []
        self.takes = 0.0
        self.clock = 0.0

    def look(
        self,
        backup_id: str,
        volume_id: str | None,
        known_term: int | None = None,
    ) -> checking.Standing:
        self.asked.append((backup_id, volume_id))
        self.known.append(known_term)
        self.clock += self.takes
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class Recognises:
    def __init__(self) -> None:
        self.said: list[checking.Strange | None] = [None]
        self.asked: list[tuple[str, int]] = []
        self.term: int | None = None

    def recognise(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        self.asked.append((deployment_uuid, age.term))
        if self.said[0] is recognition.AGAIN:
            self.term = 7
        return self.said.pop(0) if len(self.said) > 1 else self.said[0]


class RequestsCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.looks, self.memory = Looks(), Recognises()
        self.requests = requests.DeletionRequests(
            self.looks, self.memory, 2.0, lambda: self.looks.clock
        )

    def standing(self, **changes: Any) -> None:
        self.looks.found = dataclasses.replace(FREE, **changes)

    def ask(
        self, target: checking.DeletionTarget | None = None, **changes: Any
    ) -> checking.DeletionAnswer:
        return self.requests.may_delete(
            checking.DeletionQuestion(
                backup_id=ID, target=target, request_id="req-1", **changes
            )
        )

    def lines(self, level: str) -> list[str]:
        return [
            line
            for line in self.log.output.splitlines()
            if line.startswith(level)
        ]


class DeletionRequestsTest(RequestsCase):
    def test_yes(self) -> None:
        self.assertTrue(self.ask().allowed)
        self.assertEqual([(ID, None)], self.looks.asked)
        self.assertEqual([(US, 3)], self.memory.asked)
        (line,) = self.lines("DEBUG")
        self.assertIn("req-1", line)
        self.assertIn("may be deleted", line)

    def test_no(self) -> None:
        self.standing(backup_state=model.BackupState.CREATING)
        self.assertFalse(self.ask().allowed)
        (line,) = self.lines("DEBUG")
        self.assertIn("may not be deleted", line)
        self.assertEqual([], self.lines("WARNING"))

    def test_the_volume_is_looked_at(self) -> None:
        self.ask(checking.DeletionTarget(volume_id=VOLUME))
        self.assertEqual([(ID, VOLUME)], self.looks.asked)

    def test_without_a_memory(self) -> None:
        alone = requests.DeletionRequests(self.looks, None)
        asked = checking.DeletionQuestion(backup_id=ID)
        self.assertTrue(alone.may_delete(asked).allowed)

    def test_a_contradiction_asks_nobody(self) -> None:
        self.assertFalse(self.ask(readable=False).allowed)
        self.assertFalse(self.ask(checking.DeletionTarget(id="x")).allowed)
        self.assertEqual([], self.looks.asked)

    def test_no_answer(self) -> None:
        self.looks.found = errors.StoreError("it is away")
        found = self.ask()
        self.assertFalse(found.allowed)
        self.assertEqual(checking.Doubt.NO_ANSWER, found.doubt)
        (line,) = self.lines("WARNING")
        self.assertIn("it is away", line)
        self.assertIn("req-1", line)
        self.assertIn(ID, line)

    def test_a_bug_is_no_yes(self) -> None:
        self.looks.found = ZeroDivisionError("x")
        self.assertFalse(self.ask().allowed)
        self.assertIn("ZeroDivisionError", self.log.output)

    def test_an_exchanged_database(self) -> None:
        self.memory.said = [STRANGE]
        self.assertEqual(checking.Doubt.EXCHANGED, self.ask().doubt)

    def test_what_is_remembered_becomes_known_by_the_first_look(self) -> None:
        self.memory.said = [recognition.AGAIN, None]
        self.assertTrue(self.ask().allowed)
        self.assertEqual([None, 7], self.looks.known)

    def test_a_third_look_is_not_taken(self) -> None:
        self.memory.said = [recognition.AGAIN]
        self.assertEqual(checking.Doubt.FORGOTTEN, self.ask().doubt)
        self.assertEqual(2, len(self.looks.asked))

    def test_a_second_look_would_be_too_late(self) -> None:
        self.memory.said = [recognition.AGAIN, None]
        self.looks.takes = 0.2
        self.assertEqual(checking.Doubt.FORGOTTEN, self.ask().doubt)
        self.assertEqual(1, len(self.looks.asked))

    def test_what_is_not_ours_yet_is_not_remembered(self) -> None:
        for changes in ({"service_user": None}, {"schema_is_current": False}):
            self.standing(**changes)
            self.assertFalse(self.ask().allowed)
        self.assertEqual([], self.memory.asked)

    def test_a_late_yes_is_none(self) -> None:
        self.looks.takes = 2.0
        self.assertTrue(self.ask().allowed)
        self.looks.takes = 2.001
        self.assertEqual(checking.Doubt.LATE, self.ask().doubt)

    def test_a_late_no_is_one(self) -> None:
        self.looks.takes = 5.0
        self.standing(backup_state=model.BackupState.CREATING)
        self.assertIsNone(self.ask().doubt)


class DoubtsTest(RequestsCase):
    def test_one_line_a_minute_of_each_kind(self) -> None:
        self.standing(service_user=None)
        for _ in range(5):
            self.ask()
        self.looks.clock = 59.9
        self.ask()
        self.assertEqual(1, len(self.lines("WARNING")))
        self.standing(schema_is_current=False)
        self.ask()
        self.assertEqual(2, len(self.lines("WARNING")))
        self.standing(service_user=None)
        self.looks.clock = 60.0
        self.ask()
        *_, last = self.lines("WARNING")
        self.assertEqual(3, len(self.lines("WARNING")))
        self.assertIn("(5 more since the last such line)", last)
        self.looks.clock = 130.0
        self.ask()
        self.assertIn("(0 more", self.lines("WARNING")[-1])


class ReadinessTest(RequestsCase):
    def setUp(self) -> None:
        super().setUp()
        self.readiness = requests.Readiness(self.looks, self.memory)

    def test_ready(self) -> None:
        self.readiness.live()
        self.assertEqual([], self.readiness.ready())

    def test_what_is_wrong(self) -> None:
        for changes, doubt in (
            ({"schema_is_current": False}, checking.Doubt.SCHEMA),
            ({"service_user": None}, checking.Doubt.UNBOUND),
        ):
            self.standing(**changes)
            self.assertEqual([str(doubt)], self.readiness.ready())
        self.standing()
        self.memory.said = [STRANGE]
        self.assertEqual(
            [str(checking.Doubt.EXCHANGED)], self.readiness.ready()
        )

    def test_a_bug_is_no_answer_either(self) -> None:
        self.looks.found = ZeroDivisionError("user u at host h")
        self.assertEqual(
            [str(checking.Doubt.NO_ANSWER)], self.readiness.ready()
        )

    def test_no_answer_tells_nothing_of_the_database(self) -> None:
        self.looks.found = errors.StoreError("user u at host h")
        self.assertEqual(
            [str(checking.Doubt.NO_ANSWER)], self.readiness.ready()
        )
