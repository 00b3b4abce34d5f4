# SPDX-License-Identifier: Apache-2.0
"""Each sample of release 2.x, upgraded, and then real cycles on it."""

from __future__ import annotations

import shutil

from staffeln.db import session
from staffeln.tests.functional.db import databases, old_release
from staffeln.tests.functional.db.test_migrations import SAMPLES
from staffeln.tests.functional.upgrade import upgraded_suite
from staffeln.tests.servers import mariadb


class SqliteTest(databases.Sqlite, upgraded_suite.UpgradedSuite):
    """The four samples on SQLite."""

    def old_databases(self) -> list[tuple[session.Database, int]]:
        found = []
        for name, revision in SAMPLES.items():
            path = self.make_temp_dir() / "staffeln.sqlite"
            shutil.copy(old_release.SAMPLES / f"{name}.sqlite", path)
            database = self.connect(f"sqlite:///{path}")
            found.append((database, upgraded_suite.age_of(revision)))
        return found


class MariaDbTest(databases.MariaDb, upgraded_suite.UpgradedSuite):
    """The sample that was dumped from a MariaDB."""

    def old_databases(self) -> list[tuple[session.Database, int]]:
        url = self.new_url()
        mariadb.shared().run(
            (old_release.SAMPLES / "head-mariadb.sql").read_text(),
            url.rpartition("/")[2],
        )
        return [
            (
                self.connect(url),
                upgraded_suite.age_of(old_release.REVISIONS[-1]),
            )
        ]
