# SPDX-License-Identifier: Apache-2.0
"""A process dies between any two steps of a round of reports.

Whatever the moment: every task that ended is told of, in one message only
(though the same message may come twice), and is purged.
"""

from __future__ import annotations

import datetime
import pathlib
import shutil
from typing import Any

import sqlalchemy as sa

from staffeln import ports
from staffeln.db.store import SqlStore
from staffeln.domain import errors, report, task
from staffeln.tests.unit.db import example
from staffeln.tests.unit.workflow import reporting_case
from staffeln.tests.unit.workflow.reporting_case import SECOND
from staffeln.workflow import resending

STEPS = frozenset(
    {
        "open_report",
        "attempt_report",
        "note_refused",
        "send",
        "note_delivered",
        "dissolve_report",
        "purge_report",
        "forget_reports",
    }
)


class DeathError(BaseException):
    """The process ends here."""


class Fate:
    """Lets a process die before or after so many steps."""

    def __init__(self, left: int, *, after: bool) -> None:
        self._left = left
        self._after = after
        self.died_at: str | None = None

    def of(self, thing: Any) -> Any:
        return _Mortal(thing, self)

    def step(self, name: str, call: Any) -> Any:
        last = self._left == 0
        self._left -= 1
        if last and not self._after:
            self.died_at = name
            raise DeathError(f"before {name}")
        try:
            return call()
        finally:
            if last:
                self.died_at = name
                raise DeathError(f"after {name}")


class _Mortal:
    """A door that a process uses until it dies."""

    def __init__(self, thing: Any, fate: Fate) -> None:
        self._thing = thing
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name not in STEPS:
            return found
        return lambda *arguments, **named: self._fate.step(
            name, lambda: found(*arguments, **named)
        )


class DeathsSuite(reporting_case.ReportingCase):
    """Inherit this with ``new_store``."""

    def begin(self) -> None:
        """A world of its own for each death."""
        self.store = self.new_store()
        self.post.arrived.clear()
        self.post.silent = False
        self.post.fails = lambda _to: False
        self.take_office()
        self.end("t1", "t2")
        self.end("t3", project="pb")
        self.end(
            "d1",
            kind=task.Kind.DELETE,
            mode=None,
            backup_id="b1",
            project="pb",
        )
        self.end("young", age=SECOND, project="pc")

    def die(self, left: int, *, after: bool) -> Fate:
        """A process makes rounds until it dies there."""
        fate = Fate(left, after=after)
        self.take_office(fate.of(self.store), fate.of(self.post))
        try:
            self.round()
        except DeathError:
            self.assertIsNotNone(fate.died_at)
        return fate

    def recover(self) -> None:
        """Another process takes office."""
        self.post.silent = False
        self.post.fails = lambda _to: False
        self.take_office()
        # What was tried twice waits.
        self.pass_time(resending.FIRST_WAIT)
        self.end("later")
        self.round()
        self.round()

    def assert_told_once(self, where: object) -> None:
        told = self.post.told()
        self.assertEqual(
            {"t1", "t2", "t3", "d1", "later"}, set(told), str(where)
        )
        for task_id, messages in told.items():
            self.assertEqual(
                1, len(set(messages)), f"{task_id} after {where}: {messages}"
            )
        self.assertEqual(["young"], self.left(), str(where))
        self.assertEqual(0, self.not_done(), str(where))

    def twice(self) -> set[str]:
        """Ids of messages that came more than once."""
        ids = [letter.id for letter in self.post.arrived]
        return {each for each in ids if ids.count(each) > 1}

    def walk(self, prepare: Any = lambda: None) -> list[tuple[str, bool]]:
        """Die at every step; returns after which a message came twice."""
        found: list[tuple[str, bool]] = []
        for after in (False, True):
            left = 0
            while True:
                self.begin()
                prepare()
                fate = self.die(left, after=after)
                if fate.died_at is None:
                    break
                self.recover()
                self.assert_told_once((fate.died_at, after, left))
                if self.twice():
                    found.append((fate.died_at, after))
                left += 1
            self.assertGreater(left, 3)
        return found

    # -- the tests -----------------------------------------------------------

    def test_members_are_told_of_each_task_by_one_message(self) -> None:
        twice = self.walk()
        # Of both projects: sent, and not noted.
        self.assertEqual(
            [("note_delivered", False)] * 2 + [("send", True)] * 2, twice
        )

    def test_all_in_one_message(self) -> None:
        self.obey(receivers=("x@example.org",))
        twice = self.walk()
        self.assertEqual([("note_delivered", False), ("send", True)], twice)

    def test_the_log(self) -> None:
        """What the log got is no message, so the purge alone is seen."""
        self.obey(sender=None)
        for after in (False, True):
            for left in range(5):
                self.begin()
                self.die(left, after=after)
                self.recover()
                self.assertEqual(["young"], self.left())
                self.assertEqual(0, self.not_done())

    def test_while_messages_are_refused(self) -> None:
        def refuse() -> None:
            self.post.fails = self.failing()

        self.assertEqual([], self.walk(refuse))

    def test_after_no_answer_came(self) -> None:
        def be_silent() -> None:
            self.post.silent = True
            self.round()

        self.walk(be_silent)

    def test_when_no_answer_ever_came(self) -> None:
        """It counts as delivered, and goes to the operators."""
        self.obey(operators=("ops@example.org",))

        def be_silent() -> None:
            self.post.silent = True
            for _ in range(resending.MOST_TRIES):
                self.round()
                self.pass_time(datetime.timedelta(hours=4))
            self.post.silent = False

        self.walk(be_silent)
        self.assertIn(
            ("ops@example.org",), [letter.to for letter in self.post.arrived]
        )

    def test_what_cannot_be_made_and_is_late(self) -> None:
        self.obey(receivers=("x@example.org",), operators=("o@example.org",))
        self.scribe.spoils = "pa"
        for after in (False, True):
            for left in range(12):
                self.begin()
                self.pass_time(4 * reporting_case.DAY)
                fate = self.die(left, after=after)
                self.recover()
                self.pass_time(4 * reporting_case.DAY)
                self.round()
                where = (left, after, fate.died_at)
                self.assertEqual([], self.left(), str(where))
                self.assertEqual(0, self.not_done(), str(where))
                told = "\n".join(self.post.told())
                for name in ("t1", "t2", "t3", "d1", "young", "later"):
                    self.assertIn(name, told, str(where))

    def test_an_office_that_is_lost_in_the_middle(self) -> None:
        """Its last message is sent, and noted whoever is in office."""
        self.begin()
        real = self.store.open_report

        def open_report(
            term: int,
            report_id: str,
            audience: report.Audience,
            project_ids: list[str],
            now: datetime.datetime,
        ) -> int:
            count = real(term, report_id, audience, project_ids, now)
            self.term = self.store.take_office("c2")
            return count

        self.store.open_report = open_report  # type: ignore[method-assign, assignment]
        self.assertRaises(errors.OvertakenError, self.round)
        self.store.open_report = real  # type: ignore[method-assign]
        self.recover()
        self.assert_told_once("lost office")
        self.assertEqual(set(), self.twice())


class MemoryDeathsTest(DeathsSuite):
    """In memory."""


class _Clocked(SqlStore):
    """A database by the test's clock."""

    time_of: reporting_case.ReportingCase

    def now(self) -> datetime.datetime:
        return self.time_of.time


class SqliteDeathsTest(DeathsSuite):
    """In a file, with real transactions."""

    def setUp(self) -> None:
        self.empty: pathlib.Path | None = None
        super().setUp()

    def new_store(self) -> ports.Store:
        if self.empty is None:
            self.empty = self.make_temp_dir() / "empty.sqlite"
            example.new_database(self.empty).close()
        path = self.make_temp_dir() / "staffeln.sqlite"
        shutil.copy(self.empty, path)
        database = example.open_database(path)
        self.addCleanup(database.close)
        # It is the process that dies here, not the host: no waiting for it.
        sa.event.listen(
            database.engine,
            "connect",
            lambda raw, _: raw.execute("PRAGMA synchronous = OFF"),
        )
        database.engine.dispose()
        store = _Clocked(database)
        store.time_of = self
        return store
