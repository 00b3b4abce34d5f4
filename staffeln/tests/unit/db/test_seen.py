# SPDX-License-Identifier: Apache-2.0
"""What was seen of the database outlives a process."""

from __future__ import annotations

import fcntl
import json
import pathlib
from collections.abc import Callable

import fixtures

from staffeln.db import seen
from staffeln.tests import base

US = "11111111-2222-3333-4444-555555555555"
THEM = "99999999-2222-3333-4444-555555555555"


class SeenFileTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / seen.FILE
        self.clock = 0.0
        self.memory = self.new()

    def new(self) -> seen.SeenFile:
        """As another process has it."""
        return seen.SeenFile(self.path, lambda: self.clock)

    def on_disk(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.path.read_text())
        return found

    def test_the_first_is_remembered(self) -> None:
        self.assertIsNone(self.memory.recognise(US, 3))
        self.assertEqual(
            {"deployment_uuid": US, "term": 3, "restored": False},
            self.on_disk(),
        )
        self.assertEqual(0o600, self.path.stat().st_mode & 0o777)
        self.assertIn("is not there", self.log.output)

    def test_the_same_again_and_later_ones(self) -> None:
        for term in (3, 3, 4, 9):
            self.assertIsNone(self.memory.recognise(US, term))
        self.assertEqual(9, self.on_disk()["term"])

    def test_the_same_is_not_written_again(self) -> None:
        self.memory.recognise(US, 3)
        before = self.path.stat()
        self.memory.recognise(US, 3)
        self.assertEqual(before.st_ino, self.path.stat().st_ino)

    def test_a_lower_term(self) -> None:
        self.memory.recognise(US, 3)
        for each in (self.memory, self.new()):
            why = each.recognise(US, 2)
            assert why
            self.assertIn("term is 2, and was 3", why)
            self.assertIn(str(self.path), why)
        self.assertEqual(3, self.on_disk()["term"])

    def test_a_late_replica_is_forgiven(self) -> None:
        self.memory.recognise(US, 3)
        self.assertIsNotNone(self.memory.recognise(US, 2))
        self.clock = 59.0
        self.assertIsNotNone(self.memory.recognise(US, 2))
        self.assertIsNone(self.memory.recognise(US, 3))
        self.clock = 61.0
        self.assertIsNotNone(self.memory.recognise(US, 2))
        self.assertIsNone(self.memory.recognise(US, 4))

    def test_what_stays_lower_was_restored_for_ever(self) -> None:
        self.memory.recognise(US, 3)
        self.memory.recognise(US, 2)
        self.clock = 60.0
        self.memory.recognise(US, 2)
        for each in (self.memory, self.new()):
            for term in (2, 3, 4, 100):
                self.assertIsNotNone(each.recognise(US, term), str(term))

    def test_another_deployment(self) -> None:
        self.memory.recognise(US, 3)
        for term in (2, 3, 4):
            why = self.memory.recognise(THEM, term)
            assert why
            self.assertIn(f"deployment {THEM}, not {US}", why)
        self.assertIsNone(self.memory.recognise(US, 3))

    def test_an_operator_removes_it(self) -> None:
        self.memory.recognise(US, 3)
        self.assertIsNotNone(self.memory.recognise(THEM, 1))
        self.path.unlink()
        self.assertIsNone(self.memory.recognise(THEM, 1))
        self.assertEqual(THEM, self.on_disk()["deployment_uuid"])

    def test_processes_share_it(self) -> None:
        other = self.new()
        self.memory.recognise(US, 3)
        self.assertIsNone(other.recognise(US, 3))
        self.assertIsNone(other.recognise(US, 9))
        self.assertIsNotNone(self.memory.recognise(US, 7))
        self.assertIsNotNone(self.memory.recognise(US, 3))
        self.assertEqual(9, self.on_disk()["term"])

    def test_another_process_was_faster(self) -> None:
        """Between our look and our turn to write."""
        self.memory.recognise(US, 3)
        other = self.new()
        self.interpose(lambda: other.recognise(US, 9))
        self.assertIsNotNone(self.memory.recognise(US, 5))
        self.assertEqual(9, self.on_disk()["term"])

    def interpose(self, act: Callable[[], object]) -> None:
        """Let something happen just before the lock is taken."""
        real = seen.SeenFile._alone
        done: list[bool] = []

        def late(memory: seen.SeenFile) -> object:
            if not done:
                done.append(True)
                act()
            return real(memory)

        self.useFixture(
            fixtures.MonkeyPatch("staffeln.db.seen.SeenFile._alone", late)
        )

    def test_a_process_that_stands_still_in_its_turn(self) -> None:
        with self.path.with_suffix(".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.assertIsNone(self.memory.recognise(US, 3))
        self.assertEqual(3, self.on_disk()["term"])
        self.assertIn("is held", self.log.output)

    def test_damaged(self) -> None:
        for content in (
            "",
            "{",
            "[]",
            "7",
            "{}",
            '{"deployment_uuid": 1, "term": 3, "restored": false}',
            f'{{"deployment_uuid": "{US}", "term": "3", "restored": false}}',
            f'{{"deployment_uuid": "{US}", "term": true, "restored": false}}',
            f'{{"deployment_uuid": "{US}", "term": 3, "restored": 0}}',
            "[" * 4000,
            "\udcff",
        ):
            self.path.write_bytes(content.encode(errors="surrogateescape"))
            self.assertIsNone(self.new().recognise(US, 3), content[:80])
            self.assertIn("is damaged", self.log.output)
            self.assertEqual(3, self.on_disk()["term"])

    def test_a_folder_that_cannot_be_written(self) -> None:
        gone = seen.SeenFile(self.home / "none" / "f", lambda: self.clock)
        self.assertIsNone(gone.recognise(US, 3))
        self.assertIsNone(gone.recognise(US, 4))
        self.assertIsNotNone(gone.recognise(US, 3))
        self.assertIsNotNone(gone.recognise(THEM, 9))
        self.assertEqual(1, self.log.output.count("WARNING"))
        self.clock = 60.0
        gone.recognise(US, 5)
        self.assertEqual(2, self.log.output.count("WARNING"))

    def test_what_cannot_be_read_stays_known(self) -> None:
        self.memory.recognise(US, 3)
        self.path.unlink()
        self.path.mkdir()
        self.assertIsNotNone(self.memory.recognise(US, 2))
        self.assertIn("cannot be read", self.log.output)

    def test_nothing_else_is_left(self) -> None:
        self.memory.recognise(US, 3)
        self.memory.recognise(US, 4)
        names = sorted(each.name for each in self.home.iterdir())
        self.assertEqual(
            [seen.FILE, str(pathlib.Path(seen.FILE).with_suffix(".lock"))],
            names,
        )
