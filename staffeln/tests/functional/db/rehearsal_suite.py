# SPDX-License-Identifier: Apache-2.0
"""A rehearsal says what an upgrade does, and writes nothing."""

from __future__ import annotations

import datetime

from staffeln.db import migration, rehearsal, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors
from staffeln.tests.functional.db import migration_case, old_release
from staffeln.tests.functional.db.migration_case import (
    STARTS,
    backup_row,
    queue_row,
)


class RehearsalSuite(migration_case.MigrationCase):
    """Part of :class:`migration_suite.MigrationSuite`."""

    def rehearse(self, database: session.Database) -> list[str]:
        """What a rehearsal says; it must have written nothing."""
        before = self.everything(database)
        told: list[str] = []
        self.adopts = rehearsal.rehearse(database, told.append)
        self.assertEqual(before, self.everything(database))
        return told

    def assert_rehearsed(
        self, database: session.Database, revision: str
    ) -> None:
        """Of a sample: what is said is what the upgrade says and does."""
        told = self.rehearse(database)
        self.assertTrue(self.adopts)
        database.close()
        self.told.clear()
        copy = self.empty_database()
        old_release.make(
            copy.engine, old_release.sample_rows(), revision, revision
        )
        store = self.upgrade(copy)
        kept_aside = [x for x in self.told if "is kept as" in x]
        self.assertEqual([], [x for x in self.told if x not in told])
        self.assertTrue(kept_aside)
        text = "\n".join(told)
        for row in store.backups():
            told_of = f"volume {row.volume_id}: backup {row.id} " in text
            self.assertEqual(row.state != "available", told_of)
        self.assertIn("122 backup(s) of 24 volume(s) would be kept", text)
        self.assertIn("14 ended task(s)", text)

    def test_every_known_database_is_rehearsed(self) -> None:
        rows = old_release.sample_rows()
        for revision, stamp in STARTS:
            database = self.empty_database()
            old_release.make(database.engine, rows, revision, stamp)
            told = "\n".join(self.rehearse(database))
            self.assertIn("122 backup(s) of 24 volume(s)", told)
            unknown = "122 of them" if revision == STARTS[0][0] else "15 of"
            self.assertIn(f"{unknown}", told)

    def test_a_database_in_use_is_rehearsed_all_the_same(self) -> None:
        now = SqlStore(self.empty_database()).now()
        database = self.old_database(
            [backup_row(1, updated_at=now - datetime.timedelta(minutes=1))],
            [queue_row(2, 1), queue_row(3, 0)],
        )
        told = "\n".join(self.rehearse(database))
        self.assertIn("now it would be refused", told)
        self.assertIn("backup made-by-2 is being made", told)
        self.assertIn("1 planned task(s) dropped", told)

    def test_what_is_between_two_revisions_is_named(self) -> None:
        database = self.old_database([backup_row(1)])
        migration.upgrade(database, "5e0d7c3a91f4")
        told = self.rehearse(database)
        self.assertFalse(self.adopts)
        self.assertEqual(
            ["a4d18c6e2b97", "d7b3e5f08a46", "b92c6e1d40f7"],
            [line.split()[1] for line in told],
        )
        migration.upgrade(database)
        self.assertIn("nothing to do", self.rehearse(database)[0])

    def test_a_newer_database_is_refused(self) -> None:
        database = self.old_database()
        self.stamp(database, "f00000000000")
        error = self.assertRaises(errors.SchemaError, self.rehearse, database)
        self.assertIn("newer release", str(error))
