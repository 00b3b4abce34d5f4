# SPDX-License-Identifier: Apache-2.0
"""What the check knows of the schema without alembic and the models."""

from staffeln.db import check, migration, models, prompt
from staffeln.tests import base


class SchemaTest(base.TestCase):
    def test_it_is_the_migrations_head(self) -> None:
        self.assertEqual(migration.head(), check.HEAD)

    def test_its_columns_are_the_models(self) -> None:
        for table in (
            check.DEPLOYMENT,
            check.TERM,
            check.BACKUPS,
            check.TASKS,
        ):
            theirs = models.Base.metadata.tables[table.name]
            self.assertLessEqual(
                set(table.c.keys()), set(theirs.c.keys()), table.name
            )


class SharesTest(base.TestCase):
    def test_the_shares_of_one_answer(self) -> None:
        self.assertLess(check.RETRY_WITHIN + prompt.LONGEST, 2.0)
