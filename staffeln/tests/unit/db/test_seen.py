# SPDX-License-Identifier: Apache-2.0
"""What was seen of the database outlives a process."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import threading
from collections.abc import Callable

import fixtures

from staffeln.db import keeping, seen
from staffeln.domain import checking, errors, recognition
from staffeln.tests import base

US = "11111111-2222-3333-4444-555555555555"
THEM = "99999999-2222-3333-4444-555555555555"


def age(
    term: int, seq: int = 0, *, holder: str = "", known: int | None = None
) -> checking.Age:
    """Of a history in which each term has its own holder."""
    return checking.Age(
        term=term,
        seq=seq,
        holder=holder or f"c{term}",
        known_term=known,
        known_holder="" if known is None else f"c{known}",
    )


class SeenCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / seen.FILE
        self.clock = 0.0
        self.memory = self.new()

    def new(self) -> seen.SeenFile:
        """As another process has it."""
        return seen.SeenFile(self.path, lambda: self.clock)

    def recognise(
        self,
        term: int,
        seq: int = 0,
        *,
        uuid: str = US,
        memory: seen.SeenFile | None = None,
    ) -> str | None:
        """As a question does: it looks again where that is wanted."""
        asked = memory or self.memory
        found = asked.recognise(uuid, age(term, seq, known=asked.term))
        if found is recognition.AGAIN:
            found = asked.recognise(uuid, age(term, seq, known=asked.term))
        return None if found is None else f"{found.doubt.name} {found.why}"

    def on_disk(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.path.read_text())
        return found


class TermsTest(SeenCase):
    def test_the_first_is_remembered(self) -> None:
        self.assertIsNone(self.recognise(3, 7))
        self.assertEqual(
            {
                "deployment_uuid": US,
                "term": 3,
                "seq": 0,
                "holder": "c3",
                "restored": False,
            },
            self.on_disk(),
        )
        self.assertEqual(0o600, self.path.stat().st_mode & 0o777)
        self.assertIn("was not there", self.log.output)

    def test_the_same_again_and_later_ones(self) -> None:
        for term in (3, 3, 4, 9):
            self.assertIsNone(self.recognise(term))
        self.assertEqual(9, self.on_disk()["term"])

    def test_the_same_is_not_written_again(self) -> None:
        self.recognise(3)
        before = self.path.stat()
        self.recognise(3)
        self.assertEqual(before.st_ino, self.path.stat().st_ino)

    def test_a_lower_term(self) -> None:
        self.recognise(3)
        for each in (self.memory, self.new()):
            why = self.recognise(2, memory=each)
            assert why
            self.assertIn("term is 2, and was 3", why)
            self.assertIn(str(self.path), why)
        self.assertEqual(3, self.on_disk()["term"])

    def test_a_late_replica_is_forgiven(self) -> None:
        self.recognise(3)
        self.assertIsNotNone(self.recognise(2))
        self.clock = 59.0
        self.assertIsNotNone(self.recognise(2))
        self.assertIsNone(self.recognise(3))
        self.clock = 61.0
        self.assertIsNotNone(self.recognise(2))
        self.assertIsNone(self.recognise(4))

    def test_what_stays_lower_was_restored_for_ever(self) -> None:
        self.recognise(3)
        self.recognise(2)
        self.clock = 60.0
        self.recognise(2)
        for each in (self.memory, self.new()):
            for term in (2, 3, 4, 100):
                self.assertIsNotNone(
                    self.recognise(term, memory=each), str(term)
                )

    def test_another_deployment(self) -> None:
        self.recognise(3)
        for term in (2, 3, 4):
            why = self.recognise(term, uuid=THEM)
            assert why
            self.assertIn(f"deployment {THEM}, not {US}", why)
        self.assertIsNone(self.recognise(3))

    def test_a_deployment_without_a_term_yet(self) -> None:
        none = checking.Age(term=0)
        self.assertIsNone(self.memory.recognise(US, none))
        self.assertIsNone(self.memory.recognise(US, none))
        self.assertIsNone(self.recognise(5))

    def test_an_operator_removes_it(self) -> None:
        self.recognise(3)
        self.assertIsNotNone(self.recognise(1, uuid=THEM))
        self.path.unlink()
        self.assertIsNone(self.recognise(1, uuid=THEM))
        self.assertEqual(THEM, self.on_disk()["deployment_uuid"])


class ForksTest(SeenCase):
    """Restored, and back at the terms that were seen within seconds."""

    def assert_restored(self, found: checking.Age) -> None:
        strange = self.memory.recognise(US, found)
        assert strange
        self.assertIs(checking.Doubt.EXCHANGED, strange.doubt)
        self.assertIn("from an older state", strange.why)
        self.assertIs(True, self.on_disk()["restored"])
        for term in (50, 51, 90):
            for each in (self.memory, self.new()):
                self.assertIsNotNone(self.recognise(term, memory=each))

    def test_the_same_term_of_another(self) -> None:
        self.recognise(50)
        self.assert_restored(age(50, holder="another"))

    def test_a_later_term_that_follows_from_none_that_was_seen(self) -> None:
        self.recognise(50)
        self.assert_restored(
            checking.Age(
                term=53, holder="x", known_term=50, known_holder="another"
            )
        )

    def test_a_later_term_and_the_one_that_was_seen_is_not_there(
        self,
    ) -> None:
        self.recognise(50)
        self.assert_restored(checking.Age(term=53, holder="x", known_term=50))

    def test_a_later_term_without_a_word_about_the_one_that_was_seen(
        self,
    ) -> None:
        self.recognise(50)
        for known in (None, 49):
            self.assertIs(
                recognition.AGAIN,
                self.memory.recognise(US, age(51, known=known)),
            )
        self.assertEqual(50, self.on_disk()["term"])


class WritesTest(SeenCase):
    """Restored within one term: what tells is the number of writes."""

    def test_fewer_writes_than_were_seen_long_ago(self) -> None:
        self.recognise(3, 20)
        self.clock = seen.SETTLED
        why = self.recognise(3, 19)
        assert why
        self.assertIn("has 19 writes, and had 20 before", why)
        self.assertIsNone(self.recognise(3, 20))

    def test_threads_that_overtake_each_other(self) -> None:
        self.recognise(3, 20)
        self.clock = seen.SETTLED
        for seq in (23, 21, 22, 20):
            self.assertIsNone(self.recognise(3, seq), str(seq))

    def test_a_later_term_counts_anew(self) -> None:
        self.recognise(3, 20)
        self.clock = seen.SETTLED
        self.recognise(3, 20)
        self.assertIsNone(self.recognise(4, 0))
        self.clock += seen.SETTLED
        self.assertIsNone(self.recognise(4, 0))

    def test_what_stays_lower_was_restored_for_ever(self) -> None:
        self.recognise(3, 20)
        self.clock = seen.SETTLED
        self.recognise(3, 10)
        self.clock += seen.LASTING
        self.recognise(3, 11)
        for each in (self.memory, self.new()):
            self.assertIsNotNone(self.recognise(3, 30, memory=each))

    def test_it_is_written_once_a_minute(self) -> None:
        self.recognise(3, 20)
        inodes = set()
        for second in range(1, 120):
            self.clock = float(second)
            self.assertIsNone(self.recognise(3, 20 + second))
            inodes.add(self.path.stat().st_ino)
        self.assertEqual(2, len(inodes))
        seq = self.on_disk()["seq"]
        assert isinstance(seq, int)
        self.assertGreaterEqual(seq, 20 + 60 - 2 * seen.SETTLED)

    def test_another_process_knows_of_them(self) -> None:
        self.recognise(3, 20)
        self.clock = seen.SAVED
        self.recognise(3, 20)
        self.assertIsNotNone(self.recognise(3, 19, memory=self.new()))

    def test_what_another_process_writes_makes_no_write_forgotten(
        self,
    ) -> None:
        self.recognise(3, 20)
        self.clock = seen.SETTLED
        self.recognise(3, 20)
        self.path.write_text(json.dumps({**self.on_disk(), "seq": 5}))
        self.assertIsNotNone(self.recognise(3, 19))


class ProcessesTest(SeenCase):
    def test_they_share_it(self) -> None:
        other = self.new()
        self.recognise(3)
        self.assertIsNone(self.recognise(3, memory=other))
        self.assertIsNone(self.recognise(9, memory=other))
        self.assertIsNotNone(self.recognise(7))
        self.assertIsNotNone(self.recognise(3))
        self.assertEqual(9, self.on_disk()["term"])

    def test_another_one_was_faster(self) -> None:
        """Between our look and our turn to write."""
        self.recognise(3)
        other = self.new()
        self.interpose(lambda: self.recognise(9, memory=other))
        self.assertIsNotNone(self.recognise(5))
        self.assertEqual(9, self.on_disk()["term"])

    def test_another_one_was_faster_with_the_same(self) -> None:
        self.recognise(3)
        other = self.new()
        self.interpose(lambda: self.recognise(5, memory=other))
        self.assertIsNone(self.recognise(5))

    def test_another_one_was_faster_with_the_first(self) -> None:
        other = self.new()
        self.interpose(lambda: self.recognise(5, memory=other))
        self.assertIsNotNone(self.recognise(3))

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

    def test_one_that_stands_still_in_its_turn(self) -> None:
        with self.path.with_suffix(".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.assertIsNone(self.recognise(3))
        self.assertEqual(3, self.on_disk()["term"])
        self.assertIn("is held", self.log.output)


class DamageTest(SeenCase):
    """What cannot be read is no proof that nothing was seen."""

    def assert_doubt(self, word: str, memory: seen.SeenFile) -> None:
        for _ in range(2):
            why = self.recognise(3, memory=memory)
            assert why, word
            self.assertIn("FORGOTTEN", why)
            self.assertIn(str(self.path), why)
            self.assertIn(word, why)
            self.assertIn("mend it, or remove it", why)
        self.assertIn("mend it, or remove it", self.log.output)

    def test_damaged(self) -> None:
        whole = {
            "deployment_uuid": US,
            "term": 3,
            "seq": 0,
            "holder": "c3",
            "restored": False,
        }
        for content in (
            "",
            "{",
            "[]",
            "7",
            "{}",
            json.dumps(whole)[:-1],
            json.dumps({**whole, "deployment_uuid": 1}),
            json.dumps({**whole, "term": "3"}),
            json.dumps({**whole, "term": True}),
            json.dumps({**whole, "seq": None}),
            json.dumps({**whole, "restored": 0}),
            "[" * 4000,
            "\udcff",
        ):
            before = content.encode(errors="surrogateescape")
            self.path.write_bytes(before)
            self.assert_doubt("is damaged", self.new())
            self.assertEqual(before, self.path.read_bytes())
        self.path.write_text(json.dumps(whole))
        self.assertIsNone(self.recognise(3))

    def test_damaged_while_it_is_used(self) -> None:
        self.recognise(3)
        self.path.write_text("")
        self.assert_doubt("is damaged", self.memory)
        self.path.unlink()
        self.assertIsNone(self.recognise(3))

    def test_what_is_no_file(self) -> None:
        self.path.mkdir()
        self.assert_doubt("no regular file", self.memory)
        self.path.rmdir()
        os.mkfifo(self.path)
        self.assert_doubt("no regular file", self.memory)
        self.path.unlink()
        self.path.symlink_to(self.home / "nowhere")
        self.assert_doubt("is a link", self.memory)
        self.path.unlink()
        self.assertIsNone(self.recognise(3))

    def test_nobody_may_read_it(self) -> None:
        self.recognise(3)

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        with fixtures.MonkeyPatch("staffeln.db.keeping.read", refuse):
            self.assert_doubt("Permission denied", self.new())
        with fixtures.MonkeyPatch("pathlib.Path.lstat", refuse):
            self.memory = self.new()
            self.assertIsNone(self.recognise(3))

    def test_what_could_not_be_read_is_read_again(self) -> None:
        self.recognise(3)
        self.path.rename(self.home / "aside")
        self.path.mkdir()
        self.assertIsNotNone(self.recognise(2))
        self.path.rmdir()
        (self.home / "aside").rename(self.path)
        self.assertIsNotNone(self.recognise(2))
        self.assertIsNone(self.recognise(3))

    def test_a_folder_that_is_not_there(self) -> None:
        self.path = self.home / "none" / "f"
        gone = self.new()
        self.assert_doubt("cannot be written", gone)
        self.assertEqual(1, self.log.output.count("mend it"))
        self.clock = 60.0
        self.recognise(5, memory=gone)
        self.assertEqual(2, self.log.output.count("mend it"))
        self.path.parent.mkdir()
        self.assertIsNone(self.recognise(5, memory=gone))

    def test_a_later_term_that_cannot_be_written_is_known_all_the_same(
        self,
    ) -> None:
        self.recognise(3)

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with fixtures.MonkeyPatch("staffeln.db.keeping.replace", refuse):
            self.assertIsNone(self.recognise(4))
            self.assertIsNotNone(self.recognise(3))
        self.assertIn("No space left", self.log.output)

    def test_nothing_else_is_left(self) -> None:
        self.recognise(3)
        self.recognise(4)
        names = sorted(each.name for each in self.home.iterdir())
        self.assertEqual(
            [seen.FILE, str(pathlib.Path(seen.FILE).with_suffix(".lock"))],
            names,
        )


class FolderTest(base.TestCase):
    def test_one_that_can_be_used(self) -> None:
        keeping.check_folder(self.home)
        self.assertEqual([], list(self.home.iterdir()))

    def test_one_that_cannot(self) -> None:
        (self.home / "file").write_text("")
        for name in ("none", "file"):
            error = self.assertRaises(
                errors.ConfigurationError,
                keeping.check_folder,
                self.home / name,
            )
            self.assertIn(f"state_path {self.home / name}:", str(error))

    def test_one_that_hangs_is_no_reason_not_to_start(self) -> None:
        hangs = threading.Event()
        self.addCleanup(hangs.set)
        with fixtures.MonkeyPatch(
            "staffeln.db.keeping._unusable", lambda _: hangs.wait(60)
        ):
            keeping.check_folder(self.home, 0.01)
        self.assertIn("does not answer", self.log.output)
