# SPDX-License-Identifier: Apache-2.0
"""The suite of stores, for the store on SQL."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import fixtures
import sqlalchemy as sa

from staffeln import ports
from staffeln.db import claims, migration, rows, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors, report, task
from staffeln.tests.functional.db import databases, store_case, suite
from staffeln.tests.unit.domain import samples


class SqlStoreSuite(databases.DatabaseCase, suite.StoreSuite):
    """The suite, with a schema that is made as operators make it."""

    database: session.Database

    def new_store(self) -> ports.Store:
        self.database = self.connect(self.schema_url())
        return SqlStore(self.database)

    def schema_url(self) -> str:
        """The URL of a database with a new schema and nothing else."""
        raise NotImplementedError

    def mark_reported(self, task_id: str) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.insert(rows.REPORTS).values(
                    id="told",
                    audience="all",
                    project_id="p1",
                    receiver="",
                    created_at=store_case.NOW,
                    delivered_at=store_case.NOW,
                )
            )
            connection.execute(
                sa.update(rows.TASKS)
                .where(rows.TASKS.c.id == task_id)
                .values(report_id="told")
            )

    # -- what only a store on SQL can meet ----------------------------------

    def test_slots_taken_in_between_are_left_out(self) -> None:
        """Another writer took them after they were seen to be free."""
        self.plan(store_case.planned(3), store_case.planned(7))
        late = [
            dataclasses.replace(store_case.planned(number), id=f"n{number}")
            for number in range(10)
        ]
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.db.planned._taken_slots", lambda *_: set()
            )
        )
        added = self.plan(*late)
        self.assertEqual(
            {f"n{number}" for number in range(10) if number not in (3, 7)},
            {work.id for work in added},
        )
        self.assertEqual([], self.store.events("n3"))
        self.assertEqual(1, len(self.store.events("n4")))

    def test_a_claim_that_others_outrun_asks_for_fewer_of_more(self) -> None:
        self.plan(*(store_case.planned(number) for number in range(60)))

        def claim(lost: int) -> list[str]:
            _, found = self.database.write(
                lambda connection: claims.claim(
                    connection,
                    "c1",
                    task.Kind.BACKUP,
                    8,
                    store_case.NOW,
                    ports.NO_THROTTLE,
                    lost,
                )
            )
            return [work.id for work in found]

        self.assertEqual([f"t{number}" for number in range(8)], claim(0))
        for lost, count in ((1, 4), (2, 2), (3, 1), (12, 1)):
            self.assertEqual(count, len(claim(lost)))

    def test_seats_that_others_took_meanwhile_are_left(self) -> None:
        """What a claim remembers of free seats is no more than a hint."""
        self.plan(*(store_case.planned(number) for number in range(60)))
        other = SqlStore(self.database)
        limits = ports.Throttle(running=20)
        won: list[str] = []
        for _ in range(12):
            for each, by in ((self.store, "c1"), (other, "c2")):
                won += [
                    work.id
                    for work in each.claim(
                        by, task.Kind.BACKUP, 3, store_case.NOW, limits
                    )
                ]
        self.assertEqual(20, len(won))
        self.assertEqual(20, len(set(won)))

    def test_a_claim_that_always_comes_too_late_is_empty(self) -> None:
        def too_late(*_: object, **__: object) -> None:
            raise session.OutrunError("deadlock")

        self.plan(store_case.planned())
        with fixtures.MonkeyPatch("staffeln.db.claims.claim", too_late):
            self.assertEqual([], self.claim())
        self.assertEqual(1, len(self.claim()))

    def test_a_live_task_without_a_slot_goes_its_way(self) -> None:
        """An earlier release may have left two for one volume."""
        second = self.run_one(1)
        with self.database.engine.begin() as connection:
            connection.execute(sa.text("UPDATE tasks SET slot = NULL"))
        first = dataclasses.replace(store_case.planned(1), id="first")
        self.assertEqual([first], self.plan(first))
        again = self.move(second, task.State.PLANNED)
        self.assertEqual(again, self.store.get_task("t1"))
        one, two = self.claim()
        self.assertIsNotNone(self.move(self.start(one), task.State.FAILED))
        self.assertIsNotNone(self.move(self.start(two), task.State.FAILED))

    def test_a_database_without_its_deployment_is_refused(self) -> None:
        with self.database.engine.begin() as connection:
            (row,) = connection.execute(sa.select(rows.DEPLOYMENT)).all()
            connection.execute(sa.delete(rows.DEPLOYMENT))
        self.assertRaises(errors.SchemaError, self.store.deployment)
        with self.database.engine.begin() as connection:
            connection.execute(sa.insert(rows.DEPLOYMENT), row._asdict())

    def test_freshness_that_was_removed_comes_back(self) -> None:
        notes: tuple[Callable[[], None], ...] = (
            lambda: self.store.note_retention(self.term, store_case.NOW),
            lambda: self.store.note_cycle(self.term, samples.cycle()),
        )
        for note in notes:
            with self.database.engine.begin() as connection:
                connection.execute(sa.delete(rows.FRESHNESS))
            error = self.assertRaises(errors.SchemaError, self.store.freshness)
            self.assertIn("has lost its row", str(error))
            note()
            found = self.store.freshness()
        self.assertIsNotNone(found.cycle_at)
        self.assertIsNone(found.retention_at)

    def test_half_a_character_is_one_line(self) -> None:
        """As a command line may hold."""
        error = self.assertRaises(
            errors.StoreError, self.store.get_task, "\udcff"
        )
        self.assertIn("half a character", str(error))

    def end_many(self, count: int, project: str = "p1") -> None:
        """So many tasks of a project that have ended."""
        self.plan(
            *(
                dataclasses.replace(
                    store_case.planned(number),
                    id=f"{project}-{number:04}",
                    project_id=project,
                    state=task.State.FAILED,
                )
                for number in range(count)
            )
        )

    def tell(self, name: str, project: str = "p1") -> int:
        """The whole life of a report; how many statements it took."""
        statements: list[str] = []

        def seen(*arguments: object) -> None:
            statements.append(str(arguments[2]))

        event = "before_cursor_execute"
        sa.event.listen(self.database.engine, event, seen)
        store = self.store
        store.due_reports(store_case.NOW, store_case.DAY)
        store.open_report(
            self.term,
            name,
            report.Audience.PROJECT,
            [project],
            store_case.NOW,
        )
        list(store.finished(name))
        store.note_delivered(name, "a@example")
        store.purge_report(self.term, name)
        sa.event.remove(self.database.engine, event, seen)
        return len(statements)

    def test_a_report_of_many_tasks_takes_no_more_statements(self) -> None:
        self.end_many(3, "few")
        self.end_many(1000, "many")
        few, many = self.tell("r1", "few"), self.tell("r2", "many")
        self.assertEqual(few, many)
        self.assertEqual([], self.store.tasks())

    def test_a_report_is_read_and_purged_in_steps(self) -> None:
        for name in ("REPORTED_AT_ONCE", "PURGED_AT_ONCE"):
            self.useFixture(
                fixtures.MonkeyPatch(f"staffeln.db.report_store.{name}", 3)
            )
        deleted: list[int] = []

        def seen(*arguments: Any) -> None:
            if arguments[2].startswith("DELETE FROM tasks"):
                deleted.append(arguments[1].rowcount)

        event = "after_cursor_execute"
        sa.event.listen(self.database.engine, event, seen)
        for count in (2, 3, 4, 6, 7):
            seat = "run_slot" if count % 2 else "project_slot"
            self.end_many(count)
            self.store.open_report(
                self.term,
                f"r{count}",
                report.Audience.PROJECT,
                ["p1"],
                store_case.NOW,
            )
            self.assertEqual(
                [f"p1-{number:04}" for number in range(count)],
                [each.work.id for each in self.store.finished(f"r{count}")],
            )
            self.store.note_delivered(f"r{count}", "a@example")
            with self.database.engine.begin() as connection:
                connection.execute(
                    sa.text(f"UPDATE tasks SET {seat} = 1 WHERE id = :id"),
                    {"id": "p1-0001"},
                )
            self.store.purge_report(self.term, f"r{count}")
            self.assertEqual(
                ["p1-0001"], [each.id for each in self.store.tasks()]
            )
            self.store.free_seats(["p1-0001"])
            self.store.purge_report(self.term, f"r{count}")
            self.assertEqual([], self.store.tasks())
            self.assertEqual([], self.store.reports_not_done())
        self.assertEqual(3, max(deleted))

    def test_few_statements_carry_many_tasks(self) -> None:
        statements: list[str] = []

        @sa.event.listens_for(self.database.engine, "before_cursor_execute")
        def _seen(*arguments: object) -> None:
            statements.append(str(arguments[2]))

        self.plan(*(store_case.planned(number) for number in range(400)))
        planned = len(statements)
        claimed = self.claim(limit=400)
        claims = len(statements) - planned
        self.store.advance(
            [
                ports.Change(
                    before=each,
                    after=task.advance(
                        each, task.State.PLANNED, store_case.NOW, "handed back"
                    ),
                )
                for each in claimed
            ],
            "c1",
        )
        moves = len(statements) - planned - claims
        self.assertEqual(400, len(claimed))
        # With the ping, BEGIN and the savepoint where they are statements.
        self.assertLess(max(planned, claims, moves), 14)


class ServerStoreSuite(SqlStoreSuite):
    """On a server: one schema for all tests, emptied for each."""

    url: ClassVar[str | None] = None

    def schema_url(self) -> str:
        cls = type(self)
        if cls.url is None:
            url = self.new_url()
            migration.create_schema(self.connect(url))
            cls.url = url
        databases.forget_everything(self.connect(cls.url))
        return cls.url
